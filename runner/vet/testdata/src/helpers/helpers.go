// Package helpers writes files for others.
package helpers

import "os"

// Write writes a file and syncs nothing.
func Write(name string, data []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Close()
}

// WriteSynced writes a file that is then there.
func WriteSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = flush(f)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

func flush(f *os.File) error { return f.Sync() }

// Settle syncs a directory.
func Settle(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	_ = d.Close()
	return err
}
