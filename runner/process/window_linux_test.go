package process

import (
	"errors"
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
	"github.com/crashsim/crashsim/runner"
)

// whereabouts is a program that keeps the absolute path of its directory, and a check
// that accepts nothing but that path.
var whereabouts = Program{
	Setup: Shell(`pwd -P >where; echo old >f`), Timeout: time.Minute,
	Args: Shell(`[ "$(pwd -P)" = "$(cat where)" ] || exit 1; for i in 1 2 3; do echo $i >$i; done; echo new >g; sync g; mv g f; sync .; echo saved`),
}

const checkWhereabouts = `[ "$(pwd -P)" = "$(cat where)" ] && [ "$CRASHSIM_DIR" = "$PWD" ] || { echo "alien: $(pwd -P)"; exit 1; }
grep -q . "$(cat where)/f" && { [ ! -s "$CRASHSIM_MARKS" ] || grep -q new "$(cat where)/f"; }`

func judgedBy(t *testing.T, c *Checker, trace *faultfs.Trace, check string, workers int) runner.Result {
	t.Helper()
	s := runner.Scenario{Name: "program", Trace: trace}
	var err error
	s.Oracle, err = c.Oracle(Shell(check))
	require.NoError(t, err)
	s.Recover, err = c.Recover(Shell(`[ "$(pwd -P)" = "$(cat where)" ] && rm -f g`))
	require.NoError(t, err)
	results, err := runner.Run(t.Context(), s, runner.Options{
		Models: []model.Model{model.Default()}, Workers: workers, Timeout: time.Minute, All: true,
	})
	require.NoError(t, err)
	return results[0]
}

// Setup, program, recovery and check see the directory at one path, however many
// workers there are, and whether there is anything at that path or not.
func TestAllSeeTheDirectoryAtOnePath(t *testing.T) {
	for _, at := range []string{"", t.TempDir(), filepath.Join(t.TempDir(), "a", "b"), "/crashsim-test/x"} {
		p := whereabouts
		p.At = at
		trace, err := Record(t.Context(), p)
		if errors.Is(err, mount.ErrUnavailable) || errors.Is(err, mount.ErrNoView) {
			t.Skip(err)
		}
		require.NoError(t, err)
		require.Empty(t, trace.Notes)
		want := ""
		for _, workers := range []int{1, 8} {
			c, err := NewChecker(Options{At: at})
			require.NoError(t, err)
			r := judgedBy(t, c, trace, checkWhereabouts, workers)
			require.NoError(t, c.Close())
			require.Equal(t, "kept", r.Outcome.String(), r.Report())
			if want == "" {
				want = r.Report()
			}
			require.Equal(t, want, r.Report())
		}
	}
}

// Where there can be no mount namespaces, the report says what that means.
func TestWithoutViewsEachHasAPathOfItsOwn(t *testing.T) {
	temp, err := newTempDir()
	require.NoError(t, err)
	w := &windows{temp: temp, why: mount.ErrNoView}
	p := whereabouts
	p.Args = Shell(`echo new >g; sync g; mv g f; sync .; echo saved`)
	trace, err := p.record(t.Context(), w, p.Args)
	if errors.Is(err, mount.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.Len(t, trace.Notes, 1)
	require.Contains(t, trace.Notes[0], "a program that keeps absolute paths may be judged wrongly")
	c := &Checker{options: Options{Timeout: time.Minute}, temp: temp, windows: w, mounts: map[*faultfs.FS]*mounted{}, fit: map[string]bool{}}
	s := runner.Scenario{Name: "program", Trace: trace}
	s.Oracle, err = c.Oracle(Shell(`grep -q . f && { [ ! -s "$CRASHSIM_MARKS" ] || grep -q new f; }; ok=$?; [ ! -e lost ] && exit $ok`))
	require.NoError(t, err)
	results, err := runner.Run(t.Context(), s, runner.Options{Models: []model.Model{model.Default()}, Workers: 4, Timeout: time.Minute})
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Equal(t, "kept", results[0].Outcome.String(), results[0].Report())
	require.Contains(t, strings.Join(results[0].Notes, "\n"), trace.Notes[0])
}

// A path of the caller's is not left for another one.
func TestAPathThatWasAskedForIsUsedOrRefused(t *testing.T) {
	root, err := tempRoot()
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(root, link))
	for _, at := range []string{"relative", "/", root, filepath.Dir(root), link} {
		_, err := NewChecker(Options{At: at})
		if errors.Is(err, mount.ErrNoView) {
			t.Skip(err)
		}
		require.ErrorContains(t, err, "the path "+at, at)
		_, err = Record(t.Context(), Program{Args: Shell("true"), At: at})
		require.ErrorContains(t, err, "the path "+at, at)
	}
}

func TestADirectoryThatIsInUseIsNotTheUsualPoint(t *testing.T) {
	before := usualPoints
	t.Cleanup(func() { usualPoints = before })
	full, empty := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "f"), nil, 0o600))
	usualPoints = []string{full, filepath.Join(full, "none"), empty}
	require.Equal(t, empty, usualPoint())
	t.Chdir(empty)
	require.Equal(t, lastPoint, usualPoint())
}

// A check for which nobody waits any more can come back when all is closed.
func TestWhatComesBackToAClosedWindowEnds(t *testing.T) {
	temp := t.TempDir()
	f, err := newForker("exit 0", temp, temp, (*exec.Cmd).Start)
	require.NoError(t, err)
	all := &windows{why: mount.ErrNoView}
	one := &window{dir: temp, idle: map[string][]*forker{}}
	require.NoError(t, all.close())
	all.put(one)
	one.standBy("exit 0", f)
	select {
	case <-f.gone:
	default:
		t.Error("the shell goes on")
	}
	require.Nil(t, one.take("exit 0"))
	require.Empty(t, all.idle)
}
