package process_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
)

// However many checks run at once, and whichever shell runs them, the result is the
// same bytes. The check fails on one kind of disk only, so that a single answer that
// went to the wrong worker would show.
func TestResultDoesNotDependOnTheNumberOfWorkers(t *testing.T) {
	skipWithoutFUSE(t)
	trace := record(t, `echo old >f; echo old >g`, `echo new >f; echo new >g; echo x >h; echo y >i; sync g; echo saved`)
	const check = `read f <f; read g <g; [ "$f" = new ] || [ "$g" != new ] || [ -e h ] || [ -s i ] || { echo "torn: g is new, and f is $f"; exit 1; }
[ -e f ] && [ -e g ]`
	m, err := model.Parse("posix")
	require.NoError(t, err)
	want := ""
	for range 3 {
		for _, workers := range []int{2, 8, 16} {
			c, err := process.NewChecker(process.Options{Timeout: time.Minute})
			require.NoError(t, err)
			s := runner.Scenario{Name: "program", Trace: trace}
			s.Oracle, err = c.Oracle(process.Shell(check))
			require.NoError(t, err)
			results, err := runner.Run(context.Background(), s, runner.Options{
				Models: []model.Model{m}, Workers: workers, Timeout: 5 * time.Minute, All: true,
			})
			require.NoError(t, err)
			require.NoError(t, c.Close())
			r := &results[0]
			got := r.Report()
			for _, f := range r.Failures {
				got += string(r.Stored(f).Text())
			}
			require.Equal(t, "broken(torn)", r.Outcome.String(), got)
			if want == "" {
				want = got
			}
			require.Equal(t, want, got, "%d workers", workers)
		}
	}
}
