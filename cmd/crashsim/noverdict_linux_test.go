package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// brokenProgram is a command that finds a program broken, and writes every file that it can
// into a directory.
func brokenProgram(t *testing.T, dir string) *exec.Cmd {
	in := func(name string) string { return filepath.Join(dir, name) }
	return crashsim(t, "exec", "--failures", in("failures"), "--junit", in("junit"), "--sarif", in("sarif"), "--report", in("page"),
		"--setup", "echo old >f", "--check", "read x <f && [ $x ] || { echo torn: f; exit 1; }", "--", "sh", "-c", "echo new >f; echo saved")
}

// However few descriptors there are, there is a verdict with its files, or an error
// and none of them.
func TestWithoutDescriptorsThereIsNoVerdict(t *testing.T) {
	if fuse, err := condition("fuse"); err != nil || !fuse {
		t.Skip("no FUSE file system can be mounted here")
	}
	named := filepath.Join(t.TempDir(), "crashsim") // the name says to the test binary what it is
	require.NoError(t, os.Symlink(crashsim(t).Path, named))
	refused, judged := 0, 0
	for _, limit := range []int{4, 6, 8, 10, 16, 22, 23, 24, 28, 32, 40, 48, 56, 64, 1024} {
		dir, temp := t.TempDir(), t.TempDir()
		cmd := brokenProgram(t, dir)
		cmd.Env = append(cmd.Env, "TMPDIR="+temp)
		cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, limit), "sh", named}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		require.NoError(t, cmd.Start())
		stop := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		stop.Stop()
		var files []string
		require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && path != dir {
				files = append(files, path)
			}
			return err
		}))
		left, readErr := os.ReadDir(temp)
		require.NoError(t, readErr)
		require.Empty(t, left, "limit %d: %s", limit, errs.String())
		require.Error(t, err)
		switch cmd.ProcessState.ExitCode() {
		case exitWrong:
			judged++
			require.Len(t, files, 5, "a directory and four files, limit %d: %s", limit, errs.String())
			require.Contains(t, out.String(), "torn: f")
		case exitUsage:
			refused++
			require.Empty(t, files, "limit %d: %s", limit, errs.String())
			require.Empty(t, out.String(), "limit %d", limit)
			said := strings.TrimPrefix(errs.String(), "saved\n") // by the program
			require.Regexp(t, `^crashsim: [^\n]*too many open files[^\n]*ulimit -n [^\n]*\n$`, said, "limit %d", limit)
		default:
			t.Fatalf("limit %d: %v: %s", limit, err, errs.String())
		}
	}
	require.Positive(t, refused)
	require.Positive(t, judged)
}

// A finding is printed although nothing that was to be written could be.
func TestFindingIsPrintedThoughTheDiskIsFull(t *testing.T) {
	if fuse, err := condition("fuse"); err != nil || !fuse || os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk, and FUSE is needed")
	}
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"))
	defer func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) }()
	require.Error(t, os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 1<<20), 0o600))
	cmd := brokenProgram(t, dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.Error(t, cmd.Run())
	require.Equal(t, exitWrong, cmd.ProcessState.ExitCode(), errs.String())
	require.Contains(t, out.String(), "torn: f")
	require.NotContains(t, out.String(), "crashsim replay", "there is no such file")
	for _, name := range []string{"failures", "junit", "sarif", "page"} {
		require.Contains(t, errs.String(), name)
	}
	require.Contains(t, errs.String(), "no space left on device")
}
