package faultfs_test

import (
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
)

func TestFileThatDoesNotFitInMemoryIsNotRead(t *testing.T) {
	fsys := faultfs.New()
	require.NoError(t, afero.WriteFile(fsys, "/small", []byte("data"), 0o600))
	data, err := faultfs.ReadFile(fsys, "/small")
	require.NoError(t, err)
	require.Equal(t, "data", string(data))

	f, err := fsys.OpenFile("/sparse", os.O_RDWR|os.O_CREATE, 0o644)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(10_000_000_000))
	_, err = faultfs.ReadFile(fsys, "/sparse")
	require.ErrorIs(t, err, syscall.EFBIG)
	require.EqualError(t, err, "read /sparse: file too large: it has 10000000000 bytes, and at most 268435456 are read at once")

	_, err = faultfs.ReadFile(fsys, "/gone")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = faultfs.ReadFile(fsys, "/")
	require.ErrorIs(t, err, syscall.EISDIR)
}

func TestFileCannotBeLargerThanOnExt4(t *testing.T) {
	const most = 1 << 44
	fsys := faultfs.New()
	f, err := fsys.OpenFile("/f", os.O_RDWR|os.O_CREATE, 0o644)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(most))
	require.ErrorIs(t, f.Truncate(most+1), syscall.EFBIG)
	_, err = f.WriteAt([]byte("xy"), most-1)
	require.ErrorIs(t, err, syscall.EFBIG)
	_, err = f.WriteAt([]byte("x"), most-1)
	require.NoError(t, err)
}
