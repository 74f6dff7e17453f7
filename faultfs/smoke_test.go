package faultfs_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	f := faultfs.New()
	require.NoError(t, f.MkdirAll("/a/b", 0o777))
	f = f.Checkpoint()
	h, err := f.Create("/a/b/f.tmp")
	require.NoError(t, err)
	fmt.Fprintf(h, "hello %d", 7)
	require.NoError(t, f.Rename("/a/b/f.tmp", "/a/b/f"))
	h.WriteString("x")
	h.Sync()
	h.Close()
	_, err = f.Open("/nope/x")
	require.ErrorIs(t, err, os.ErrNotExist)
	f.Mark("saved it")
	text := f.Trace().Text()
	t.Logf("%s", text)
	u, err := faultfs.ParseTrace("x", text)
	require.NoError(t, err)
	require.Equal(t, string(text), string(u.Text()))
}
