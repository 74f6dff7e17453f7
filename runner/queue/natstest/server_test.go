package natstest

import (
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
