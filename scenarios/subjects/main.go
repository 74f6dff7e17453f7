// Subjects is a command with small programs that use libraries which promise to
// keep files, each as their documentation shows it, and the test of this
// package judges them, and other programs of the machine, through a mounted file
// system.
//
// # Words
//
// A subject is a program with a promise and a verdict for each model. Who made
// the program made the promise, in its documentation: where that speaks of files
// that are never seen half written and is silent about power, the subject does
// not tell the world that it has finished, so that old contents are no failure.
// A subject whose name ends in "-acknowledged" does, and holds the program to
// more than it says.
//
// # What it does not do
//
// A verdict holds for one use of the program, of one version, on one disk; it is
// evidence about that use. Where a budget ends a search, the verdict says so.
// What a program leaves alone, such as the cache of a disk, is not judged.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/natefinch/atomic"
	bolt "go.etcd.io/bbolt"
)

// programs are the programs by name. Each gets one file.
var programs = map[string]func(file string) error{
	"natefinch-atomic": func(file string) error { return atomic.WriteFile(file, bytes.NewReader(newContent)) },
	"renameio":         func(file string) error { return renameio.WriteFile(file, newContent, 0o644) },
	"bbolt-commit":     boltCommit,
	"bbolt-init":       boltInit,
	"bbolt-check":      boltCheck,
}

// newContent takes two pages, so that one of them can be lost.
var newContent = bytes.Repeat([]byte("new\n"), 1500)

func main() {
	if len(os.Args) != 3 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: subjects PROGRAM FILE")
		os.Exit(2)
	}
	if err := programs[os.Args[1]](os.Args[2]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

const boltKeys = 3 // how many boltCommit puts

var bucket = []byte("bucket")

// boltInit makes a database with an empty bucket, and says so.
func boltInit(file string) error {
	db, err := bolt.Open(file, 0o600, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	if err == nil {
		fmt.Println("made")
	}
	return err
}

// boltCommit puts keys, each in a transaction of its own, and says so.
func boltCommit(file string) error {
	db, err := bolt.Open(file, 0o600, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	for i := range boltKeys {
		err := db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket(bucket).Put(boltKey(i), boltValue(i))
		})
		if err != nil {
			return err
		}
		fmt.Println("put", i)
	}
	return nil
}

// boltCheck opens a database as a program does that starts again, and holds it
// to the marks: a line each for a key that must be there.
func boltCheck(file string) error {
	marks, err := os.ReadFile(os.Getenv("CRASHSIM_MARKS"))
	if err != nil {
		return err
	}
	acknowledged := strings.Count(string(marks), "\n")
	if _, err := os.Stat(file); os.IsNotExist(err) && acknowledged > 0 {
		return fmt.Errorf("lost: %s is missing", file)
	}
	db, err := bolt.Open(file, 0o600, nil)
	if err != nil {
		return fmt.Errorf("refused: open: %w", err)
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			return fmt.Errorf("torn: check: %w", err)
		}
		b := tx.Bucket(bucket)
		if b == nil && acknowledged > 0 {
			return errors.New("lost: there is no bucket")
		}
		if b == nil {
			return nil
		}
		return boltKeysHeld(b, strings.Count(string(marks), "put "))
	})
}

// boltKeysHeld sees that the keys are the first of those that boltCommit puts,
// and that none is missing of so many.
func boltKeysHeld(b *bolt.Bucket, acknowledged int) error {
	found := 0
	err := b.ForEach(func(key, value []byte) error {
		if !bytes.Equal(key, boltKey(found)) || !bytes.Equal(value, boltValue(found)) {
			return fmt.Errorf("torn: key %q holds what nobody put", key)
		}
		found++
		return nil
	})
	if err == nil && found < acknowledged {
		return fmt.Errorf("lost: %d keys of %d acknowledged", found, acknowledged)
	}
	return err
}

func boltKey(i int) []byte { return fmt.Appendf(nil, "key %d", i) }

func boltValue(i int) []byte { return bytes.Repeat([]byte{'0' + byte(i)}, 2000) }
