package oracle_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
)

// show judges a disk that holds the files, after n marks "saved".
func show(o oracle.Oracle, n int, files map[string]string) {
	disk := faultfs.New()
	for path, text := range files {
		if err := afero.WriteFile(disk, path, []byte(text), 0o666); err != nil {
			panic(err)
		}
	}
	violations := o.Judge(disk, times(n))
	for _, v := range violations {
		fmt.Println(v)
	}
	if len(violations) == 0 {
		fmt.Println("kept")
	}
}

func ExampleOldOrNew() {
	o := oracle.OldOrNew{
		Path:     "/config",
		Versions: []oracle.Content{oracle.Absent, oracle.Data("port=80"), oracle.Data("port=8080")},
		Mark:     "saved",
	}
	show(o, 1, map[string]string{"/config": "port=8080"})
	show(o, 1, map[string]string{})
	show(o, 2, map[string]string{"/config": "port=80"})
	show(o, 2, map[string]string{"/config": "port=\x00\x00\x00\x00"})
	// Output:
	// kept
	// lost /config: is missing, though the mark "saved" acknowledged version 1
	// stale /config: holds version 1, though the mark "saved" acknowledged version 2
	// torn /config: holds no whole version; it has 9 bytes: offsets 0 to 4 are as in version 2, offsets 5 to 8 are NUL
}

func ExampleAllOrNothing() {
	o := oracle.AllOrNothing{
		Paths: []string{"/alice", "/bob"},
		Generations: [][]oracle.Content{
			{oracle.Data("100"), oracle.Data("000")},
			{oracle.Data("070"), oracle.Data("030")},
		},
		Mark: "saved",
	}
	show(o, 0, map[string]string{"/alice": "100", "/bob": "000"})
	show(o, 0, map[string]string{"/alice": "070", "/bob": "000"})
	show(o, 1, map[string]string{"/alice": "100", "/bob": "000"})
	// Output:
	// kept
	// torn /bob: a mixture of generations: /alice is of generation 1, /bob is of generation 0
	// stale /alice: all files are of generation 0, though the mark "saved" acknowledged generation 1
}

func ExampleLog() {
	var errShort = errors.New("incomplete record at the end")
	read := func(disk afero.Fs) ([]string, error) {
		data, err := afero.ReadFile(disk, "/log")
		if err != nil {
			return nil, err
		}
		lines := strings.Split(string(data), "\n")
		if last := len(lines) - 1; lines[last] != "" {
			return lines[:last], errShort
		}
		return lines[:len(lines)-1], nil
	}
	o := oracle.Log{
		Path:     "/log",
		Read:     read,
		Appended: []string{"one", "two", "three"},
		Mark:     "saved",
		TornTail: errShort,
		Frames:   []string{"one\n", "two\n", "three\n"},
	}
	show(o, 2, map[string]string{"/log": "one\ntwo\nthr"})
	show(o, 3, map[string]string{"/log": "one\ntwo\nthr"})
	show(o, 1, map[string]string{"/log": "one\n\x00\x00\x00\nthree\n"})
	// Output:
	// kept
	// lost /log: the reader returned 2 of 3 acknowledged records; the reader took the rest for a torn tail; the file ends at offset 11, before the end of record 3
	// torn /log: record 2 is "\x00\x00\x00" where "two" was appended: they differ from offset 0 on
}

func ExamplePrefix() {
	type kv map[string]string
	type set struct{ key, value string }
	put := func(m kv, op set) kv {
		next := maps.Clone(m)
		next[op.key] = op.value
		return next
	}
	o := oracle.Prefix[kv]{
		Path: "/db",
		Read: func(disk afero.Fs) (kv, error) {
			data, err := afero.ReadFile(disk, "/db")
			if errors.Is(err, fs.ErrNotExist) {
				return kv{}, nil
			}
			m := kv{}
			for _, field := range strings.Fields(string(data)) {
				key, value, _ := strings.Cut(field, "=")
				m[key] = value
			}
			return m, err
		},
		States: oracle.StatesOf(kv{}, put, set{"a", "1"}, set{"b", "2"}, set{"a", "3"}),
		Equal:  maps.Equal[kv, kv],
		Mark:   "saved",
	}
	show(o, 1, map[string]string{"/db": "b=2 a=1"})
	show(o, 2, map[string]string{"/db": "a=1"})
	show(o, 2, map[string]string{"/db": "a=3"})
	// Output:
	// kept
	// stale /db: holds state 1, though operation 2 was acknowledged
	// torn /db: holds none of the states 0 to 3 (acknowledged: 2)
}

func ExampleNoLitter() {
	o := oracle.NoLitter{Match: []string{"/*"}, Except: []string{"/config"}}
	show(o, 0, map[string]string{"/config": ""})
	show(o, 0, map[string]string{"/config": "", "/config.tmp1": "", "/config.tmp2": ""})
	// Output:
	// kept
	// litter /config.tmp1: was left behind: it matches /*
	// litter /config.tmp2: was left behind: it matches /*
}

func ExampleAll() {
	o := oracle.All(
		oracle.Exists("/config"),
		oracle.When("saved", oracle.Gone("/config.old")),
		oracle.NoLitter{Match: []string{"/config.tmp"}},
	)
	show(o, 0, map[string]string{"/config": "", "/config.old": ""})
	show(o, 1, map[string]string{"/config.old": "", "/config.tmp": ""})
	// Output:
	// kept
	// lost /config: is missing
	// stale /config.old: exists, although it was removed
	// litter /config.tmp: was left behind: it matches /config.tmp
}

func ExampleAccepted() {
	o := oracle.Accepted("/db", func(disk afero.Fs) error {
		data, err := afero.ReadFile(disk, "/db")
		if err == nil && !strings.HasPrefix(string(data), "DB1") {
			err = errors.New("no magic number")
		}
		return err
	})
	show(o, 0, map[string]string{"/db": "DB1..."})
	show(o, 0, map[string]string{"/db": ""})
	// Output:
	// kept
	// refused /db: the program's own check failed: no magic number
}

// An oracle of one's own reads the disk and says what is wrong with it. An error that
// says nothing of the program, such as a service that cannot be asked, is no verdict.
func ExampleFunc() {
	balance := oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
		text, err := oracle.ReadFile(disk, "/balance")
		switch {
		case errors.Is(err, fs.ErrNotExist) && !marks.Has("saved"):
			return nil
		case errors.Is(err, fs.ErrPermission):
			return oracle.NoVerdict(err)
		case err != nil:
			return []oracle.Violation{{Kind: oracle.Lost, Path: "/balance", Detail: "is missing"}}
		case len(text) == 0:
			return []oracle.Violation{{Kind: oracle.Torn, Path: "/balance", Detail: "is empty"}}
		}
		return nil
	})
	show(balance, 0, nil)
	show(balance, 1, nil)
	show(balance, 0, map[string]string{"/balance": ""})
	// Output:
	// kept
	// lost /balance: is missing
	// torn /balance: is empty
}

// Where durable data can rot, a program has to notice it: to lose data is one failure, to
// take damaged data for good is another.
func ExampleDetects() {
	promise := oracle.Detects(oracle.OldOrNew{Path: "/config", Versions: []oracle.Content{oracle.Data("port=80")}})
	show(promise, 0, nil)
	show(promise, 0, map[string]string{"/config": "port=81"})
	// Output:
	// lost /config: is missing, but it exists in every version
	// alien /config: holds 7 bytes, which are no version of the file: none has the byte 0x31 at offset 6
}

func ExampleParseKind() {
	kind, err := oracle.ParseKind("stale")
	fmt.Println(kind, err)
	_, err = oracle.ParseKind("old")
	fmt.Println(err)
	// Output:
	// stale <nil>
	// unknown kind "old", want one of lost, torn, stale, alien, refused, hung, litter
}

// A recovery that cannot do its work for a reason that is not the program's says so, and
// the run ends with this error and without a verdict.
func ExampleUnjudged() {
	err := oracle.Unjudged(errors.New("the database server of the test does not answer"))
	fmt.Println(errors.Is(err, oracle.ErrNoVerdict), err)
	// Output:
	// true no verdict: the database server of the test does not answer
}

// A recovery that the system killed returns an error that wraps ErrDoubtful: the case is
// judged again, and is no finding unless it is wrong once more.
func ExampleErrDoubtful() {
	recovery := func(killed bool) error {
		if killed {
			return fmt.Errorf("the recovery was killed: %w", oracle.ErrDoubtful)
		}
		return nil
	}
	err := recovery(true)
	fmt.Println(err)
	fmt.Println(errors.Is(err, oracle.ErrDoubtful))
	// Output:
	// the recovery was killed: something outside of the program may be the reason
	// true
}

// What the program answers after a crash is what it answered without one: nobody types
// versions by hand. The runner shows the run to the oracle; here it is done by hand.
func ExampleSameAs() {
	o := oracle.SameAs(func(disk afero.Fs) (string, error) {
		data, err := afero.ReadFile(disk, "/config")
		return string(data), err
	})
	fmt.Println(o.Judge(faultfs.New(), times(0)))

	run := faultfs.New()
	moments := func(yield func(int, *faultfs.FS) bool) {
		for n, text := range []string{"port=80", "port=8080"} {
			_ = afero.WriteFile(run, "/config", []byte(text), 0o666)
			if n > 0 {
				run.Mark("saved")
			}
			if !yield(n, run.Fork()) {
				return
			}
		}
	}
	for range moments { // the program runs
	}
	seen, err := o.(oracle.OfRun).OfRun(run.Trace(), moments)
	if err != nil {
		fmt.Println(err)
		return
	}
	show(seen, 1, map[string]string{"/config": "port=8080"})
	show(seen, 1, map[string]string{"/config": "port=80"})
	show(seen, 1, map[string]string{"/config": "port="})
	// Output:
	// [no verdict: the oracle has seen no run of the program: it judges as the Oracle of a scenario]
	// kept
	// stale: the program answers as it did before the first mark: port=80; without a crash, after mark 1, saved, it answers port=8080
	// torn: the program answers what it never did: port=; without a crash, after mark 1, saved, it answers port=8080
}
