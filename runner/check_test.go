package runner_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// recordingT is a test that notes what happens to it.
type recordingT struct{ logs, errors, fatals, skips []string }

func (t *recordingT) Helper() {}
func (t *recordingT) Logf(format string, args ...any) {
	t.logs = append(t.logs, fmt.Sprintf(format, args...))
}
func (t *recordingT) Errorf(format string, args ...any) {
	t.errors = append(t.errors, fmt.Sprintf(format, args...))
}
func (t *recordingT) Fatalf(format string, args ...any) {
	t.fatals = append(t.fatals, fmt.Sprintf(format, args...))
}
func (t *recordingT) Skipf(format string, args ...any) {
	t.skips = append(t.skips, fmt.Sprintf(format, args...))
}

func TestCheckPassesWhatIsKept(t *testing.T) {
	var got recordingT
	runner.Check(&got, saving("file dir"), runner.Options{Models: presets()})
	require.Empty(t, got.errors)
	require.Len(t, got.logs, len(presets()), "a line for each model, and no notes")
	for i, m := range presets() {
		require.Contains(t, got.logs[i], fmt.Sprintf("saving under %s: kept; ", m))
		require.Contains(t, got.logs[i], "exhaustive")
	}
}

func TestCheckRunsUnderRapid(t *testing.T) {
	judged := 0
	rapid.Check(t, func(t *rapid.T) {
		s := saving("file dir")
		s.Name = rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "name")
		promise := s.Oracle
		s.Oracle = oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			judged++
			return promise.Judge(disk, marks)
		})
		runner.Check(t, s, runner.Options{Workers: 1})
	})
	require.GreaterOrEqual(t, judged, 100, "each example is judged")
}

func TestCheckNotesWhatWeakensAVerdict(t *testing.T) {
	s := saving("file dir")
	s.Oracle = oracle.Func(accepts)
	var got recordingT
	runner.Check(&got, s, runner.Options{})
	require.Empty(t, got.errors)
	require.Contains(t, strings.Join(got.logs, "\n"), "note: "+blind)
	runner.Check(&got, s, runner.Options{Strict: true})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "unknown")
}

func TestCheckFailsWhatIsBroken(t *testing.T) {
	var got recordingT
	runner.Check(&got, saving(""), runner.Options{})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "saving under posix: broken(torn,stale), declared kept")
	require.NotContains(t, got.errors[0], "again:", "nothing is stored where no directory is given")
	require.NotContains(t, got.errors[0], "not stored")
}

func TestCheckPassesWhatIsDeclaredBrokenAndFailsWhatIsFixed(t *testing.T) {
	s := saving("")
	s.Declared = map[model.Model]runner.Outcome{model.MustParse("posix"): runner.Breaks(2, 3)} // torn and stale
	var got recordingT
	runner.Check(&got, s, runner.Options{})
	require.Empty(t, got.errors)

	s = saving("file dir")
	s.Declared = map[model.Model]runner.Outcome{model.MustParse("posix"): runner.Breaks(2, 3)}
	runner.Check(&got, s, runner.Options{})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "saving under posix: kept, declared broken(torn,stale)")
}

func TestCheckStoresFailuresAndReplaysThemFirst(t *testing.T) {
	dir := t.TempDir()
	var first recordingT
	runner.Check(&first, saving(""), runner.Options{Failures: dir})
	require.Len(t, first.errors, 1)
	files, err := filepath.Glob(filepath.Join(dir, "saving--posix--*.txt"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	require.Contains(t, first.errors[0], "again: crashsim replay "+files[0])

	var second recordingT
	runner.Check(&second, saving(""), runner.Options{Failures: dir})
	require.Len(t, second.errors, 1)
	require.Contains(t, second.errors[0], "saving under posix: broken(torn,stale), declared kept")
	require.Contains(t, second.errors[0], "only the failures stored in "+dir+" were judged, since they still occur")
	for _, file := range files {
		require.Contains(t, second.errors[0], "again: crashsim replay "+file)
	}
	require.Contains(t, second.errors[0], "  missing: sync /f.tmp after write /f.tmp [0,9) (", "it says what the first run said")

	var fixed recordingT
	runner.Check(&fixed, saving("file dir"), runner.Options{Failures: dir})
	require.Empty(t, fixed.errors)
	require.Contains(t, fixed.logs[0], "is of an older workload")

	require.NoError(t, os.WriteFile(files[0], []byte("rubbish"), 0o600))
	var damaged recordingT
	runner.Check(&damaged, saving("file dir"), runner.Options{Failures: dir})
	require.Len(t, damaged.errors, 1)
	require.Contains(t, damaged.errors[0], "cannot be read")
}

// scattered writes many files, syncs none, and reads them all: no budget of a test is
// enough.
func scattered() runner.Scenario {
	const files = 24
	return runner.Scenario{
		Name: "scattered",
		Workload: func(fs *faultfs.FS) error {
			for i := range files {
				if err := afero.WriteFile(fs, fmt.Sprintf("/f%d", i), []byte("x"), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Oracle: oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
			for i := range files {
				_, _ = afero.ReadFile(disk, fmt.Sprintf("/f%d", i))
			}
			return nil
		}),
	}
}

// short lets a test see what go test -short would.
func short(t *testing.T, short bool) {
	t.Helper()
	value := flag.Lookup("test.short").Value
	before := value.String()
	require.NoError(t, value.Set(strconv.FormatBool(short)))
	t.Cleanup(func() { require.NoError(t, value.Set(before)) })
}

func TestCheckSkipsWhatABudgetLeftUnknownUnderShort(t *testing.T) {
	short(t, true)
	var got recordingT
	runner.Check(&got, scattered(), runner.Options{})
	require.Empty(t, got.errors)
	require.Len(t, got.skips, 1)
	require.Contains(t, got.skips[0], "-short: scattered under posix: unknown (no failure found, but not every case was judged")
	require.Contains(t, got.skips[0], "then the budget was spent")

	runner.Check(&got, scattered(), runner.Options{MaxRuns: 100})
	require.Len(t, got.errors, 1, "a budget that the test has set itself is not cut, and what it leaves is no pass")
	require.Contains(t, got.errors[0], "runs 100,")

	idle := runner.Scenario{Name: "idle", Workload: func(*faultfs.FS) error { return nil }, Oracle: oracle.Func(accepts)}
	runner.Check(&got, idle, runner.Options{})
	require.Len(t, got.errors, 2, "no budget is to blame that nothing was recorded")
}

func TestCheckFailsWhatABudgetLeftUnknown(t *testing.T) {
	short(t, false)
	var got recordingT
	runner.Check(&got, scattered(), runner.Options{MaxRuns: 3000})
	require.Empty(t, got.skips)
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "runs 3000,")
}

func TestCheckReportsAWorkloadThatFails(t *testing.T) {
	s := saving("")
	s.Workload = func(*faultfs.FS) error { return errors.New("out of paper") }
	var got recordingT
	runner.Check(&got, s, runner.Options{})
	require.Equal(t, []string{"scenario saving: workload: out of paper"}, got.fatals)
	require.Empty(t, got.logs)
}

func TestCheckReportsAnOracleThatWantsWhatIsNotThere(t *testing.T) {
	s := saving("")
	s.Setup = nil
	var got recordingT
	runner.Check(&got, s, runner.Options{})
	require.Len(t, got.errors, 1, "the oracle wants a file that is not there")
	require.Contains(t, got.errors[0], "saving under posix: unknown")
	require.Contains(t, got.errors[0], "the oracle rejects the disk before the first op")
}

func TestCheckSaysWhichSyncsAreMissing(t *testing.T) {
	var got recordingT
	runner.Check(&got, saving(""), runner.Options{})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "  missing: sync /f.tmp after write /f.tmp [0,9) (")
	require.Contains(t, got.errors[0], "  missing: sync the directory / after rename /f.tmp /f (")

	var blind recordingT
	s := saving("")
	s.Workload = func(fs *faultfs.FS) error { return afero.WriteFile(fs, "/f", []byte("version 1"), 0o644) }
	runner.Check(&blind, s, runner.Options{})
	require.Len(t, blind.errors, 1)
	require.Contains(t, blind.errors[0], "no set of syncs repairs it")
}

// A failure that took a kill is stored with what recovery did on the page cache.
func TestCheckReplaysWhatTookAKill(t *testing.T) {
	dir := t.TempDir()
	s := trusting()
	var first, second recordingT
	runner.Check(&first, s, runner.Options{Failures: dir})
	require.Len(t, first.errors, 1)
	require.Contains(t, first.errors[0], "killed after")
	runner.Check(&second, s, runner.Options{Failures: dir})
	require.Len(t, second.errors, 1)
	require.Contains(t, second.errors[0], "killed after")
	require.Contains(t, second.errors[0], "since they still occur")
	require.Empty(t, second.logs)
}

// artifactT is a test with a directory for what it leaves.
type artifactT struct {
	recordingT
	dir string
}

func (t *artifactT) ArtifactDir() string { return t.dir }

func TestCheckLeavesAPage(t *testing.T) {
	got := artifactT{dir: t.TempDir()}
	runner.Check(&got, saving(""), runner.Options{})
	require.Len(t, got.errors, 1)
	require.Contains(t, got.errors[0], "  a page with every crash point: go test -artifacts\n")
	text, err := os.ReadFile(filepath.Join(got.dir, "crash.html"))
	require.NoError(t, err)
	require.Contains(t, string(text), "<h3>The fix</h3>")
	require.Contains(t, string(text), "missing: sync /f.tmp after write")
	require.Contains(t, string(text), "then no power cut leaves this disk")

	failures := t.TempDir()
	for range 2 { // the second finds what the first has stored
		again := artifactT{dir: t.TempDir()}
		runner.Check(&again, saving(""), runner.Options{Failures: failures})
		require.Len(t, again.errors, 1)
		text, err := os.ReadFile(filepath.Join(again.dir, "crash.html"))
		require.NoError(t, err)
		require.Contains(t, string(text), "missing: sync /f.tmp after write")
		require.Contains(t, string(text), "crashsim replay "+failures)
	}

	kept := artifactT{dir: t.TempDir()}
	runner.Check(&kept, saving("file dir"), runner.Options{})
	require.Empty(t, kept.errors)
	require.NoFileExists(t, filepath.Join(kept.dir, "crash.html"))

	gone := artifactT{dir: filepath.Join(t.TempDir(), "gone")}
	runner.Check(&gone, saving(""), runner.Options{})
	require.Contains(t, gone.errors[0], "the page could not be written")
}

const childSyncs = "CRASHSIM_CHILD_SYNCS" // which syncs the program of TestChildOfCheck makes

// TestChildOfCheck is what other tests run in a process of its own, to see what a user
// of go test sees.
func TestChildOfCheck(t *testing.T) {
	syncs, isChild := os.LookupEnv(childSyncs)
	if !isChild {
		t.Skip("only run by other tests")
	}
	t.Run("of a table", func(t *testing.T) {
		runner.Check(t, saving(syncs), runner.Options{Failures: os.Getenv("CRASHSIM_CHILD_DIR")})
	})
	if other := saving(syncs); os.Getenv("CRASHSIM_REPLAY") != "" {
		other.Name = "other"
		runner.Check(t, other, runner.Options{})
	}
}

// child runs TestChildOfCheck, or a command, in a directory, and returns what it prints.
func child(t *testing.T, dir, syncs string, env []string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if len(args) == 0 {
		self, err := os.Executable()
		require.NoError(t, err)
		args = []string{self, "-test.run=^TestChildOfCheck$", "-test.v"}
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), childSyncs+"="+syncs), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestAFailureIsSeenAgainFromItsTest: what a test prints to see a failure again needs
// the module alone, and judges by the test's own scenario.
func TestAFailureIsSeenAgainFromItsTest(t *testing.T) {
	dir := t.TempDir()
	const again = `again: CRASHSIM_REPLAY=testdata/failures/saving--posix--torn.txt go test -run ` +
		`'^TestChildOfCheck$/^of_a_table$/^posix$' github.com/crashsim/crashsim/runner`
	for range 2 { // the second time what the first has stored is judged again
		out, err := child(t, dir, "", nil)
		require.Error(t, err)
		require.Contains(t, out, "--- FAIL: TestChildOfCheck/of_a_table/posix")
		require.Contains(t, out, "saving under posix: broken(torn,stale), declared kept")
		require.Contains(t, out, again+"\n")
		require.Contains(t, out, "  missing: sync the directory / after rename")
	}
	text, err := os.ReadFile(filepath.Join(dir, "testdata", "failures", "saving--posix--torn.txt"))
	require.NoError(t, err)
	require.Contains(t, string(text), "\ntest github.com/crashsim/crashsim/runner TestChildOfCheck/of_a_table/posix\n")
	replay := []string{"CRASHSIM_REPLAY=testdata/failures/saving--posix--torn.txt"}
	out, err := child(t, dir, "", replay)
	require.Error(t, err)
	require.Contains(t, out, "saving under posix: broken(torn), as it was stored in testdata/failures/saving--posix--torn.txt\n")
	require.Contains(t, out, "torn /f: holds no whole version")
	require.NotContains(t, out, "stale", "nothing else is judged")
	require.Contains(t, out, `is of the scenario "saving", not of "other"`)

	out, err = child(t, dir, "", []string{"CRASHSIM_REPLAY=testdata/failures/none.txt"})
	require.Error(t, err)
	require.Contains(t, out, "no such file")
	out, err = child(t, dir, "file dir", nil)
	require.NoError(t, err, out)
	require.Contains(t, out, "is of an older workload")
	require.Contains(t, out, "saving under posix: kept")
}

// The command that is printed is given to a shell, as a user would.
func TestTheCommandThatIsPrintedWorks(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the tests once more")
	}
	dir := filepath.Join(t.TempDir(), "it's a directory")
	env := []string{"CRASHSIM_CHILD_DIR=" + dir}
	out, err := child(t, t.TempDir(), "", env)
	require.Error(t, err)
	command := regexp.MustCompile(`again: (CRASHSIM_REPLAY=.*--torn.txt.*)`).FindStringSubmatch(out)
	require.NotNil(t, command, out)
	out, err = child(t, ".", "", env, "sh", "-c", command[1])
	require.Error(t, err)
	require.Contains(t, out, "broken(torn), as it was stored in "+dir)
}

// Numbers of a stored failure that the trace does not bear out are errors with their line.
func TestStoredFailureWithAbsurdNumbersIsAnErrorWithItsLine(t *testing.T) {
	dir := t.TempDir()
	runner.Check(&recordingT{}, saving(""), runner.Options{Failures: dir})
	file := filepath.Join(dir, "saving--posix--torn.txt")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, c := range []struct{ from, to, want string }{
		{`point \d+`, "point 99", "there is no crash point 99: the trace has those from 0 to 15"},
		{`point \d+`, "point -1", `crash point "-1": want a number from 0 on`},
		{`point \d+`, "point 99999999999999999999", "want a number from 0 on"},
		{`lost \d+\.\d+.*`, "lost 900.0", "there is no op 900: the trace has 15 ops"},
		{`lost (\d+)\.\d+.*`, "lost $1.77", "has no effect 77"},
		{`lost \d+\.\d+.*`, "lost 1", `lost "1": want the numbers of an op and of its effect`},
		{`lost \d+\.\d+.*`, "lost -1.0", `op "-1": want a number`},
		{`kind .*`, "damage 99 0 aa bb", "damage: the trace has no inode 99"},
		{`kind .*`, "damage 2 9223372036854775807 aa bb", "damage: there is no sector at 9223372036854775807"},
		{`kind .*`, "damage 2 0 aabb cc", "damage: want two sectors of the same length"},
		{`lost \d+\.\d+.*`, "again -3", `crash point of recovery "-3": want a number`},
		{`kind .*`, "test x", "want a package and the name of a test"},
		{`kind .*`, "colour blue", `unknown key "colour", want one of scenario, model`},
	} {
		at := regexp.MustCompile(`(?m)^` + c.from + `$`)
		where := at.FindIndex(text)
		require.NotNil(t, where, c.from)
		line := 1 + strings.Count(string(text[:where[0]]), "\n")
		changed := at.ReplaceAll(text, []byte(strings.Replace(c.to, "$1", "${1}", 1)))
		_, err := runner.ParseFailure(file, changed)
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, fmt.Sprintf("%s:%d: ", file, line), c.to)
	}
}
