package faultfs_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
)

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
