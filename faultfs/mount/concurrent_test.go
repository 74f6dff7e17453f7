//go:build linux

package mount_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/mount"
)

// worker makes random calls in a mount that others use too. What they return is
// not looked at: names come and go.
func worker(dir string, random *rand.Rand, steps int) {
	at := func() string {
		return filepath.Join(dir, []string{"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a"}[random.IntN(7)])
	}
	for range steps {
		switch random.IntN(10) {
		case 0:
			_ = os.Mkdir(at(), 0o700)
		case 1:
			_ = os.Remove(at())
		case 2, 3:
			_ = os.Rename(at(), at())
		case 4:
			_ = os.Link(at(), at())
		case 5:
			_ = os.Truncate(at(), random.Int64N(9000))
		case 6:
			_, _ = os.ReadDir(at())
		default:
			f, err := os.OpenFile(at(), os.O_RDWR|os.O_CREATE|[]int{0, os.O_APPEND, os.O_TRUNC, os.O_SYNC}[random.IntN(4)], 0o600)
			if err != nil {
				continue
			}
			for range 3 {
				_, _ = f.Write([]byte(strings.Repeat(string(rune('a'+random.IntN(26))), 1+random.IntN(6000))))
			}
			_ = unix.Fdatasync(int(f.Fd()))
			_ = f.Close()
		}
	}
}

// same returns an error that says how what is below a directory differs in two file
// systems, nil if it does not.
func same(one, other *faultfs.FS, dir string) error {
	a, err := inside(one, dir)
	if err != nil {
		return err
	}
	b, err := inside(other, dir)
	if err == nil && a != b {
		err = fmt.Errorf("the disk holds\n%s\nand replayed it holds\n%s", a, b)
	}
	return err
}

// inside tells everything that is below a directory of a file system.
func inside(fs *faultfs.FS, dir string) (string, error) {
	var b strings.Builder
	err := afero.Walk(fs, dir, func(name string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		size := info.Size()
		if info.IsDir() {
			size = 0
		}
		fmt.Fprintf(&b, "%s %v %d\n", name, info.Mode(), size)
		if !info.Mode().IsRegular() || size > 64<<20 { // a sparse file, of which the size is enough
			return nil
		}
		data, err := afero.ReadFile(fs, name)
		fmt.Fprintf(&b, "%q\n", data)
		return err
	})
	return b.String(), err
}

// TestOpsStandInTheOrderOfTheirEffects reads the trace of concurrent calls
// back, one op after the other.
func TestOpsStandInTheOrderOfTheirEffects(t *testing.T) {
	steps := 400
	if testing.Short() {
		steps = 100
	}
	fs := empty(t)
	dir := serve(t, fs, mount.Options{})
	var workers sync.WaitGroup
	for seed := range uint64(4) {
		workers.Go(func() { worker(dir, rand.New(rand.NewPCG(seed, 1)), steps) })
	}
	workers.Wait()
	require.NotEmpty(t, fs.ops())
	requireReadsBack(t, fs)
}
