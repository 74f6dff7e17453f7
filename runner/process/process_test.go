package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/mount"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// skipWithoutFUSE skips a test where nothing can be mounted, with the reason.
func skipWithoutFUSE(t testing.TB) {
	t.Helper()
	c, err := process.NewChecker(process.Options{})
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func record(t testing.TB, setup, program string) *faultfs.Trace {
	t.Helper()
	p := process.Program{Args: process.Shell(program), Timeout: time.Minute}
	if setup != "" {
		p.Setup = process.Shell(setup)
	}
	trace, err := process.Record(context.Background(), p)
	require.NoError(t, err)
	return trace
}

// judge judges a trace by a check, with all its failures.
func judge(t testing.TB, trace *faultfs.Trace, check, recovery, preset string, o process.Options) runner.Result {
	t.Helper()
	c, err := process.NewChecker(o)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	s := runner.Scenario{Name: "program", Trace: trace}
	if process.IsBuiltin(check) {
		s.Oracle, err = c.Builtin(check, trace)
	} else {
		s.Oracle, err = c.Oracle(process.Shell(check))
	}
	require.NoError(t, err)
	if recovery != "" {
		s.Recover, err = c.Recover(process.Shell(recovery))
		require.NoError(t, err)
	}
	m, err := model.Parse(preset)
	require.NoError(t, err)
	results, err := runner.Run(context.Background(), s, runner.Options{Models: []model.Model{m}, Timeout: time.Minute})
	require.NoError(t, err)
	return results[0]
}

const (
	setOld   = `echo old >f`
	sound    = `echo new >f.tmp && sync f.tmp && mv f.tmp f && sync . && echo saved`
	hasty    = `echo new >f.tmp && mv f.tmp f && echo saved`
	inPlace  = `echo new >f; echo saved`
	checkNew = `case $(cat f) in
new) ;;
old) if [ -s "$CRASHSIM_MARKS" ]; then echo "stale: f is old"; exit 1; fi ;;
*) echo "torn: f is '$(tr -d '\0' <f)'"; exit 1 ;;
esac`
)

func TestProgramIsRecordedWithItsMarksInOrder(t *testing.T) {
	skipWithoutFUSE(t)
	trace := record(t, setOld, `echo begin; echo new >f.tmp; echo "by hand" >"$CRASHSIM_MARK"; mv f.tmp f; echo "$CRASHSIM_DIR" | grep -q "$(pwd)" && echo end`)
	var did []string
	for i := range trace.Ops {
		if op := &trace.Ops[i]; op.Kind == faultfs.OpMark || op.Kind.Changes() {
			did = append(did, op.Summary())
		}
	}
	require.Equal(t, []string{
		"mark begin", "create /f.tmp", "write /f.tmp [0,4)", "mark by hand", "rename /f.tmp /f", "mark end",
	}, did)
	require.Equal(t, faultfs.Regular, trace.Base().Type(trace.Base().Entry(faultfs.Root, "f")))
	again, err := faultfs.ParseTrace("t", trace.Text())
	require.NoError(t, err)
	require.Equal(t, string(trace.Text()), string(again.Text()))
}

func TestProgramThatFailsIsAnErrorWithWhatItSaid(t *testing.T) {
	skipWithoutFUSE(t)
	_, err := process.Record(context.Background(), process.Program{Args: process.Shell("echo no luck >&2; exit 3")})
	require.ErrorContains(t, err, "no luck")
	require.ErrorContains(t, err, "exit status 3")
	_, err = process.Record(context.Background(), process.Program{Setup: process.Shell("exit 4"), Args: process.Shell("true")})
	require.ErrorContains(t, err, "setup")
	_, err = process.Record(context.Background(), process.Program{Args: []string{"no-such-program-anywhere"}})
	require.ErrorIs(t, err, exec.ErrNotFound)
	start := time.Now()
	_, err = process.Record(context.Background(), process.Program{Args: process.Shell("sleep 100"), Timeout: 100 * time.Millisecond})
	require.ErrorContains(t, err, "timeout")
	require.Less(t, time.Since(start), time.Minute)
}

// What a program leaves running is ended with it.
func TestWhatIsLeftRunningIsEnded(t *testing.T) {
	skipWithoutFUSE(t)
	flag := filepath.Join(t.TempDir(), "pid")
	record(t, "", fmt.Sprintf("sleep 1000 >/dev/null 2>&1 & echo $! >%s", flag))
	pid, err := os.ReadFile(flag)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		status, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/status")
		return err != nil || bytes.Contains(status, []byte("Z (zombie)"))
	}, time.Minute, 10*time.Millisecond)
}

// Mounted or materialised, a command or built in: the verdicts are the same.
func TestVerdictsDoNotDependOnHowTheCheckSeesTheDisk(t *testing.T) {
	skipWithoutFUSE(t)
	for name, c := range map[string]struct {
		program string
		want    map[string]string
	}{
		"sound":    {sound, map[string]string{"posix": "kept", "ext4": "kept", "kill": "kept"}},
		"hasty":    {hasty, map[string]string{"posix": "broken(torn,stale)", "ext4": "broken(torn,stale)", "kill": "kept"}},
		"in place": {inPlace, map[string]string{"posix": "broken(torn,stale)", "ext4": "broken(torn,stale)", "kill": "broken(torn)"}},
	} {
		trace := record(t, setOld, c.program)
		for model, want := range c.want {
			for _, check := range []string{checkNew, "old-or-new:f"} {
				for _, materialise := range []bool{false, true} {
					r := judge(t, trace, check, "", model, process.Options{Materialise: materialise})
					require.Equal(t, want, r.Outcome.String(), "%s under %s, check %s, materialised %v: %s", name, model, check, materialise, r.Report())
				}
			}
		}
	}
}

// What a setup prints is not what the program told the world.
func TestSetupMakesNoMarks(t *testing.T) {
	skipWithoutFUSE(t)
	trace := record(t, setOld+"; echo ready", sound)
	require.NotContains(t, string(trace.Text()), "ready")
	for _, check := range []string{"old-or-new:f", checkNew} {
		r := judge(t, trace, check, "", "posix", process.Options{})
		require.Equal(t, "kept", r.Outcome.String(), r.Report())
	}
	for check, program := range map[string]string{"old-or-new:f": sound, "log:f": `echo 1 >>f; sync f; echo saved`} {
		text := strings.Replace(string(record(t, setOld, program).Text()), "-- ops --", "mark ready\n-- ops --", 1)
		lived, err := faultfs.ParseTrace("t", []byte(text))
		require.NoError(t, err)
		r := judge(t, lived, check, "", "kill", process.Options{})
		require.Equal(t, "kept", r.Outcome.String(), "%s, and a mark before the program began: %s", check, r.Report())
	}
}

// A run stands for every disk that would have shown it the same.
func TestMountedCheckRunsLessOften(t *testing.T) {
	skipWithoutFUSE(t)
	trace := record(t, setOld, `for i in 1 2 3 4 5 6; do echo $i >other$i; done; `+sound)
	r := judge(t, trace, checkNew, "", "posix", process.Options{})
	require.Equal(t, runner.Kept, r.Outcome.Verdict)
	require.True(t, r.Coverage.Exhaustive)
	require.Less(t, r.Coverage.Runs, 20)
	require.Greater(t, len(r.Coverage.Cuts), 4, "tens of thousands of cuts")
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	skipWithoutFUSE(t)
	trace := record(t, setOld, sound)
	for check, want := range map[string]string{
		`[ ! -s "$CRASHSIM_MARKS" ] || { echo "lost: all of it"; false; }`: "lost: all of it",
		`[ ! -s "$CRASHSIM_MARKS" ] || { echo no reason; exit 7; }`:        "refused: the check failed: no reason (exit status 7)",
		`[ ! -s "$CRASHSIM_MARKS" ] || kill -SEGV $$`:                      "refused: the check failed: exit status 139",
		`[ ! -s "$CRASHSIM_MARKS" ] || sleep 100`:                          "hung: the check did not end",
	} {
		c, err := process.NewChecker(process.Options{Timeout: 300 * time.Millisecond})
		require.NoError(t, err)
		o, err := c.Oracle(process.Shell(check))
		require.NoError(t, err)
		disk := faultfs.NewOn(trace.Base())
		require.Empty(t, o.Judge(disk, marks{}), check)
		violations := o.Judge(disk, marks{"saved"})
		require.Len(t, violations, 1, check)
		require.True(t, strings.HasPrefix(strings.Replace(violations[0].String(), " : ", ": ", 1), want), "%s: %s", check, violations[0])
		require.NoError(t, c.Close())
	}
}

// marks are marks that were made.
type marks []string

func (m marks) Has(label string) bool { return m.Count(label) > 0 }
func (m marks) All() []string         { return m }
func (m marks) Count(label string) int {
	n := 0
	for _, l := range m {
		if l == label {
			n++
		}
	}
	return n
}

// A recovery that is a program is crashed as any other.
func TestRecoveryThatIsAProcessIsCrashedToo(t *testing.T) {
	skipWithoutFUSE(t)
	setup := `echo worth >journal && echo old >g`
	check := `[ "$(cat g)" = worth ] || { echo "lost: g is '$(cat g)'"; false; }`
	trace := record(t, setup, `echo up`)
	hastily := `[ ! -e journal ] || { w=$(cat journal); rm journal; sync .; echo "$w" >g; }`
	require.Equal(t, "broken(lost)", judge(t, trace, check, hastily, "posix", process.Options{}).Outcome.String())
	soundly := `[ ! -e journal ] || { cp journal g && sync g && rm journal; }`
	r := judge(t, trace, check, soundly, "posix", process.Options{})
	require.Equal(t, "kept", r.Outcome.String(), r.Report())
	require.Positive(t, r.Coverage.Recoveries)
}

func TestLogOfLines(t *testing.T) {
	skipWithoutFUSE(t)
	synced := `for i in 1 2 3; do echo "line $i" >>log; sync log; echo $i; done`
	trace := record(t, `echo first >log`, synced)
	require.Equal(t, "kept", judge(t, trace, "log:log", "", "strict", process.Options{}).Outcome.String())
	require.Equal(t, "kept", judge(t, record(t, `echo first >log`, `echo second >>log; sync log; echo 1`), "log:log", "", "kill", process.Options{}).Outcome.String())
	unsynced := record(t, `echo first >log`, `echo "line 1" >>log; echo 1`)
	r := judge(t, unsynced, "log:log", "", "posix", process.Options{})
	require.Contains(t, r.Outcome.Kinds, oracle.Lost, r.Report())
}

// Two transactions between two marks are two states all the same: the shell of
// sqlite keeps back what it prints.
func TestDatabaseMayHoldWhatNoMarkSaw(t *testing.T) {
	skipWithoutFUSE(t)
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip(err)
	}
	trace := record(t, `sqlite3 db "pragma journal_mode=wal; create table t(x)"`,
		`sqlite3 db "pragma synchronous=normal; insert into t values(2)" "insert into t values(3); select 'saved'"`)
	r := judge(t, trace, "sqlite:db", "", "kill", process.Options{})
	require.Equal(t, "kept", r.Outcome.String(), r.Report())
}

// What is lost behind the first megabyte of a database is lost all the same.
func TestLongDatabaseIsComparedWhole(t *testing.T) {
	skipWithoutFUSE(t)
	if testing.Short() {
		t.Skip("-short: a long database takes long")
	}
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip(err)
	}
	setup := `sqlite3 db "create table t(x); insert into t values(zeroblob(600000))"`
	trace := record(t, setup, `sqlite3 db "pragma synchronous=off; insert into t values('last'); select 'saved'"`)
	// Under strict an early case is one without the commit, so that few dumps are compared.
	r := judge(t, trace, "sqlite:db", "", "strict", process.Options{Timeout: time.Minute})
	require.Equal(t, []oracle.Kind{oracle.Stale}, r.Outcome.Kinds, r.Report())
}

func TestBadChecksAreRefused(t *testing.T) {
	c, err := process.NewChecker(process.Options{Materialise: true})
	require.NoError(t, err)
	trace := faultfs.New().Trace()
	for _, check := range []string{"nothing", "log:", "log", "magic:f"} {
		_, err := c.Builtin(check, trace)
		require.ErrorContains(t, err, "check", check)
		require.Equal(t, check == "log:", process.IsBuiltin(check))
	}
	_, err = c.Oracle([]string{"no-such-program-anywhere"})
	require.ErrorIs(t, err, exec.ErrNotFound)
	_, err = c.Recover(process.Shell("true"))
	require.ErrorContains(t, err, "materialised")
	require.NoError(t, c.Close())
}

// FIFOs and sockets are names like others. What a crash leaves of them is one, or
// no name; nothing is in them that could be lost.
func TestFIFOsAreRecordedAndStandOnTheDisksOfChecks(t *testing.T) {
	skipWithoutFUSE(t)
	trace := record(t, `mkfifo q; chmod 600 q; echo old >f`, `mkfifo -m 640 p; mv p r; sync .; echo saved`)
	again, err := faultfs.ParseTrace("t", trace.Text())
	require.NoError(t, err)
	require.True(t, trace.Same(again), "the text reads back as another")
	check := `[ -p q ] && [ -f f ] || { echo "torn: q"; exit 1; }
for n in p r; do [ ! -e $n ] || [ -p $n ] || { echo "torn: $n"; exit 1; }; done
[ -p r ] || [ ! -s "$CRASHSIM_MARKS" ] || { echo "lost: r"; exit 1; }`
	for _, materialise := range []bool{false, true} {
		for _, trace := range []*faultfs.Trace{trace, again} {
			r := judge(t, trace, check, "", "posix", process.Options{Materialise: materialise})
			require.Equal(t, "kept", r.Outcome.String(), r.Report())
		}
	}
	hasty := record(t, "", `mkfifo p; echo saved`)
	r := judge(t, hasty, `[ -p p ] || [ ! -s "$CRASHSIM_MARKS" ] || { echo "lost: p"; exit 1; }`, "", "posix", process.Options{})
	require.Equal(t, "broken(lost)", r.Outcome.String(), r.Report())
}
