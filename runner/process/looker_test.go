package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The test serves the mounts, so that it must not look into them itself. A looker
// does: the test binary in a process of its own.
const lookerVariable = "CRASHSIM_TEST_LOOKER"

// beVictim is what the test binary does as a victim; it does nothing where it is none.
var beVictim func()

func TestMain(m *testing.M) {
	// What whoever started the tests has left open is not for the shells that the
	// tests compare.
	for fd := 3; fd < 64; fd++ {
		syscall.CloseOnExec(fd)
	}
	if beVictim != nil {
		beVictim()
	}
	if os.Getenv(lookerVariable) == "" {
		os.Exit(m.Run())
	}
	requests, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var r look
		if err := requests.Decode(&r); err != nil {
			os.Exit(0) // the test has ended
		}
		r.do()
		if err := answers.Encode(r); err != nil {
			os.Exit(1)
		}
	}
}

// look is what a looker is to do, and its answer.
type look struct {
	Dir  string // to be looked at
	Make string // to be made: a directory where what is seen has an even length, else a file
	Seen string
	Err  string
}

func (r *look) do() {
	seen, err := seenIn(r.Dir)
	if err == nil && r.Make != "" && len(seen)%2 == 0 {
		err = os.Mkdir(r.Make, 0o700)
	} else if err == nil && r.Make != "" {
		err = os.WriteFile(r.Make, []byte("made"), 0o600)
	}
	if r.Seen = seen; err != nil {
		r.Err = err.Error()
	}
}

// lookers are processes that look into mounts, one for each goroutine that asks.
type lookers chan *looker

type looker struct {
	requests *json.Encoder
	answers  *json.Decoder
}

// newLookers starts as many lookers as there may be goroutines that ask at once;
// they end with t.
func newLookers(t *testing.T, count int) lookers {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	all := make(lookers, count)
	for range count {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), lookerVariable+"=1")
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = in.Close()
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait()
		})
		all <- &looker{requests: json.NewEncoder(in), answers: json.NewDecoder(bufio.NewReader(out))}
	}
	return all
}

// see looks at a directory, and makes something there if a name is given.
func (all lookers) see(dir, name string) (string, error) {
	l := <-all
	defer func() { all <- l }()
	r := look{Dir: dir, Make: name}
	if err := l.requests.Encode(r); err != nil {
		return "", err
	}
	if err := l.answers.Decode(&r); err != nil {
		return "", err
	}
	if r.Err != "" {
		return "", errors.New(r.Err)
	}
	return r.Seen, nil
}
