package natsqueue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crashsim/crashsim/runner/queue"
)

func init() {
	for _, scheme := range []string{"nats", "tls"} {
		queue.Register(scheme, func(ctx context.Context, address string) (queue.Queue, error) { return Open(ctx, address) })
	}
}

// Names on the server.
const (
	parcelStream = "crashsim-parcels"
	resultStream = "crashsim-results"
	jobStream    = "crashsim-jobs"
	fileStore    = "crashsim-files"

	parcels = "crashsim.parcel."
	results = "crashsim.result."
	jobs    = "crashsim.job."
)

const (
	keepFor  = 30 * 24 * time.Hour // results and files
	lease    = 10 * time.Second    // a worker of which nothing is heard for so long has died
	tryFor   = 5 * time.Second     // one question to the server
	tryAgain = 100 * time.Millisecond
	inline   = 256 << 10 // what is longer is a file
)

// Queue is a connection to a NATS server.
type Queue struct {
	conn *nats.Conn
	js   jetstream.JetStream
	end  context.CancelFunc // of what goes on beside

	mu     sync.Mutex
	takers map[string]jetstream.Consumer // by key
	jobs   []queue.Job
	heard  time.Time
}

// Open connects to the server with an address such as "nats://host:4222", and makes
// what is missing there.
func Open(ctx context.Context, address string) (*Queue, error) {
	options := []nats.Option{
		nats.Name("crashsim"), nats.MaxReconnects(-1), nats.ReconnectWait(tryAgain), nats.Timeout(tryFor),
		nats.ReconnectBufSize(-1), // what is not sent is an error at once, and tried again here
	}
	if file := os.Getenv("NATS_CREDS"); file != "" {
		options = append(options, nats.UserCredentials(file))
	}
	if file := os.Getenv("NATS_CA"); file != "" {
		options = append(options, nats.RootCAs(file))
	}
	conn, err := nats.Connect(address, options...)
	if err != nil {
		return nil, fmt.Errorf("the queue %s: %w", redacted(address), err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	beside, end := context.WithCancel(context.Background())
	q := &Queue{conn: conn, js: js, end: end, takers: map[string]jetstream.Consumer{}, heard: time.Now()}
	err = q.make(ctx)
	if err == nil {
		err = q.follow(ctx, beside, jobStream, jobs+"*", q.hear)
	}
	if err != nil {
		_ = q.Close()
		return nil, fmt.Errorf("the queue %s: %w", redacted(address), err)
	}
	return q, nil
}

// redacted is an address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "of that address"
	}
	return u.Redacted()
}

// Close ends the connection. A parcel that was taken and is not done is delivered again.
func (q *Queue) Close() error {
	q.end()
	q.conn.Close()
	return nil
}

// make makes the streams and the store that are not there.
func (q *Queue) make(ctx context.Context) error {
	for _, c := range []jetstream.StreamConfig{
		{Name: parcelStream, Subjects: []string{parcels + "*"}, Retention: jetstream.WorkQueuePolicy},
		{Name: resultStream, Subjects: []string{results + "*"}, MaxAge: keepFor},
		{Name: jobStream, Subjects: []string{jobs + "*"}, MaxAge: keepFor, MaxMsgsPerSubject: 1},
	} {
		err := again(ctx, func(ctx context.Context) error {
			_, err := q.js.Stream(ctx, c.Name)
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				_, err = q.js.CreateStream(ctx, c)
			}
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				return nil // another process was faster
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return again(ctx, func(ctx context.Context) error {
		_, err := q.js.ObjectStore(ctx, fileStore)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			_, err = q.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: fileStore, TTL: keepFor})
		}
		if errors.Is(err, jetstream.ErrBucketExists) {
			return nil
		}
		return err
	})
}

// again asks the server until there is an answer.
func again(ctx context.Context, ask func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, tryFor)
		err := ask(try)
		cancel()
		if err == nil || !passes(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(tryAgain):
		}
	}
}

// passes reports whether an error may be over the next time: the server is not there.
func passes(err error) bool {
	for _, e := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrReconnectBufExceeded,
		nats.ErrConnectionReconnecting, nats.ErrNoServers, nats.ErrStaleConnection, jetstream.ErrNoStreamResponse, jetstream.ErrNoHeartbeat,
		jetstream.ErrServerShutdown, jetstream.ErrConsumerLeadershipChanged,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code >= 500 && api.ErrorCode != jetstream.JSErrCodeJetStreamNotEnabled &&
		api.ErrorCode != jetstream.JSErrCodeJetStreamNotEnabledForAccount
}

var isKey = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`).MatchString

// publish stores a message, and returns once the server says that it is stored.
func (q *Queue) publish(ctx context.Context, subject, key string, text []byte, options ...jetstream.PublishOpt) error {
	if !isKey(key) {
		return fmt.Errorf("%q is no key of a job", key)
	}
	return again(ctx, func(ctx context.Context) error {
		_, err := q.js.Publish(ctx, subject+key, text, options...)
		return err
	})
}

// A message holds a text, or the name of the file that it is in.
const (
	holdsText = 't'
	holdsName = 'f'
)

// pack is a text as a message.
func (q *Queue) pack(ctx context.Context, text []byte) ([]byte, error) {
	if len(text) <= inline {
		return append([]byte{holdsText}, text...), nil
	}
	name, err := q.Keep(ctx, text)
	return append([]byte{holdsName}, name...), err
}

// unpack is the text of a message.
func (q *Queue) unpack(ctx context.Context, data []byte) ([]byte, error) {
	switch {
	case len(data) > 0 && data[0] == holdsText:
		return data[1:], nil
	case len(data) > 0 && data[0] == holdsName:
		return q.Kept(ctx, string(data[1:]))
	}
	return nil, errors.New("a message that crashsim has not sent")
}

// Say implements queue.Queue.
func (q *Queue) Say(ctx context.Context, j queue.Job) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	data, err := q.pack(ctx, text)
	if err != nil {
		return err
	}
	return q.publish(ctx, jobs, j.Key, data)
}

// hear notes what was said of a job.
func (q *Queue) hear(data []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), tryFor)
	defer cancel()
	text, err := q.unpack(ctx, data)
	var j queue.Job
	if err != nil || json.Unmarshal(text, &j) != nil || !isKey(j.Key) {
		return // somebody else has said that
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(slices.DeleteFunc(q.jobs, func(old queue.Job) bool { return old.Key == j.Key }), j)
	q.heard = time.Now()
}

// Jobs implements queue.Queue.
func (q *Queue) Jobs(context.Context) ([]queue.Job, time.Duration, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.jobs), time.Since(q.heard), nil
}

// Clear implements queue.Queue.
func (q *Queue) Clear(ctx context.Context, key string) error {
	if !isKey(key) {
		return fmt.Errorf("%q is no key of a job", key)
	}
	return again(ctx, func(ctx context.Context) error {
		stream, err := q.js.Stream(ctx, parcelStream)
		if err != nil {
			return err
		}
		return stream.Purge(ctx, jetstream.WithPurgeSubject(parcels+key))
	})
}

// Give implements queue.Queue.
func (q *Queue) Give(ctx context.Context, key string, boxes []byte) error {
	data, err := q.pack(ctx, boxes)
	if err != nil {
		return err
	}
	return q.publish(ctx, parcels, key, data)
}

// Put implements queue.Queue.
func (q *Queue) Put(ctx context.Context, key string, text []byte) error {
	data, err := q.pack(ctx, text)
	if err != nil {
		return err
	}
	return q.publish(ctx, results, key, data, jetstream.WithMsgID(key+sumOf(text)))
}

// Follow implements queue.Queue.
func (q *Queue) Follow(ctx context.Context, key string, f func([]byte)) error {
	if !isKey(key) {
		return fmt.Errorf("%q is no key of a job", key)
	}
	return q.follow(ctx, ctx, resultStream, results+key, func(data []byte) {
		text, err := q.unpack(ctx, data)
		if err == nil {
			f(text)
		}
	})
}

// Keep implements queue.Queue.
func (q *Queue) Keep(ctx context.Context, text []byte) (string, error) {
	name := sumOf(text)
	return name, again(ctx, func(ctx context.Context) error {
		store, err := q.js.ObjectStore(ctx, fileStore)
		if err != nil {
			return err
		}
		if _, err := store.GetInfo(ctx, name); !errors.Is(err, jetstream.ErrObjectNotFound) {
			return err
		}
		_, err = store.Put(ctx, jetstream.ObjectMeta{Name: name}, bytes.NewReader(text))
		return err
	})
}

// Kept implements queue.Queue.
func (q *Queue) Kept(ctx context.Context, name string) (text []byte, err error) {
	err = again(ctx, func(ctx context.Context) error {
		store, err := q.js.ObjectStore(ctx, fileStore)
		if err != nil {
			return err
		}
		info, err := store.GetInfo(ctx, name)
		if err != nil {
			return err
		}
		if info.Size > queue.MaxText {
			return fmt.Errorf("a file of %d bytes; the largest that is read has %d", info.Size, queue.MaxText)
		}
		text, err = store.GetBytes(ctx, name)
		return err
	})
	if err == nil && sumOf(text) != name {
		err = errors.New("its text is not the one that was kept")
	}
	if err != nil {
		return nil, fmt.Errorf("the file %.64q: %w", name, err)
	}
	return text, nil
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
