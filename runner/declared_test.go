package runner_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// TestWhatIsDeclaredOfMoreThanIsTried: a verdict that is Broken by a fault of
// the scenario, or by a crash in recovery, says nothing of a run without.
func TestWhatIsDeclaredOfMoreThanIsTried(t *testing.T) {
	unheeding := runner.Scenario{
		Name: "unheeding",
		Workload: func(fs *faultfs.FS) error {
			f, err := fs.Create("/f")
			if err != nil {
				return err
			}
			_, _ = f.WriteString("x")
			if err := f.Sync(); err != nil {
				return err
			}
			fs.Mark("done")
			return f.Close()
		},
		Oracle:   oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Absent, oracle.Data("x")}, Mark: "done"},
		Faults:   []faultfs.Fault{{Kind: faultfs.OpWrite, Errno: syscall.EIO}},
		Declared: map[model.Model]runner.Outcome{model.MustParse("kill"): runner.Breaks(oracle.Torn)},
	}
	// It is killed after it has created the file: empty, and that is no version.
	unheeding.Oracle = oracle.When("done", unheeding.Oracle)
	clearing := runner.Scenario{
		Name:     "clearing",
		Setup:    func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("x"), 0o644) },
		Workload: func(fs *faultfs.FS) error { fs.Mark("done"); return nil },
		Recover: func(disk afero.Fs) error {
			if err := disk.Remove("/f"); err != nil {
				return err
			}
			return afero.WriteFile(disk, "/f", []byte("x"), 0o644)
		},
		Oracle:   oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data("x")}},
		Declared: map[model.Model]runner.Outcome{model.MustParse("kill"): runner.Breaks(oracle.Refused)},
	}
	other := []faultfs.Fault{{Kind: faultfs.OpFsync, Errno: syscall.EIO}}
	tests := []struct {
		what     string
		scenario runner.Scenario
		options  runner.Options
		broken   bool
	}{
		{"its fault", unheeding, runner.Options{}, true},
		{"another fault", unheeding, runner.Options{Faults: other}, false},
		{"no crash in recovery where there is none", unheeding, runner.Options{Depth: runner.Times(0)}, true},
		{"a crash in recovery", clearing, runner.Options{}, true},
		{"no crash in recovery", clearing, runner.Options{Depth: runner.Times(0)}, false},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			results, err := runner.Run(t.Context(), test.scenario, test.options)
			require.NoError(t, err)
			r := results[0]
			require.Equal(t, test.broken, r.Outcome.Verdict == runner.Broken, r.Report())
			require.True(t, r.AsDeclared(), r.Report())
			if r.AtMost = false; !test.broken {
				require.False(t, r.AsDeclared(), r.Report())
			}
		})
	}
}

// TestAsDeclared: more tried adds kinds, less tried takes some away, and
// Unknown is never what was declared.
func TestAsDeclared(t *testing.T) {
	declared := runner.Breaks(oracle.Lost, oracle.Torn)
	fewer, more, both := runner.Breaks(oracle.Lost), runner.Breaks(oracle.Lost, oracle.Torn, oracle.Alien), runner.Breaks(oracle.Lost, oracle.Alien)
	tests := []struct {
		outcome                             runner.Outcome
		exactly, atLeast, atMost, atAnyRate bool
	}{
		{declared, true, true, true, true},
		{fewer, false, false, true, true},
		{more, false, true, false, true},
		{both, false, false, false, true},
		{runner.Keeps(), false, false, true, true},
		{runner.Outcome{}, false, false, false, false},
	}
	for _, test := range tests {
		r := runner.Result{Outcome: test.outcome, Declared: declared}
		require.Equal(t, test.exactly, r.AsDeclared(), test.outcome)
		r.AtLeast = true
		require.Equal(t, test.atLeast, r.AsDeclared(), test.outcome)
		r.AtMost = true
		require.Equal(t, test.atAnyRate, r.AsDeclared(), test.outcome)
		r.AtLeast = false
		require.Equal(t, test.atMost, r.AsDeclared(), test.outcome)
	}
	kept := runner.Result{Outcome: declared, Declared: runner.Keeps(), AtLeast: true, AtMost: true}
	require.False(t, kept.AsDeclared())
}

// TestAFaultThatStrikesNothingIsNoted: otherwise a slip in a path would read
// like a program that is sound.
func TestAFaultThatStrikesNothingIsNoted(t *testing.T) {
	s := runner.Scenario{
		Name:     "empty",
		Setup:    func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", nil, 0o644) },
		Workload: func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/g", nil, 0o644) },
		Oracle:   oracle.OldOrNew{Path: "/f", Versions: []oracle.Content{oracle.Data("")}},
		Faults:   []faultfs.Fault{{Kind: faultfs.OpMkdir, Errno: syscall.EIO}},
	}
	tests := []struct {
		options runner.Options
		want    []string
	}{
		{runner.Options{}, []string{`no call matched the fault "mkdir err=EIO"`}},
		{runner.Options{Sweep: true}, []string{`no call matched the fault "mkdir err=EIO"`}},
		{runner.Options{Faults: []faultfs.Fault{{Kind: faultfs.OpCreate, Errno: syscall.EIO}}}, nil},
		{runner.Options{Faults: []faultfs.Fault{{Kind: faultfs.OpCreate, Path: "*", Errno: syscall.EIO}}},
			[]string{`no call matched the fault "create * err=EIO"`}},
	}
	for _, test := range tests {
		results, err := runner.Run(t.Context(), s, test.options)
		require.NoError(t, err)
		require.Equal(t, test.want, results[0].Notes)
	}
}

func TestDeclaredModelsAreRunInTheOrderOfThePresets(t *testing.T) {
	own := model.MustParse("ext4,append=all")
	s := runner.Scenario{
		Name: "three", Workload: func(fs *faultfs.FS) error { return fs.Mkdir("/d", 0o755) }, Oracle: oracle.When("never made", oracle.Exists("/d")),
		Declared: map[model.Model]runner.Outcome{own: runner.Keeps(), model.Default(): runner.Keeps(), model.MustParse("kill"): runner.Keeps()},
	}
	results, err := runner.Run(context.Background(), s, runner.Options{})
	require.NoError(t, err)
	var models []string
	for _, r := range results {
		models = append(models, r.Model.String())
		require.Equal(t, runner.Keeps(), r.Declared)
	}
	require.Equal(t, []string{"kill", "posix", "ext4,append=all"}, models)
}

// A zero in a model stands for a size, so one model can be written in two ways.
func TestAModelIsDeclaredHoweverItsSizesAreWritten(t *testing.T) {
	short := model.Default()
	short.Unit, short.Block = 0, 0
	s := runner.Scenario{
		Name: "short", Workload: func(fs *faultfs.FS) error { return fs.Mkdir("/d", 0o755) }, Oracle: oracle.When("never made", oracle.Exists("/d")),
		Declared: map[model.Model]runner.Outcome{short: runner.Keeps()},
	}
	results, err := runner.Run(context.Background(), s, runner.Options{Models: []model.Model{model.Default()}})
	require.NoError(t, err)
	require.Equal(t, runner.Keeps(), results[0].Declared)

	s.Declared[model.Default()] = runner.Breaks(oracle.Lost)
	_, err = runner.Run(context.Background(), s, runner.Options{})
	require.EqualError(t, err, "scenario short declares two verdicts for the model posix")
}
