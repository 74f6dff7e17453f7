package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// show shows all that can be read of a disk, and the marks.
func showed(disk *faultfs.FS, marks []string) string {
	text := fmt.Sprintln(marks)
	var dir func(path string, depth int)
	dir = func(path string, depth int) {
		for _, name := range drawn.Entries(disk, path) {
			at := strings.TrimSuffix(path, "/") + "/" + name
			info, err := disk.Stat(at)
			if err != nil {
				text += fmt.Sprintln(at, drawn.Plainly(err))
				continue
			}
			text += fmt.Sprintln(at, info.Mode())
			if info.IsDir() {
				if depth < 4 { // a crash may leave a directory below itself
					dir(at, depth+1)
				}
				continue
			}
			data, err := afero.ReadFile(disk, at)
			text += fmt.Sprintf("%q %v\n", data, err)
		}
	}
	dir("/", 0)
	return text
}

// rule is a step of a recovery: an op that it does, or does not, by what it
// finds.
type rule struct {
	op       faultfs.Op
	look     string // a path
	unless   bool   // where it is there
	atTheEnd bool   // a write appends
}

// drawRecovery draws a recovery: it does some things, most of them only where
// it finds others, and few of them may be done twice.
func drawRecovery(t *rapid.T) drawn.Checker {
	rules := make([]rule, rapid.IntRange(1, 4).Draw(t, "rules"))
	for i := range rules {
		rules[i] = rule{
			op: drawn.Op(t, 9+i), look: rapid.SampledFrom(drawn.Paths).Draw(t, "look at"),
			unless: rapid.Bool().Draw(t, "unless"), atTheEnd: rapid.Bool().Draw(t, "append"),
		}
	}
	return func(disk *faultfs.FS, _ oracle.Marks) uint64 {
		for _, r := range rules {
			info, err := disk.Stat(r.look)
			if (err == nil) == r.unless || r.op.Kind == faultfs.OpMark {
				continue
			}
			op := r.op
			if op.Kind == faultfs.OpWrite {
				_, _ = disk.Do(faultfs.Op{Kind: faultfs.OpCreate, Path: op.Path, Mode: 0o644})
				if at, err := disk.Stat(op.Path); err == nil && r.atTheEnd && at.Size() < 40 {
					op.Off = at.Size()
				}
				if info != nil && info.Size() > 3 {
					op.Data = op.Data[:1]
				}
			}
			_, _ = disk.Do(op)
		}
		return 0
	}
}

// withFault is what a program does when one of its calls fails.
func withFault(t *rapid.T, trace *faultfs.Trace, m model.Model) *faultfs.Trace {
	if len(trace.Ops) == 0 {
		return trace
	}
	i := rapid.IntRange(0, len(trace.Ops)-1).Draw(t, "op that fails")
	templates := trace.Ops[i].Faults()
	if len(templates) == 0 {
		return trace
	}
	fault := rapid.SampledFrom(templates).Draw(t, "fault")
	fault.At = faultfs.OpNum(i + 1)
	fs := faultfs.NewOn(trace.Base())
	fs.Inject(m.Failure, fault)
	for _, op := range trace.Ops {
		_, _ = fs.Do(op) // one that fails is recorded as such
	}
	return fs.Trace()
}

// slowLives are the disks that may be found at the end of all, of recoveries
// that are crashed up to so many times: on each cut by itself, recovery is run,
// what it did is lowered as that of any program, and each of its cuts is the
// next disk.
type slowLives struct {
	model   model.Model
	recover drawn.Checker
	ends    map[string]bool
	runs    int
	round   round // the cases that are looked at
}

const manyRuns = 1500

func (s *slowLives) crash(t require.TestingT, plan *persist.Plan, marks []string, depth int) {
	for point := range plan.Points() {
		at := marks
		if at == nil {
			at = slices.Clip(append([]string{}, plan.Marks(point)...))
		}
		cuts := drawn.AllCuts(s.round.narrow(plan), point)
		if cuts == nil {
			s.runs = manyRuns
		}
		for _, cut := range cuts {
			if s.runs++; s.runs >= manyRuns {
				return
			}
			disk := plan.NewDisk()
			var subset persist.Subset
			for id, v := range cut {
				subset = subset.And(persist.Bound{Cell: persist.Cell(id), Lo: v, Hi: v})
			}
			require.True(t, disk.Begin(point, subset))
			live := faultfs.NewOn(disk)
			s.recover(live, listMarks(nil))
			trace := live.Trace()
			s.ends[showed(live, at)] = true
			if depth > 0 && live.Changed() {
				s.crash(t, persist.Lower(trace, s.model), at, depth-1)
			}
		}
	}
}

// Crashes in recovery, found by the decision trees that all crashes share, are
// those that brute force finds.
func TestCrashesInRecoveryAreThoseOfBruteForceAtDepthTwo(t *testing.T) {
	compared, tooMany, faulty, once, twice := 0, 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		m := drawn.Model(t)
		trace := drawn.Trace(t)
		if rapid.Bool().Draw(t, "with a fault") {
			trace = withFault(t, trace, m)
		}
		if len(trace.Ops) > 4 {
			trace.Ops = trace.Ops[:4]
		}
		recovery := drawRecovery(t)
		slow := &slowLives{model: m, recover: recovery, ends: map[string]bool{}}
		slow.crash(t, persist.Lower(trace, m), nil, 2)
		if slow.runs >= manyRuns {
			tooMany++
			return
		}
		compared++
		if slices.ContainsFunc(trace.Ops, func(op faultfs.Op) bool { return op.Injected }) {
			faulty++
		}
		require.Equal(t, slices.Sorted(maps.Keys(slow.ends)), lives(t, trace, m, recovery, 2), "%s\n%s", m, trace.Text())
		if len(lives(t, trace, m, recovery, 0)) < len(slow.ends) {
			once++
		}
		if len(lives(t, trace, m, recovery, 1)) < len(slow.ends) {
			twice++
		}
	})
	t.Logf("%d programs compared, %d of them with a fault; to %d a crash in recovery made a difference, to %d the second one; %d had too many runs",
		compared, faulty, once, twice, tooMany)
	require.Greater(t, 4*compared, tooMany, "most programs must be small enough")
}

// lives are the disks that the runner finds at the end.
func lives(t require.TestingT, trace *faultfs.Trace, m model.Model, recovery drawn.Checker, depth int) []string {
	return livesOf(t, trace, m, recovery, depth, byLosses)
}

// livesOf are those that it finds in the cases of a round.
func livesOf(t require.TestingT, trace *faultfs.Trace, m model.Model, recovery drawn.Checker, depth int, of round) []string {
	return endsOf(t, trace, m, recovery, &Options{Depth: Times(depth), Workers: 1}, of, func(j *judging, plan *persist.Plan) {
		p := j.exploration(plan, "", "")
		p.explore(context.Background(), 0, nil, 0)
		p.crashRecoveries(context.Background())
	})
}

// endsOf are the disks that the runner finds at the end of the blows that it is given to deal.
func endsOf(
	t require.TestingT, trace *faultfs.Trace, m model.Model, recovery drawn.Checker, o *Options, of round, deal func(*judging, *persist.Plan),
) []string {
	ends := map[string]bool{}
	s := &Scenario{
		Recover: func(disk afero.Fs) error {
			recovery(disk.(*faultfs.FS), listMarks(nil))
			return nil
		},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			ends[showed(disk.(*faultfs.FS), marks.All())] = true
			return nil
		}),
	}
	plan := persist.Lower(trace, m)
	j := &judging{
		scenario: s, options: o, budget: o.budget(), pool: newPool(s, plan, o),
		result: &Result{Model: m}, found: map[ground]bool{}, first: -1, reached: everything, round: of,
	}
	defer j.pool.close()
	deal(j, plan)
	require.False(t, j.short)
	require.Empty(t, j.result.Notes)
	return slices.Sorted(maps.Keys(ends))
}
