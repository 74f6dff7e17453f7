package overlay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/crashsim/crashsim/runner/outfile"
)

// Build says for which build an overlay is made.
type Build struct {
	// Dir is where the go command runs; "" is the current directory.
	Dir string
	// Cache is the directory in which the files are kept; "" is one of crashsim's own
	// in the user's cache directory.
	Cache string
}

// Write writes the overlay for a build, and returns the file for the flag -overlay. The
// files are named after what they hold, so that builds which run at once share them, and
// the go command builds the standard library anew only where they differ.
func Write(ctx context.Context, b Build) (file string, err error) {
	env, err := b.environment(ctx)
	if err != nil {
		return "", err
	}
	if env.GOOS != "linux" {
		return "", fmt.Errorf("package os in memory works on Linux, not on %s: use runner.Check with an afero.Fs there", env.GOOS)
	}
	cache := b.Cache
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("the cache directory: %w", err)
		}
		cache = filepath.Join(user, "crashsim", "overlay")
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	w := writer{cache: cache, replace: map[string]string{}}
	w.standard(filepath.Join(env.GOROOT, "src"))
	if w.err != nil {
		return "", w.err
	}
	text, err := json.MarshalIndent(map[string]any{"Replace": w.replace}, "", "\t")
	if err != nil {
		return "", err
	}
	return w.keep("overlay.json", append(text, '\n'))
}

// environment is what the go command says of itself.
type environment struct{ GOROOT, GOOS, GOVERSION string }

func (b *Build) environment(ctx context.Context) (environment, error) {
	var env environment
	text, err := b.goCommand(ctx, "env", "-json", "GOROOT", "GOOS", "GOVERSION")
	if err != nil {
		return env, err
	}
	return env, json.Unmarshal(text, &env)
}

// goCommand runs the go command and returns what it prints.
func (b *Build) goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.Dir
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(said.String()))
	}
	return out.Bytes(), nil
}

// writer writes the files of an overlay. The first error ends it.
type writer struct {
	cache   string
	replace map[string]string
	err     error
}

// standard patches packages syscall and runtime.
func (w *writer) standard(src string) {
	dir := filepath.Join(src, "syscall")
	w.patch(filepath.Join(dir, "syscall_linux.go"), func(name string, text []byte) ([]byte, error) {
		patched, added, err := patchEntries(name, text)
		if err == nil {
			w.add(filepath.Join(dir, "zcrashsim_linux.go"), added)
		}
		return patched, err
	})
	w.patch(filepath.Join(dir, "exec_linux.go"), patchFork)
	w.patch(filepath.Join(dir, "exec_unix.go"), patchExec)
	w.add(filepath.Join(src, "runtime", "zcrashsim.go"), []byte(runtimeAddition))
}

// add adds a file to a package.
func (w *writer) add(file string, text []byte) {
	if w.err == nil {
		w.replace[file], w.err = w.keep(filepath.Base(file), text)
	}
}

// patch writes the patched form of a file.
func (w *writer) patch(file string, patch func(name string, text []byte) ([]byte, error)) {
	if w.err != nil {
		return
	}
	text, err := os.ReadFile(file)
	if err == nil {
		text, err = patch(file, text)
	}
	if err == nil && w.err == nil {
		w.replace[file], err = w.keep(filepath.Base(file), text)
	}
	if w.err == nil {
		w.err = err
	}
}

// keep writes a file of the cache that is named after what it holds, unless it is there.
func (w *writer) keep(name string, text []byte) (string, error) {
	sum := sha256.Sum256(text)
	file := filepath.Join(w.cache, hex.EncodeToString(sum[:8])+"-"+name)
	held, err := os.ReadFile(file)
	if err == nil && bytes.Equal(held, text) {
		return file, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return file, outfile.Write(file, text)
}
