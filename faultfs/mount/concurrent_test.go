//go:build linux

package mount_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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

// inside tells everything that is below a directory of a file system.
func inside(t *testing.T, fs *faultfs.FS, dir string) string {
	t.Helper()
	d, err := fs.Open(dir)
	require.NoError(t, err)
	infos, err := d.Readdir(-1)
	require.NoError(t, err)
	var b strings.Builder
	for _, info := range infos {
		name := path.Join(dir, info.Name())
		fmt.Fprintf(&b, "%s %v %d\n", name, info.Mode(), info.Size())
		if info.IsDir() {
			b.WriteString(inside(t, fs, name))
			continue
		}
		f, err := fs.Open(name)
		require.NoError(t, err)
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		fmt.Fprintf(&b, "%q\n", data)
	}
	return b.String()
}

// TestOpsStandInTheOrderOfTheirEffects reads the trace of concurrent calls
// back, one op after the other.
func TestOpsStandInTheOrderOfTheirEffects(t *testing.T) {
	steps := 400
	if testing.Short() {
		steps = 100
	}
	fs := faultfs.New()
	dir := serve(t, fs, mount.Options{})
	var workers sync.WaitGroup
	for seed := range uint64(4) {
		workers.Go(func() { worker(dir, rand.New(rand.NewPCG(seed, 1)), steps) })
	}
	workers.Wait()
	trace := fs.Trace()
	again, err := faultfs.ParseTrace("trace", trace.Text())
	require.NoError(t, err)
	require.True(t, trace.Same(again))
	replayed := faultfs.New()
	for _, op := range again.Ops {
		_, err := replayed.Do(op)
		require.NoError(t, err, op.Line())
	}
	require.Equal(t, inside(t, fs, "/"), inside(t, replayed, "/"))
}
