package runner

import (
	"context"
	"errors"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/drawn"
)

// judgedAtOnce is the result under posix, of which every case must have been judged.
func judgedAtOnce(t *testing.T, s Scenario, o Options) *Result {
	t.Helper()
	results, err := Run(context.Background(), s, o)
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.True(t, results[0].Coverage.Exhaustive, results[0].Why)
	for _, f := range results[0].Failures { // each is found again in its stored form
		stored, err := ParseFailure("f.txt", results[0].Stored(f).Text())
		require.NoError(t, err)
		violations, err := stored.Judge(s, Options{})
		require.NoError(t, err, "%s", results[0].Stored(f).Text())
		require.NotEmpty(t, violations, "%s", results[0].Stored(f).Text())
	}
	return &results[0]
}

// written writes a file and syncs it and its directory.
func written(disk afero.Fs, name, text string) error {
	f, err := disk.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	return errors.Join(err, f.Sync(), f.Close(), syncRoot(disk))
}

func syncRoot(disk afero.Fs) error {
	d, err := disk.Open("/")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// careless handles a failed sync as it should, by writing the file anew, and then forgets
// to look at the second sync.
func careless(looks bool) Scenario {
	return Scenario{
		Name: "careless",
		Workload: func(disk *faultfs.FS) error {
			f, err := disk.Create("/a")
			if err != nil {
				return err
			}
			_, err = f.WriteString("text")
			if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
				again, err := disk.Create("/b")
				if err != nil {
					return err
				}
				_, err = again.WriteString("text")
				if synced := again.Sync(); looks {
					err = errors.Join(err, synced)
				}
				if err := errors.Join(err, again.Close()); err != nil {
					return err
				}
			}
			if err := syncRoot(disk); err != nil {
				return err
			}
			disk.Mark("saved")
			return nil
		},
		Oracle: oracle.When("saved", oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
			for _, name := range []string{"/a", "/b"} {
				if data, err := afero.ReadFile(disk, name); err == nil && string(data) == "text" {
					return nil
				}
			}
			return []oracle.Violation{{Kind: oracle.Lost, Detail: "neither file has the text"}}
		})),
	}
}

func TestASecondFaultIsFoundOnlyInPairs(t *testing.T) {
	require.Equal(t, Keeps(), judgedAtOnce(t, careless(false), Options{Sweep: true}).Outcome)
	r := judgedAtOnce(t, careless(false), Options{Sweep: true, Pairs: 500})
	require.Equal(t, Breaks(oracle.Lost), r.Outcome)
	require.Contains(t, r.Failures[0].Story, "; and with the fault")
	r = judgedAtOnce(t, careless(true), Options{Sweep: true, Pairs: 500})
	require.Equal(t, Keeps(), r.Outcome)
	require.Equal(t, "exhaustive; the first 500 of each kind of pairs of blows", r.Coverage.Claim.String())
	require.Contains(t, r.Line(), "pairs of blows ")
}

// replaying has a log that recovery applies to the data. Whether it does something about a
// sync that fails is what the pair of a power cut and a fault in recovery shows.
func replaying(looks bool) Scenario {
	recovers := func(disk afero.Fs) error {
		log, err := afero.ReadFile(disk, "/log")
		if errors.Is(err, fs.ErrNotExist) || err == nil && string(log) != "text" {
			return nil
		}
		if err != nil {
			return err
		}
		l, err := disk.Open("/log")
		if err != nil {
			return err
		}
		if err := errors.Join(l.Sync(), l.Close(), syncRoot(disk)); err != nil {
			return err // a kill may have left it in the page cache only
		}
		f, err := disk.OpenFile("/data", os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write(log)
		synced := errors.Join(f.Sync(), f.Close(), syncRoot(disk))
		if err != nil || synced != nil && looks {
			return errors.Join(err, synced)
		}
		return errors.Join(disk.Remove("/log"), syncRoot(disk))
	}
	return Scenario{
		Name: "replaying",
		Workload: func(disk *faultfs.FS) error {
			err := written(disk, "/log", "text")
			if err == nil {
				disk.Mark("saved")
			}
			return err
		},
		Recover: recovers,
		Oracle:  oracle.OldOrNew{Path: "/data", Mark: "saved", Versions: []oracle.Content{oracle.Absent, oracle.Data("text")}},
	}
}

func TestAFaultInRecoveryIsFoundOnlyInPairs(t *testing.T) {
	require.Equal(t, Keeps(), judgedAtOnce(t, replaying(false), Options{}).Outcome)
	r := judgedAtOnce(t, replaying(false), Options{Pairs: 1000})
	require.Equal(t, Breaks(oracle.Lost, oracle.Torn), r.Outcome, "%v", r.Failures)
	require.Contains(t, r.Failures[0].Story, "recovery ran with the fault")
	require.Equal(t, Keeps(), judgedAtOnce(t, replaying(true), Options{Pairs: 1000}).Outcome)
}

// mirrored keeps a checksum with its file and a backup. Where the file is damaged, its recovery
// puts the backup in its place: in two steps, between which there is no file at all.
func mirrored(inOneStep bool) Scenario {
	sealed := func(text string) string { return text + sum(text) }
	recovers := func(disk afero.Fs) error {
		data, err := afero.ReadFile(disk, "/db")
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return written(disk, "/db", sealed("")) // a new database
		case err != nil:
			return err
		case len(data) >= 4 && string(data[len(data)-4:]) == sum(string(data[:len(data)-4])):
			return nil
		}
		if !inOneStep {
			if err := errors.Join(disk.Rename("/db", "/db.bad"), syncRoot(disk)); err != nil {
				return err
			}
		}
		if _, err := disk.Stat("/db.bak"); err != nil {
			return errors.New("damaged, and no backup")
		}
		return errors.Join(disk.Rename("/db.bak", "/db"), syncRoot(disk))
	}
	promise := oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		if data, err := afero.ReadFile(disk, "/db"); err != nil || string(data) != sealed("gold") {
			return []oracle.Violation{{Kind: oracle.Lost, Path: "/db", Detail: "the text is gone"}}
		}
		return nil
	})
	return Scenario{
		Name: "mirrored",
		Setup: func(disk *faultfs.FS) error {
			return errors.Join(written(disk, "/db", sealed("gold")), written(disk, "/db.bak", sealed("gold")))
		},
		Workload: func(disk *faultfs.FS) error { return written(disk, "/other", "x") },
		Recover:  recovers, Oracle: promise, Damage: oracle.Detects(promise),
	}
}

func sum(text string) string {
	n := crc32.ChecksumIEEE([]byte(text))
	return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
}

func TestACrashOfRecoveryOnADamagedDiskIsFoundOnlyInPairs(t *testing.T) {
	require.Equal(t, Keeps(), judgedAtOnce(t, mirrored(false), Options{}).Outcome)
	r := judgedAtOnce(t, mirrored(false), Options{Pairs: 400})
	require.Equal(t, Breaks(oracle.Lost), r.Outcome)
	require.Contains(t, r.Failures[0].Story, "; again in recovery after rename /db /db.bad")
	require.Equal(t, Keeps(), judgedAtOnce(t, mirrored(true), Options{Pairs: 400}).Outcome)
}

// A bound leaves the rest out, one of each first blow in turn, and the count says so.
func TestPairsAreBoundedAndCounted(t *testing.T) {
	require.Equal(t, []int{1, 4, 6, 2, 5}, inTurn([][]int{{1, 2, 3}, {4, 5}, {}, {6}}, 5))
	require.Equal(t, []int{1, 2}, inTurn([][]int{{1, 2}}, 5))
	r := judgedAtOnce(t, replaying(true), Options{Pairs: 3})
	require.Equal(t, 6, r.Coverage.Pairs) // three of two kinds: it has no damage
	require.Equal(t, 0, judgedAtOnce(t, replaying(true), Options{}).Coverage.Pairs)
	require.True(t, r.Coverage.Claim.Covers(Claim{Exhaustive: true}))
	require.False(t, Claim{Exhaustive: true}.Covers(r.Coverage.Claim))
}

// Faults in recovery, found by the decision trees, are those that brute force finds: on each
// cut by itself recovery meets each fault at each of its calls, and each cut of that is
// the next disk.
func TestFaultsInRecoveryAreThoseOfBruteForce(t *testing.T) {
	compared, made := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		m := drawn.Model(t)
		trace := drawn.Trace(t)
		trace.Ops = trace.Ops[:min(len(trace.Ops), 3)]
		recovery := drawRecovery(t)
		slow := &slowLives{model: m, recover: recovery, ends: map[string]bool{}}
		slow.crash(t, persist.Lower(trace, m), nil, 1)
		without := len(slow.ends)
		slow.failEach(t, persist.Lower(trace, m))
		if slow.runs >= manyRuns {
			return
		}
		compared++
		if len(slow.ends) > without {
			made++
		}
		require.Equal(t, slices.Sorted(maps.Keys(slow.ends)), livesWithFaults(t, trace, m, recovery), "%s\n%s", m, trace.Text())
	})
	t.Logf("%d programs compared; to %d a fault in recovery made a difference", compared, made)
}

// failEach lets each call of recovery fail, on each cut, in each way.
func (s *slowLives) failEach(t require.TestingT, plan *persist.Plan) {
	for point := range plan.Points() {
		marks := slices.Clip(append([]string{}, plan.Marks(point)...))
		for _, cut := range drawn.AllCuts(plan, point) {
			disk := plan.NewDisk()
			var subset persist.Subset
			for id, v := range cut {
				subset = subset.And(persist.Bound{Cell: persist.Cell(id), Lo: v, Hi: v})
			}
			run := func(fault *faultfs.Fault) *faultfs.FS {
				require.True(t, disk.Begin(point, subset))
				live := faultfs.NewOn(disk)
				if fault != nil {
					live.Inject(s.model.Failure, *fault)
				}
				s.recover(live, listMarks(nil))
				return live
			}
			live := run(nil)
			if !live.Changed() {
				continue
			}
			for _, f := range faultsAfter(live.Trace().Ops) {
				if s.runs++; s.runs >= manyRuns {
					return
				}
				s.crash(t, persist.Lower(run(&f).Trace(), s.model), marks, 0)
			}
		}
	}
}

// livesWithFaults are the disks that the runner finds at the end, of crashes in recovery and of
// faults in it.
func livesWithFaults(t require.TestingT, trace *faultfs.Trace, m model.Model, recovery drawn.Checker) []string {
	return endsOf(t, trace, m, recovery, &Options{Workers: 1, Pairs: 1 << 20}, byLosses, func(j *judging, plan *persist.Plan) {
		p := &program{trace: trace, plan: plan}
		j.cutPower(context.Background(), p)
		j.crashRecovery(context.Background(), p)
		j.failRecovery(context.Background(), p)
	})
}
