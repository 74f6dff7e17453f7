package runner_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// logged is a program that appends letters to a log, each with a sync or without, and
// acknowledges each.
func logged(letters string, workOn bool) runner.Scenario {
	write := func(fs *faultfs.FS, letters string) error {
		f, err := fs.OpenFile("/log", 2, 0)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		for i, c := range []byte(letters) {
			if _, err := f.WriteAt([]byte{c | 0x20}, info.Size()+int64(i)); err != nil {
				return err
			}
			if c&0x20 != 0 { // capital letters are not synced
				if err := f.Sync(); err != nil {
					return err
				}
			}
			fs.Mark("one")
		}
		return f.Close()
	}
	s := runner.Scenario{
		Name:     "logged",
		Setup:    func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/log", nil, 0o644) },
		Workload: func(fs *faultfs.FS) error { return write(fs, letters) },
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			data, err := afero.ReadFile(disk, "/log")
			if err != nil {
				return []oracle.Violation{{Kind: oracle.Lost, Detail: err.Error()}}
			}
			there := 0
			for there < len(data) && data[there] != 0 {
				there++
			}
			if there < marks.Count("one") {
				return []oracle.Violation{{Kind: oracle.Lost, Detail: fmt.Sprintf("%d of %d", there, marks.Count("one"))}}
			}
			return nil
		}),
	}
	if workOn {
		s.WorkOn = func(fs *faultfs.FS) error { return write(fs, "z") }
	}
	return s
}

// The slow definition: with what is known, the verdict is the one that a run has which knows
// nothing.
func TestWhatIsKnownOfOtherProgramsChangesNoVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workOn := rapid.Bool().Draw(t, "work on")
		known, saved := map[string]bool{}, 0
		for _, letters := range rapid.SliceOfN(rapid.StringMatching("[ab]{0,3}[abA]?"), 1, 4).Draw(t, "programs") {
			alone, err := runner.Run(context.Background(), logged(letters, workOn), runner.Options{First: true})
			require.NoError(t, err)
			with, err := runner.Run(context.Background(), logged(letters, workOn), runner.Options{First: true, Known: known})
			require.NoError(t, err)
			require.Equal(t, alone[0].Outcome, with[0].Outcome, letters)
			require.LessOrEqual(t, with[0].Coverage.Cases, alone[0].Coverage.Cases)
			saved += alone[0].Coverage.Cases - with[0].Coverage.Cases
		}
	})
}

// What was judged costs nothing again, and only what comes after is told apart.
func TestACommonBeginningIsJudgedOnce(t *testing.T) {
	known := map[string]bool{}
	run := func(letters string) *runner.Result {
		r, err := runner.Run(context.Background(), logged(letters, false), runner.Options{Known: known})
		require.NoError(t, err)
		return &r[0]
	}
	long := run("abababab")
	require.Equal(t, runner.Keeps(), long.Outcome)
	again := run("abababab")
	require.Equal(t, runner.Keeps(), again.Outcome)
	require.Zero(t, again.Coverage.Cases)
	more := run("ababababa")
	require.Equal(t, runner.Keeps(), more.Outcome)
	require.Less(t, more.Coverage.Cases, long.Coverage.Cases/2)
	require.Equal(t, runner.Broken, run("ababababaA").Outcome.Verdict)
	require.Equal(t, runner.Broken, run("ababababaAa").Outcome.Verdict, "what was not kept is not known")
	_, err := runner.Run(context.Background(), logged("a", false), runner.Options{Known: known, Workdir: []string{t.TempDir()}})
	require.ErrorContains(t, err, "with Options.Known, no results are kept in a Workdir")
}
