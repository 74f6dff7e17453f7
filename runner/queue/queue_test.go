package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner/queue"
	"github.com/crashsim/crashsim/runner/queue/queuetest"
)

func TestMemoryIsAQueue(t *testing.T) {
	q := &queue.Memory{}
	queuetest.Contract(t, q, func() queue.Queue { return q })
}

func TestWhatIsNotDoneIsDeliveredAgain(t *testing.T) {
	q := &queue.Memory{}
	require.NoError(t, q.Give(t.Context(), "job", []byte("boxes")))
	first, err := q.Take(t.Context(), "job", 0)
	require.NoError(t, err)
	q.Redeliver()
	second, err := q.Take(t.Context(), "job", 0)
	require.NoError(t, err)
	require.Equal(t, first.Boxes(), second.Boxes())
	require.NoError(t, second.Done(t.Context()))
	require.NoError(t, first.Back(t.Context()), "it is done by another one")
	q.Redeliver()
	none, err := q.Take(t.Context(), "job", 0)
	require.NoError(t, err)
	require.Nil(t, none)
}

// somePlan is of a program with a few crash points and cells.
func somePlan(t require.TestingT) *persist.Plan {
	fs := faultfs.New()
	require.NoError(t, afero.WriteFile(fs, "/a", []byte("data"), 0o644))
	require.NoError(t, fs.Rename("/a", "/b"))
	return persist.Lower(fs.Trace(), model.Default())
}

func TestBoxesAreReadAsTheyWereWritten(t *testing.T) {
	plan := somePlan(t)
	rapid.Check(t, func(t *rapid.T) {
		number := func(name string, below int) int { return rapid.IntRange(0, below-1).Draw(t, name) }
		var want []queue.Box
		for range number("boxes", 5) {
			b := queue.Box{Point: number("point", plan.Points())}
			for range number("bounds", 4) {
				lo := persist.Version(number("low", 3))
				b.Bounds = append(b.Bounds, persist.Bound{Cell: persist.Cell(number("cell", plan.Cells())), Lo: lo, Hi: lo + persist.Version(number("more", 3))})
			}
			want = append(want, b)
		}
		name, got, err := queue.Parse(queue.Append(nil, "power", want), plan)
		require.NoError(t, err)
		require.Equal(t, "power", name)
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(got))
	})
}

func TestBoxesOfAnotherProgramAreRefusedWithTheirLine(t *testing.T) {
	plan := somePlan(t)
	const begin = "crashsim parcel 1\nsearch s\n"
	for _, c := range []struct{ text, err string }{
		{"", "does not begin"},
		{"crashsim parcel 2\nsearch s\n", "does not begin"},
		{"crashsim parcel 1\n", "line 2: want: search NAME"},
		{begin + "box 0", "line 3 does not end"},
		{begin + "box\n", "line 3: want: box POINT"},
		{begin + "box 0 1:0\n", "line 3: want: box POINT"},
		{begin + "box 0 -1:0-1\n", "line 3: want: box POINT"},
		{begin + "box 0 1:0-99999999999\n", "line 3: want: box POINT"},
		{begin + "box 0\nbox -1\n", "line 4: the program has"},
		{begin + fmt.Sprintf("box %d\n", plan.Points()), "line 3: the program has"},
		{begin + fmt.Sprintf("box 0 %d:0-1\n", plan.Cells()), "line 3: the program has"},
		{string(queue.Append(nil, "s", make([]queue.Box, queue.MaxBoxes+1))), "a parcel holds at most"},
	} {
		_, _, err := queue.Parse([]byte(c.text), plan)
		require.ErrorContains(t, err, c.err, "%.80q", c.text)
	}
}

func FuzzParse(f *testing.F) {
	plan := somePlan(f)
	f.Add(queue.Append(nil, "power", []queue.Box{{Point: 1, Bounds: []persist.Bound{{Cell: 1, Lo: 0, Hi: 1}}}}))
	f.Fuzz(func(t *testing.T, text []byte) {
		name, boxes, err := queue.Parse(text, plan)
		if err != nil {
			return
		}
		box := plan.NewBox()
		for i := range boxes { // whatever they say, they can be asked for
			box.Move(boxes[i].Point)
			box.RestrictTo(boxes[i].Part())
		}
		again, same, err := queue.Parse(queue.Append(nil, name, boxes), plan)
		require.NoError(t, err)
		require.Equal(t, name, again)
		require.Equal(t, fmt.Sprint(boxes), fmt.Sprint(same))
	})
}

func TestAddressOfAQueueSaysWhichItIs(t *testing.T) {
	_, err := queue.Open(t.Context(), "nothing://user:secret@host")
	require.ErrorContains(t, err, `"nothing://user:xxxxx@host" is not known`)
	require.ErrorContains(t, err, "natsqueue")
	_, err = queue.Open(t.Context(), "memory://secret%zz")
	require.ErrorContains(t, err, "the address of a queue")
	require.NotContains(t, err.Error(), "secret@")

	failure := errors.New("it is not there")
	queue.Register("here", func(_ context.Context, address string) (queue.Queue, error) {
		require.Equal(t, "here://x", address)
		return nil, failure
	})
	_, err = queue.Open(t.Context(), "here://x")
	require.ErrorIs(t, err, failure)
	_, err = queue.Open(t.Context(), "there://x")
	require.ErrorContains(t, err, "want an address that begins with here://")
}
