// Package saves holds a right way and wrong ways to save a file.
package saves

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"helpers"
)

func writeFileAndRename(name, text string) error {
	if err := os.WriteFile(name+".tmp", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name) // want `os.WriteFile wrote is renamed .*\(writefile\)`
}

func renameUnsynced(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), "save")
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name) // want `nothing has synced it.*f.Sync\(\).*\(rename\)`
}

func closeTooLate(name string, r io.Reader) error {
	temp := name + ".new"
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	defer f.Close() // want `closed after it is renamed.*\(defer\)`
	w := bufio.NewWriter(f)
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return os.Rename(temp, name) // want `\(rename\)`
}

func noDirectory(name string, value any) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(f).Encode(value); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(name+".new", name) // want `nothing syncs the directory after that.*\(directory\)`
}

func created(name, text string) error { // want created:`saves 0 {Synced:true Truncates:false}`
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644) // want `its name can be missing.*\(directory\)`
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

type config struct{ path string }

func (c *config) load() ([]byte, error) { return os.ReadFile(c.path) }

func (c *config) save(data []byte) error {
	return os.WriteFile(c.path, data, 0o644) // want `empties the file before it writes it.*saves.go:\d+.*\(writefile\)`
}

func (c *config) saveSlowly(data []byte) error {
	f, err := os.Create(c.path) // want `neither the old nor the new can be left.*\(truncate\)`
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Close()
}

func syncedInPlace(name string, data []byte) error { // want syncedInPlace:`saves 0 {Synced:true Truncates:true}`
	f, err := os.Create(name) // want `meant to last.*\(truncate\)`
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	f.Sync() // want `the error of the sync of f is ignored.*\(error\)`
	return f.Close()
}

func appendLine(name, line string) error { // want appendLine:`saves 0 {Synced:false Truncates:false}`
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close() // want `the error of Close is ignored on f.*\(error\)`
	_, err = f.WriteString(line)
	return err
}

// What helpers do is known.

func byHelper(name string, data []byte) error {
	if err := helpers.Write(name+".tmp", data); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name) // want `the file that Write wrote is renamed.*\(writefile\)`
}

// Ways that are right.

func right(name string, data []byte) (err error) { // want right:`^syncs a directory$`
	f, err := os.CreateTemp(filepath.Dir(name), "save")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(dir string) error { // want syncDir:`^syncs a directory$`
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syscall.Fsync(int(d.Fd()))
}

func rightByHelpers(name string, data []byte) error { // want rightByHelpers:`^syncs a directory$`
	if err := helpers.WriteSynced(name+".tmp", data); err != nil {
		return err
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	return helpers.Settle(filepath.Dir(name))
}

func handedOver(name string, write func(*os.File) error) error { // want handedOver:`^syncs a directory$`
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	if err := write(f); err != nil { // it may sync
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func moved(from, to string) error { return os.Rename(from, to) }

func scratch(text string) error {
	f, err := os.CreateTemp("", "scratch")
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

func device(text string) error {
	f, err := os.Create("/dev/kmsg")
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

func fresh(name string, data []byte) error { // want fresh:`saves 0 {Synced:false Truncates:true}`
	return os.WriteFile(name, data, 0o644) // nobody reads it
}

// Where something has failed, nobody waits for the error of Close.
func leftOpen(name string, start func(io.Writer) error) error { // want leftOpen:`saves 0`
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := start(f); err != nil {
		f.Close()
		return err
	}
	return nil
}
