package process

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// However long a process was stopped, that is not the time that a check took.
func TestTimeInWhichNothingRanDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopped time.Duration // how long the process has been stopped in all
		ended := false
		a := &awake{
			now:  func() time.Time { return time.Now().Add(stopped) },
			step: time.Second, left: awakeLooks * time.Second, end: func() { ended = true },
		}
		a.begin()
		time.Sleep(4*time.Second + time.Millisecond)
		stopped = time.Hour
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.False(t, ended, "an hour counts as two seconds")
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, ended)
		require.False(t, a.stop())
	})
}

func TestAnAwakeTimerEndsInTimeOrIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{1, 7, time.Millisecond, 10*time.Second + 3} {
			began, took := time.Now(), time.Duration(0)
			stop := afterAwake(d, func() { took = time.Since(began) })
			time.Sleep(2 * d)
			synctest.Wait()
			require.Equal(t, d, took)
			require.False(t, stop())

			stop = afterAwake(d, func() { t.Error("it was stopped") })
			require.True(t, stop())
			require.False(t, stop())
			time.Sleep(2 * d)
		}
	})
}
