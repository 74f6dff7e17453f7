package machine_test

import (
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/inprocess"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/machine"
	"github.com/crashsim/crashsim/testdata/kv"
)

// onDir is the machine of the store on the files of a directory, by way of package os.
func onDir(bug kv.Bug) machine.Machine[*kv.Store, numbers] {
	m := store(bug)
	m.Open = nil
	m.OpenDir = func(dir string) (*kv.Store, error) { return kv.Open(afero.NewBasePathFs(afero.NewOsFs(), dir), bug) }
	return m
}

func TestAProgramOfPackageOsIsCrashedInProcess(t *testing.T) {
	sound := recorded("TestStore", func(t machine.TB) { machine.Check(t, onDir(kv.None), runner.Options{}) })
	if !inprocess.Available() {
		require.Contains(t, sound.skipped, "crashsim test -run '^TestStore$' .")
		t.Skip(sound.skipped)
	}
	require.Empty(t, sound.errors)
	broken := recorded("TestStore", func(t machine.TB) { machine.Check(t, onDir(kv.NoFileSync), runner.Options{}) })
	require.NotEmpty(t, broken.errors)
	require.Contains(t, broken.text(), "(kv/kv.go:") // the line of the program
}
