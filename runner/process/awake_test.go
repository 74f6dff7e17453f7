package process

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// However long a process was stopped, that is not the time that a check took.
func TestTimeInWhichNothingRanDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopped atomic.Int64 // for how many nanoseconds the process has been stopped in all
		var ended atomic.Bool
		a := &awake{
			now:  func() time.Time { return time.Now().Add(time.Duration(stopped.Load())) },
			step: time.Second, left: awakeLooks * time.Second, end: func() { ended.Store(true) },
		}
		a.begin()
		time.Sleep(4*time.Second + time.Millisecond)
		stopped.Store(int64(time.Hour))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.False(t, ended.Load(), "an hour counts as two seconds")
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, ended.Load())
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
