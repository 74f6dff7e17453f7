package machine_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/machine"
	"github.com/crashsim/crashsim/testdata/kv"
)

// A recovery that reads what is whole and leaves the rest looks right until the program
// works on.
func TestTheProgramWorksOnAfterACrash(t *testing.T) {
	got := recorded("TestJournal", func(t machine.TB) { machine.Check(t, journals(journal{keepsTail: true}), runner.Options{}) })
	require.NotEmpty(t, got.errors)
	require.Contains(t, got.text(), `after the crash append "x" was done once more, and then the program, opened again, was wrong: it reads []`)
	require.Contains(t, got.text(), "the smallest program that fails has 1 operation;")
	got = recorded("TestJournal", func(t machine.TB) { machine.Check(t, journals(journal{}), runner.Options{}) })
	require.Empty(t, got.errors)
}

func TestFaultsAreInjectedWhereTheyAreAskedFor(t *testing.T) {
	broken := journal{ignoresError: true}
	got := recorded("TestJournal", func(t machine.TB) { machine.Check(t, journals(broken), runner.Options{}) })
	require.Empty(t, got.errors)
	got = recorded("TestJournal", func(t machine.TB) {
		machine.Check(t, journals(broken), runner.Options{Faults: syncsFail()})
	})
	require.NotEmpty(t, got.errors)
	require.Contains(t, got.text(), `with the fault "fsync /journal err=EIO"`)
	got = recorded("TestJournal", func(t machine.TB) {
		machine.Check(t, journals(journal{}), runner.Options{Faults: syncsFail()})
	})
	require.Empty(t, got.errors)
}

// What a failure leaves: a file of ours and one of rapid, of which each names the other, and
// each shows the failure again.
func TestAFailureIsStoredTwiceAndFoundAgain(t *testing.T) {
	t.Chdir(t.TempDir())
	set := func(value string) { require.NoError(t, flagSet("rapid.nofailfile", value)) }
	set("false")
	defer set("true")
	options := runner.Options{Failures: "failures"}
	bug := store(kv.AckBeforeSync)
	first := recorded("TestStore", func(t machine.TB) { machine.Check(t, bug, options) })
	require.NotEmpty(t, first.errors)

	stored := filepath.Join("failures", "kv-ack-before-sync--posix--stale.txt")
	ours, err := os.ReadFile(stored)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join("testdata", "rapid", "TestStore", "*.fail"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Contains(t, string(ours), "rapid: "+files[0])
	theirs, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Contains(t, string(theirs), stored)

	again := recorded("TestStore", func(t machine.TB) { machine.Check(t, bug, options) })
	require.NotEmpty(t, again.errors)
	require.Contains(t, again.errors[0], "found before: "+stored)

	t.Setenv("CRASHSIM_REPLAY", stored)
	again = recorded("TestStore", func(t machine.TB) { machine.Check(t, bug, options) })
	require.NotEmpty(t, again.errors)
	require.Contains(t, again.errors[0], "as it was stored in "+stored)
	t.Setenv("CRASHSIM_REPLAY", "")

	require.NoError(t, os.Remove(stored))
	again = recorded("TestStore", func(t machine.TB) { machine.Check(t, bug, options) })
	require.NotEmpty(t, again.errors)
	require.Contains(t, again.errors[0], "failed after 0 tests") // by the file of rapid
	require.Contains(t, again.errors[0], files[0])

	fixed := store(kv.None)
	fixed.Name = bug.Name
	again = recorded("TestStore", func(t machine.TB) { machine.Check(t, fixed, options) })
	require.Empty(t, again.errors)
	require.Contains(t, again.logs[0], "the program of this failure is right by now")
}

func TestAMachineThatIsWrongIsToldSo(t *testing.T) {
	for why, change := range map[string]func(m *machine.Machine[*kv.Store, numbers]){
		"it has no name":                       func(m *machine.Machine[*kv.Store, numbers]) { m.Name = "" },
		"it has no operations":                 func(m *machine.Machine[*kv.Store, numbers]) { m.Ops = nil },
		"set one of Open and OpenDir":          func(m *machine.Machine[*kv.Store, numbers]) { m.Open = nil },
		"it has no Read":                       func(m *machine.Machine[*kv.Store, numbers]) { m.Read = nil },
		`two operations have the name "add"`:   func(m *machine.Machine[*kv.Store, numbers]) { m.Ops = append(m.Ops, m.Ops[0]) },
		`"a b", is empty or holds blanks`:      func(m *machine.Machine[*kv.Store, numbers]) { m.Ops = append(m.Ops, plain("a b")) },
		"changes the state that it is given":   func(m *machine.Machine[*kv.Store, numbers]) { m.Ops = append(m.Ops[:0:0], spoils()) },
		"all of its fields must be stored":     func(m *machine.Machine[*kv.Store, numbers]) { m.Ops = append(m.Ops[:0:0], hides()) },
		"Workdir, Shards, Merge and Queue are": nil,
	} {
		m, o := store(kv.None), runner.Options{}
		if change != nil {
			change(&m)
		} else {
			o.Workdir = []string{t.TempDir()}
		}
		got := recorded("TestWrong", func(t machine.TB) { machine.Check(t, m, o) })
		require.NotEmpty(t, got.errors, why)
		require.Contains(t, got.errors[0], why)
	}
}

// plain is an operation that does nothing.
func plain(name string) machine.Op[*kv.Store, numbers] {
	return machine.Plain(name, func(state numbers) numbers { return state }, func(*kv.Store) error { return nil })
}

// spoils is an operation whose model changes the state that it is given.
func spoils() machine.Op[*kv.Store, numbers] {
	return machine.Do("add", rapid.IntRange(1, 2), func(state numbers, n int) numbers {
		state["a"] += n
		return state
	}, func(s *kv.Store, n int) error { return s.Add("a", n) })
}

// hides is an operation with an argument that does not survive being stored.
func hides() machine.Op[*kv.Store, numbers] {
	return machine.Do("add", rapid.Map(rapid.IntRange(1, 9), func(n int) secretly { return secretly{n} }),
		func(state numbers, _ secretly) numbers { return state }, func(*kv.Store, secretly) error { return nil })
}

// secretly is stored as something else than what it is read as.
type secretly struct{ n int }

func (s secretly) MarshalJSON() ([]byte, error) {
	return []byte(`"secret` + string(rune('0'+s.n)) + `"`), nil
}
func (s *secretly) UnmarshalJSON([]byte) error { return nil }

// A program that answers wrongly without a crash needs no crash to be found.
func TestAnOperationThatFailsIsAnError(t *testing.T) {
	m := store(kv.None)
	m.Ops = append(m.Ops[:0:0], machine.Plain("fail", func(state numbers) numbers { return state },
		func(*kv.Store) error { return afero.ErrFileClosed }))
	got := recorded("TestFails", func(t machine.TB) { machine.Check(t, m, runner.Options{}) })
	require.NotEmpty(t, got.errors)
	require.Contains(t, got.errors[0], "fail fails: File is closed")
}
