// Findings is a command with small programs that use libraries which store things,
// each as their documentation shows it. The test of this package judges them, and
// programs of Debian, by the commands that FINDINGS.md shows, and writes that page.
//
// # Words
//
// A finding is a program or a library of one release, what its documentation
// promises, and the verdict on one use of it under each model. A store is a library
// in one use, such as with one choice of when to sync; it keeps values by number.
//
// # What it does not do
//
// It blames nobody: a program that promises nothing of a power cut may lose all. A
// verdict holds for one use of one version, and says nothing of others.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// kv is an open store.
type kv struct {
	put   func(i int, value []byte) error
	get   func(i int) ([]byte, error) // errMissing for a value that is not there
	tidy  func() error                // what the store does to its files now and then; may be nil
	close func() error
}

// errMissing is the error of get for a value that the store does not have.
var errMissing = errors.New("there is no such value")

// stores open a store in a directory, which they make.
var stores = map[string]func(dir string) (*kv, error){}

// last is the number of the last value that "put" puts. Value 0 is put by "init".
const last = 2

func main() {
	if len(os.Args) != 4 || stores[os.Args[1]] == nil || roles[os.Args[2]] == nil {
		fmt.Fprintln(os.Stderr, "usage: findings STORE init|put|tidy|check DIRECTORY")
		os.Exit(2)
	}
	if err := roles[os.Args[2]](stores[os.Args[1]], os.Args[3]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// open opens a store.
type open = func(dir string) (*kv, error)

var roles = map[string]func(open open, dir string) error{
	"init":  func(open open, dir string) error { return put(open, dir, 0, 0) },
	"put":   func(open open, dir string) error { return put(open, dir, 1, last) },
	"tidy":  tidy,
	"check": check,
}

// value is a value that takes two pages, so that one of them can be lost.
func value(i int) []byte { return bytes.Repeat([]byte{'a' + byte(i)}, 5000) }

// put puts values, and tells of each. It leaves without closing the store, as a
// program does whose machine loses its power; init closes it.
func put(open open, dir string, first, last int) error {
	s, err := open(dir)
	if err != nil {
		return err
	}
	for i := first; i <= last; i++ {
		if err := s.put(i, value(i)); err != nil {
			return err
		}
		fmt.Println("put", i)
	}
	if first == 0 {
		return s.close()
	}
	return nil
}

func tidy(open open, dir string) error {
	s, err := open(dir)
	if err != nil {
		return err
	}
	if err := s.tidy(); err != nil {
		return err
	}
	fmt.Println("tidied")
	return nil
}

// check opens a store as a program does that starts again, and holds it to the
// marks: value 0 is there if there is a store, each value that was acknowledged is,
// and each that is there is what was put.
func check(open open, dir string) error {
	marks, err := os.ReadFile(os.Getenv("CRASHSIM_MARKS"))
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			fmt.Println("refused: panic:", r)
			os.Exit(1)
		}
	}()
	s, err := open(dir)
	if err != nil {
		return fmt.Errorf("refused: open: %w", err)
	}
	for i := range last + 1 {
		acknowledged := i == 0 || strings.Contains(string(marks), fmt.Sprintln("put", i))
		switch got, err := s.get(i); {
		case errors.Is(err, errMissing):
			if acknowledged {
				return fmt.Errorf("lost: value %d", i)
			}
		case err != nil && acknowledged:
			return fmt.Errorf("refused: value %d: %w", i, err)
		case err != nil:
			// A value of which nobody was told may be refused.
		case !bytes.Equal(got, value(i)):
			return fmt.Errorf("torn: value %d: %.10q... of %d bytes", i, got, len(got))
		}
	}
	return nil
}
