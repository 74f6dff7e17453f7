package natstest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/runner/queue"
	"github.com/crashsim/crashsim/runner/queue/natsqueue"
	"github.com/crashsim/crashsim/runner/queue/queuetest"
)

// embedded starts a server in this process, and returns its address.
func embedded(t testing.TB, dir string, port int) *server.Server {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(30*time.Second))
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func open(t testing.TB, address string) *natsqueue.Queue {
	q, err := natsqueue.Open(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

func TestNATSIsAQueue(t *testing.T) {
	s := embedded(t, t.TempDir(), server.RANDOM_PORT)
	queuetest.Contract(t, open(t, s.ClientURL()), func() queue.Queue { return open(t, s.ClientURL()) })
}

// What is stored is there after a restart, and who waits for it goes on without a word.
func TestServerIsStartedAgain(t *testing.T) {
	dir := t.TempDir()
	s := embedded(t, dir, server.RANDOM_PORT)
	port := s.Addr().(*net.TCPAddr).Port
	q := open(t, s.ClientURL())
	come := make(chan string, 10)
	follow, end := context.WithCancel(t.Context())
	defer end()
	require.NoError(t, q.Put(t.Context(), "job", []byte("before")))
	require.NoError(t, q.Give(t.Context(), "job", []byte("boxes")))
	require.NoError(t, q.Follow(follow, "job", func(text []byte) { come <- string(text) }))
	s.Shutdown()
	s.WaitForShutdown()
	_, err := q.Take(t.Context(), "job", time.Millisecond)
	require.Error(t, err)
	embedded(t, dir, port)
	require.NoError(t, q.Put(t.Context(), "job", []byte("after")))
	for _, want := range []string{"before", "after"} {
		select {
		case got := <-come:
			require.Equal(t, want, got)
		case <-time.After(time.Minute):
			t.Fatal("nothing comes")
		}
	}
	for {
		p, err := q.Take(t.Context(), "job", time.Second)
		if err == nil && p != nil {
			require.Equal(t, "boxes", string(p.Boxes()))
			require.NoError(t, p.Done(t.Context()))
			return
		}
		require.NoError(t, t.Context().Err())
	}
}
