package scenarios

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// A store in the manner of LMDB and bbolt: pages 0 and 1 are meta pages, used
// in turn; a transaction writes the new state to a page that does not count any
// more, then the meta page that says that it counts.
const (
	store    = "/db/store"
	pageSize = 4096
)

// meta is what a meta page says: the transaction, and where its state is.
type meta struct{ tx, root int64 }

func (m meta) encode() []byte {
	page := binary.BigEndian.AppendUint64(nil, uint64(m.tx))
	page = binary.BigEndian.AppendUint64(page, uint64(m.root))
	return append(page, checksum(page)...)
}

// decodeMeta returns false for a page that was never a meta page, or is torn.
func decodeMeta(page []byte) (meta, bool) {
	m := meta{int64(binary.BigEndian.Uint64(page)), int64(binary.BigEndian.Uint64(page[8:]))}
	return m, string(page[:len(m.encode())]) == string(m.encode())
}

// newestMeta returns the meta page that counts.
func newestMeta(f afero.File) (meta, error) {
	newest, found := meta{}, false
	page := make([]byte, pageSize)
	for at := range int64(2) {
		if _, err := f.ReadAt(page, at*pageSize); err != nil {
			return meta{}, err
		}
		if m, ok := decodeMeta(page); ok && (!found || m.tx > newest.tx) {
			newest, found = m, true
		}
	}
	if !found {
		return meta{}, errors.New("no valid meta page")
	}
	return newest, nil
}

// kv is the state of the store.
type kv map[string]string

func (s kv) encode() []byte {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s=%s\n", key, s[key])
	}
	return append([]byte(b.String()), make([]byte, pageSize-b.Len())...)
}

func decodeState(page []byte) kv {
	s := kv{}
	for line := range strings.Lines(strings.TrimRight(string(page), "\x00")) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		s[key] = value
	}
	return s
}

// set is a transaction.
type set struct{ key, value string }

func (s kv) with(op set) kv {
	next := maps.Clone(s)
	next[op.key] = op.value
	return next
}

// commit is one transaction. Between the two writes it calls barrier.
func commit(disk afero.Fs, op set, barrier func(afero.File) error) error {
	f, err := disk.OpenFile(store, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // all that matters is synced by then
	old, err := newestMeta(f)
	if err != nil {
		return err
	}
	page := make([]byte, pageSize)
	if _, err := f.ReadAt(page, old.root*pageSize); err != nil {
		return err
	}
	next := meta{tx: old.tx + 1, root: 2 + (old.tx+1)%2}
	if _, err := f.WriteAt(decodeState(page).with(op).encode(), next.root*pageSize); err != nil {
		return err
	}
	if err := barrier(f); err != nil {
		return err
	}
	if _, err := f.WriteAt(next.encode(), next.tx%2*pageSize); err != nil {
		return err
	}
	return f.Sync()
}

func readStore(disk afero.Fs) (kv, error) {
	f, err := disk.Open(store)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	m, err := newestMeta(f)
	if err != nil {
		return nil, err
	}
	page := make([]byte, pageSize)
	if _, err := f.ReadAt(page, m.root*pageSize); err != nil {
		return nil, err
	}
	return decodeState(page), nil
}

const committedMark = "committed"

func metaPages() []runner.Scenario {
	initial := kv{"ann": "100", "bob": "100"}
	ops := []set{{"ann", "70"}, {"bob", "130"}, {"ann", "60"}, {"cid", "10"}}
	base := runner.Scenario{
		Setup: func(fs *faultfs.FS) error {
			image := make([]byte, 4*pageSize)
			copy(image, meta{tx: 0, root: 2}.encode())
			copy(image[2*pageSize:], initial.encode())
			return withFile(store, string(image))(fs)
		},
		Oracle: oracle.Prefix[kv]{
			Path: store, Read: readStore, States: oracle.StatesOf(initial, kv.with, ops...),
			Equal: maps.Equal[kv, kv], Mark: committedMark,
		},
	}
	committing := func(barrier func(afero.File) error) func(*faultfs.FS) error {
		return func(fs *faultfs.FS) error {
			for _, op := range ops {
				if err := commit(fs, op, barrier); err != nil {
					return err
				}
				fs.Mark(committedMark)
			}
			return nil
		}
	}
	broken, fixed := base, base
	broken.Name = "double-meta-page"
	broken.Lesson = "two meta pages are worth nothing if one may be on the disk before the page that it points to"
	broken.Workload = committing(neverSync)
	broken.Declared = verdicts{"kill strict": keeps, "ext4 xfs btrfs posix": breaks(stale, torn)}.each()

	fixed.Name = broken.Name + "-fixed"
	fixed.Lesson = "two syncs for a transaction: the new page before the meta page, the meta page before the answer"
	fixed.Workload = committing(afero.File.Sync)
	fixed.Declared = keptEverywhere()
	return []runner.Scenario{broken, fixed}
}
