package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner/queue"
	"github.com/crashsim/crashsim/runner/workdir"
)

// work is the directories of Options.Workdir, and the queue, for one call of Run or Check, and what
// tells its results from those of others.
type work struct {
	dirs     []*workdir.Dir
	queue    queue.Queue // nil: none
	about    string      // the program, the check, and this version of crashsim
	scenario string
}

// resultsFs is where the directories lie. It is a variable for tests, which need no syncs.
var resultsFs = afero.NewOsFs()

// calls counts the calls of Run and Check by what they are called, so that two scenarios
// of one name in one test do not share results.
var calls struct {
	sync.Mutex
	made map[string]int
}

func nthCall(name string) int {
	calls.Lock()
	defer calls.Unlock()
	if calls.made == nil {
		calls.made = map[string]int{}
	}
	calls.made[name]++
	return calls.made[name]
}

// openWork opens the directories of the options; nil: there are none.
func (s *Scenario) openWork(o *Options, take *recording, test testName) (*work, error) {
	if len(o.Workdir) == 0 && o.Queue == nil {
		return nil, nil
	}
	if o.Known != nil {
		return nil, fmt.Errorf("scenario %s: with Options.Known, no results are kept in a Workdir, and there is no Queue", s.Name)
	}
	w := &work{queue: o.Queue, scenario: s.Name}
	for _, path := range o.Workdir {
		d, err := workdir.Open(resultsFs, filepath.ToSlash(path))
		if err != nil {
			return nil, err
		}
		w.dirs = append(w.dirs, d)
	}
	binary, err := sumOfBinary()
	if err != nil {
		return nil, fmt.Errorf("results of this version cannot be told from others: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "crashsim %s\nscenario %s\nprogram %x\ntimeout %v\n", binary, s.Name, sha256.Sum256(take.trace.Text()), o.Timeout)
	if c := s.Command; c != nil {
		fmt.Fprintf(&b, "%s%s", c.text(), c.files())
	} else {
		name := test.pkg + " " + test.name + " " + s.Name
		fmt.Fprintf(&b, "test %s\ncall %d\noracle %s\n", name, nthCall(name), describe(s.Oracle))
	}
	w.about = b.String()
	return w, nil
}

// memory returns what is known of the scenario under a model.
func (w *work) memory(m model.Model) (*memory, error) {
	if w == nil {
		return nil, nil
	}
	key := []byte("crashsim key 1\n" + w.about + "model " + m.String() + "\n")
	sum := sha256.Sum256(key)
	mem := &memory{shelf: &shelf{work: w, name: hex.EncodeToString(sum[:16]), known: map[string]*known{}}}
	if w.queue != nil {
		mem.giving = &giving{queue: w.queue, job: queue.Job{Key: mem.name, About: string(key), Scenario: w.scenario, Model: m.String()}}
	}
	if len(w.dirs) == 0 {
		return mem, nil
	}
	if _, err := w.dirs[0].Put(mem.name, key); err != nil {
		return nil, fmt.Errorf("results cannot be stored: %w", err)
	}
	return mem, mem.load()
}

// sumOfBinary is the sum of this program: of crashsim, or of a test with all that it
// calls.
var sumOfBinary = sync.OnceValues(func() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", err
	}
	return sumOfFile(name)
})

func sumOfFile(name string) (text string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// files are the sums of the files that the commands of a check name: a check that
// was changed is another one. Files that those name in turn are not seen.
func (c *Command) files() string {
	var b strings.Builder
	isWord := func(r rune) bool { return strings.ContainsRune(" \t\n\"'`;|&()<>=", r) }
	for _, command := range []string{c.Check, c.Recover} {
		for _, word := range strings.FieldsFunc(command, isWord) {
			if info, err := os.Stat(word); err != nil || !info.Mode().IsRegular() {
				continue
			}
			sum, err := sumOfFile(word)
			fmt.Fprintf(&b, "file %q %s %v\n", word, sum, err)
		}
	}
	return b.String()
}

// describe says what an oracle is, as far as that can be seen: its types and data, and
// of functions their names. What functions remember is told apart by the number of the call.
func describe(v any) string {
	var b strings.Builder
	var walk func(v reflect.Value, depth int)
	walk = func(v reflect.Value, depth int) {
		if !v.IsValid() || depth > 12 {
			return
		}
		fmt.Fprintf(&b, "%s ", v.Type())
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			walk(v.Elem(), depth+1)
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), depth+1)
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i), depth+1)
			}
		case reflect.Func:
			if f := runtime.FuncForPC(v.Pointer()); f != nil {
				b.WriteString(f.Name())
			}
		case reflect.Map, reflect.Chan, reflect.UnsafePointer:
		default:
			fmt.Fprintf(&b, "%v ", v)
		}
	}
	walk(reflect.ValueOf(v), 0)
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}
