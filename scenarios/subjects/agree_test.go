package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// cutsCompared is how many disks of a subject are compared under each model, and
// with -short.
const (
	cutsCompared = 20
)

// listing tells all that can be seen of a disk: names, types, modes, sizes, which
// names are of one file, data and marks. What the size of a directory is, and how
// many links a file has, is not compared: a mount does not count them.
const listing = `echo "torn:"
find . -type d -printf '%P/ %m\n' -o -type l -printf '%P -> %l\n' | sort
find . -type f -printf '%P %m %s %i\n' | sort | awk '{ if (!($4 in first)) first[$4] = $1; print $1, $2, $3, first[$4] }'
find . -type f -exec sha256sum {} + | sort; cat "$CRASHSIM_MARKS"; exit 1`

// side is one of two ways to judge the disks of a plan.
type side struct {
	disk    *persist.Disk
	fs      *faultfs.FS
	subject oracle.Oracle // the check of the subject
	all     oracle.Oracle // the listing
	tamper  func(*faultfs.FS) error
}

func (s *subject) side(t *testing.T, plan *persist.Plan, o process.Options) *side {
	t.Helper()
	o.Timeout = time.Minute
	c, err := process.NewChecker(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	disk := plan.NewDisk()
	d := &side{disk: disk, fs: faultfs.Unrecorded(disk)}
	d.subject, err = s.oracle(c, plan.Trace())
	require.NoError(t, err)
	d.all, err = c.Oracle(process.Shell(listing))
	require.NoError(t, err)
	return d
}

// judge judges the disks of a part of a crash point.
func (d *side) judge(t *testing.T, o oracle.Oracle, point int, part persist.Subset) []oracle.Violation {
	t.Helper()
	d.fs.Reset()
	require.True(t, d.disk.Begin(point, part))
	if d.tamper != nil {
		require.NoError(t, d.tamper(d.fs))
	}
	return o.Judge(d.fs, d.disk.Marks())
}

// draw leaves to some of the open cells of a box, chosen at random, one version
// each, and returns the part that it is then. Share says how many of ten.
func draw(rng *rand.Rand, plan *persist.Plan, box *persist.Box, share int) persist.Subset {
	var part persist.Subset
	for _, i := range rng.Perm(plan.Cells()) {
		b := box.Bound(persist.Cell(i))
		if b.Lo == b.Hi || rng.IntN(10) >= share {
			continue
		}
		b.Lo += persist.Version(rng.IntN(int(b.Hi-b.Lo) + 1))
		b.Hi = b.Lo
		box.Restrict(b)
		part = part.And(b)
	}
	return part
}

// newest is the one cut of a box that lacks least.
func newest(plan *persist.Plan, box *persist.Box) persist.Subset {
	var part persist.Subset
	for i := range plan.Cells() {
		b := box.Bound(persist.Cell(i))
		part = part.And(persist.Bound{Cell: b.Cell, Lo: b.Hi, Hi: b.Hi})
	}
	return part
}

// fewLosses are the parts of crash points in which something is new, and what is
// left of each when it lacks one effect more: what a search looks at first.
func fewLosses(plan *persist.Plan) (points []int, parts []persist.Subset) {
	box := plan.NewBox()
	for point := range plan.Points() {
		var fresh []persist.Subset
		box.Fresh(point, func(part persist.Subset, _ int) { fresh = append(fresh, part) })
		for _, part := range fresh {
			points, parts = append(points, point), append(parts, part)
			for i := range plan.Cells() {
				box.Move(point)
				box.RestrictTo(part)
				b := box.Bound(persist.Cell(i))
				if b.Lo < b.Hi {
					points, parts = append(points, point), append(parts, part.And(persist.Bound{Cell: b.Cell, Hi: b.Hi - 1}))
				}
			}
		}
	}
	return points, parts
}

// comparison compares what one side says of a disk on which things are open with
// what the other says of a copy of one cut of it.
type comparison struct {
	plan            *persist.Plan
	mounted, copied *side
	exact           bool // the words of a violation too, and not only its kind
	wrong           int  // cuts that the subject's check rejected
}

// compare lets the mounted side judge a part of a crash point, which settles what
// the check reads, and the copied side one cut of what it settled on: the newest,
// or one at random. It returns how they differ.
func (c *comparison) compare(t *testing.T, rng *rand.Rand, point int, part persist.Subset) string {
	t.Helper()
	mounted := c.mounted.judge(t, c.mounted.subject, point, part)
	box := c.mounted.disk.Box().Still()
	cut := part
	if rng.IntN(2) == 0 {
		cut = cut.Join(draw(rng, c.plan, box, 10))
	}
	cut = cut.Join(newest(c.plan, box))
	copied := c.copied.judge(t, c.copied.subject, point, cut)
	if len(mounted) > 0 {
		c.wrong++
	}
	if got, want := c.words(mounted), c.words(copied); got != want {
		single := c.mounted.judge(t, c.mounted.subject, point, cut)
		return fmt.Sprintf("point %d: the undetermined disk %q, a copy of one of its cuts %q, that cut mounted %q", point, got, want, c.words(single))
	}
	all, copiedAll := c.mounted.judge(t, c.mounted.all, point, cut), c.copied.judge(t, c.copied.all, point, cut)
	if got, want := fmt.Sprint(all), fmt.Sprint(copiedAll); got != want {
		return fmt.Sprintf("point %d: mounted and copied the disk differs:\n%s\n%s", point, got, want)
	}
	return ""
}

// failures compares the disk of each failure that a search found on undetermined
// disks, and sees that a copy of it is one of that kind.
func (c *comparison) failures(t *testing.T, rng *rand.Rand, results []runner.Result) int {
	t.Helper()
	found := 0
	for _, f := range results[0].Failures {
		found++
		shown := false
		for point := range c.plan.Points() {
			if c.plan.After(point) != f.After {
				continue
			}
			part, err := c.plan.Pin(point, f.Lost)
			if err != nil {
				continue // another point after the same op
			}
			require.Empty(t, c.compare(t, rng, point, part), f.Story)
			for _, v := range c.copied.judge(t, c.copied.subject, point, part) {
				shown = shown || v.Kind == f.Kind
			}
		}
		require.True(t, shown, "a copy of the disk does not show it: %s", f.Story)
	}
	return found
}

// words are violations as far as they are compared.
func (c *comparison) words(violations []oracle.Violation) string {
	var words []string
	for _, v := range violations {
		if c.exact {
			words = append(words, v.String())
		} else {
			words = append(words, v.Kind.String())
		}
	}
	return strings.Join(words, "; ")
}

func (s *subject) comparison(t *testing.T, trace *faultfs.Trace, preset string) *comparison {
	t.Helper()
	m, err := model.Parse(preset)
	require.NoError(t, err)
	plan := persist.Lower(trace, m)
	return &comparison{
		plan: plan, exact: process.IsBuiltin(s.check),
		mounted: s.side(t, plan, process.Options{}), copied: s.side(t, plan, process.Options{Materialise: true}),
	}
}

// A check that sees a mounted disk on which nothing is decided, and one that sees
// a copy of any cut that the first one stands for, say the same. Half of the disks
// lack little, as those that a search judges first, half are drawn at random; then
// come those of the failures that a search finds, with one loss where more takes a
// while. Verdicts under a budget are not compared: a copy reads everything, so
// that each of its runs is a single cut, and the same budget ends somewhere else.
func TestMountedAndMaterialisedDisksAgree(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes minutes, and it looks at disks that a mount serves, which the race detector does not know to be done")
	}
	cuts := cutsCompared
	for i := range subjects {
		s := &subjects[i]
		t.Run(s.name, func(t *testing.T) {
			if testing.Short() && s.needs == "git" {
				t.Skip("-short: git takes a while")
			}
			t.Parallel()
			trace := s.record(t)
			for _, model := range []string{"ext4", "posix"} {
				c := s.comparison(t, trace, model)
				rng := rand.New(rand.NewPCG(uint64(i), 0))
				points, parts := fewLosses(c.plan)
				chosen := rng.Perm(len(parts))
				chosen = chosen[:min(len(chosen), cuts/2)]
				slices.Sort(chosen)
				compared := 0
				for _, k := range chosen {
					require.Empty(t, c.compare(t, rng, points[k], parts[k]), "%s: few losses", model)
					compared++
				}
				for ; compared < cuts; compared++ {
					box := c.plan.NewBox()
					point := rng.IntN(c.plan.Points())
					box.Move(point)
					part := draw(rng, c.plan, box, rng.IntN(11))
					require.Empty(t, c.compare(t, rng, point, part), "%s: drawn", model)
				}
				search := *s
				if s.needs != "" {
					search.losses, search.bounded = 1, nil
				}
				found := c.failures(t, rng, search.judge(t, trace, []string{model}))
				t.Logf("%s: %d disks; failures of a search: %d; disks that were wrong: %d", model, compared, found, c.wrong)
			}
		})
	}
}

// The comparison notices a copy that lacks anything.
func TestComparisonNoticesWhatACopyLacks(t *testing.T) {
	s := subject{
		program: `mkdir d; echo data >d/f; ln d/f d/g; ln -s f d/s; sync d/f; sync d; sync .; echo made`,
		check:   "old-or-new:d/f",
	}
	c := s.comparison(t, s.record(t), "posix")
	rng := rand.New(rand.NewPCG(0, 0))
	last := c.plan.Points() - 1
	require.Empty(t, c.compare(t, rng, last, persist.Subset{}))
	for what, tamper := range map[string]func(fs *faultfs.FS) error{
		"the last byte": func(fs *faultfs.FS) error { return put(fs, "/d/f", "data") },
		"a byte":        func(fs *faultfs.FS) error { return put(fs, "/d/f", "datA\n") },
		"a mode":        func(fs *faultfs.FS) error { return fs.Chmod("/d/f", 0o600) },
		"the mode of a directory": func(fs *faultfs.FS) error {
			return fs.Chmod("/d", 0o700)
		},
		"a link":          func(fs *faultfs.FS) error { return fs.Remove("/d/g") },
		"a symbolic link": func(fs *faultfs.FS) error { return fs.Remove("/d/s") },
		"that two names are of one file": func(fs *faultfs.FS) error {
			if err := fs.Remove("/d/g"); err != nil {
				return err
			}
			return put(fs, "/d/g", "data\n")
		},
	} {
		c.copied.tamper = tamper
		require.NotEmpty(t, c.compare(t, rng, last, persist.Subset{}), what)
	}
}

// put writes a file.
func put(fs *faultfs.FS, name, data string) error {
	f, err := fs.Create(name)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(data); err != nil {
		return err
	}
	return f.Close()
}
