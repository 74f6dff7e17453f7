package outfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileIsReadWholeOrNotAtAll(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	for _, n := range []int{0, 1, 511, 512, 513, 5000} {
		text := strings.Repeat("x", n)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		got, err := readUpTo(name, int64(n))
		require.NoError(t, err)
		require.Equal(t, text, string(got))
		if n > 0 {
			_, err = readUpTo(name, int64(n)-1)
			require.ErrorContains(t, err, name+": more than")
		}
	}
	_, err := Read(name + "none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Read(filepath.Dir(name))
	require.Error(t, err)
}

// What would take all the memory is refused before any is taken.
func TestAFileThatIsTooLongIsRefusedAtOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sparse")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	if err := os.Truncate(name, 1<<43); err != nil {
		t.Skip(err)
	}
	allocated := testing.AllocsPerRun(1, func() {
		_, err := Read(name)
		require.ErrorContains(t, err, "more than 1342177280 bytes")
	})
	require.Less(t, allocated, 1000.0)
	if _, err := os.Stat("/dev/zero"); err == nil {
		_, err := readUpTo("/dev/zero", 1<<20)
		require.ErrorContains(t, err, "read /dev/zero: more than 1048576 bytes")
	}
}
