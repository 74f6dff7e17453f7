package oracle_test

import (
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
)

func TestFileThatDoesNotFitInMemoryIsNotRead(t *testing.T) {
	fsys := faultfs.New()
	require.NoError(t, afero.WriteFile(fsys, "/small", []byte("data"), 0o600))
	data, err := oracle.ReadFile(fsys, "/small")
	require.NoError(t, err)
	require.Equal(t, "data", string(data))

	f, err := fsys.OpenFile("/sparse", os.O_RDWR|os.O_CREATE, 0o644)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(10_000_000_000))
	_, err = oracle.ReadFile(fsys, "/sparse")
	require.ErrorIs(t, err, syscall.EFBIG)
	require.EqualError(t, err, "read /sparse: file too large: it has 10000000000 bytes, and at most 268435456 are read at once")

	_, err = oracle.ReadFile(fsys, "/gone")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = oracle.ReadFile(fsys, "/")
	require.ErrorIs(t, err, syscall.EISDIR)
}
