package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/joncrlsn/dque"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
	"github.com/tidwall/buntdb"
	"github.com/tidwall/wal"
)

func init() {
	stores["goleveldb"] = levelDB(false)
	stores["goleveldb-sync"] = levelDB(true)
	stores["badger"] = badgerDB(false)
	stores["badger-sync"] = badgerDB(true)
	stores["buntdb"] = buntDB(buntdb.EverySecond)
	stores["buntdb-always"] = buntDB(buntdb.Always)
	stores["tidwall-wal"] = tidwallWAL
	stores["raft-wal"] = raftWAL
	stores["raft-snapshot"] = raftSnapshot
	stores["dque"] = queue
}

// key is the key of value i.
func key(i int) []byte { return []byte{'k', '0' + byte(i)} }

// missing is err, or errMissing where err is what a library returns for that.
func missing(err, notFound error) error {
	if errors.Is(err, notFound) {
		return errMissing
	}
	return err
}

func levelDB(sync bool) open {
	return func(dir string) (*kv, error) {
		db, err := leveldb.OpenFile(dir, nil)
		if err != nil {
			return nil, err
		}
		return &kv{
			put: func(i int, value []byte) error { return db.Put(key(i), value, &opt.WriteOptions{Sync: sync}) },
			get: func(i int) ([]byte, error) {
				value, err := db.Get(key(i), nil)
				return value, missing(err, leveldb.ErrNotFound)
			},
			tidy:  func() error { return db.CompactRange(util.Range{}) },
			close: db.Close,
		}, nil
	}
}

func badgerDB(sync bool) open {
	return func(dir string) (*kv, error) {
		db, err := badger.Open(badger.DefaultOptions(dir).WithSyncWrites(sync).WithLogger(nil).
			WithMemTableSize(1 << 20).WithValueThreshold(1 << 10).WithValueLogFileSize(1 << 20))
		if err != nil {
			return nil, err
		}
		return &kv{
			put: func(i int, value []byte) error {
				return db.Update(func(tx *badger.Txn) error { return tx.Set(key(i), value) })
			},
			get: func(i int) (value []byte, err error) {
				err = db.View(func(tx *badger.Txn) error {
					item, err := tx.Get(key(i))
					if err == nil {
						value, err = item.ValueCopy(nil)
					}
					return err
				})
				return value, missing(err, badger.ErrKeyNotFound)
			},
			close: db.Close,
		}, nil
	}
}

func buntDB(policy buntdb.SyncPolicy) open {
	return func(file string) (*kv, error) {
		db, err := buntdb.Open(file)
		if err != nil {
			return nil, err
		}
		config := buntdb.Config{SyncPolicy: policy, AutoShrinkDisabled: true}
		if err := db.SetConfig(config); err != nil {
			return nil, err
		}
		return &kv{
			put: func(i int, value []byte) error {
				return db.Update(func(tx *buntdb.Tx) error {
					_, _, err := tx.Set(string(key(i)), string(value), nil)
					return err
				})
			},
			get: func(i int) (value []byte, err error) {
				err = db.View(func(tx *buntdb.Tx) error {
					text, err := tx.Get(string(key(i)))
					value = []byte(text)
					return err
				})
				return value, missing(err, buntdb.ErrNotFound)
			},
			tidy:  db.Shrink,
			close: db.Close,
		}, nil
	}
}

// tidwallWAL has segments that two values fill.
func tidwallWAL(dir string) (*kv, error) {
	log, err := wal.Open(dir, &wal.Options{SegmentSize: 6000})
	if err != nil {
		return nil, err
	}
	return &kv{
		put: func(i int, value []byte) error { return log.Write(uint64(i)+1, value) },
		get: func(i int) ([]byte, error) {
			value, err := log.Read(uint64(i) + 1)
			return value, missing(err, wal.ErrNotFound)
		},
		tidy:  func() error { return log.TruncateFront(1) },
		close: log.Close,
	}, nil
}

// raftWAL has segments that two values fill.
func raftWAL(dir string) (*kv, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := raftwal.Open(dir, raftwal.WithSegmentSize(8192))
	if err != nil {
		return nil, err
	}
	return &kv{
		put: func(i int, value []byte) error {
			return log.StoreLogs([]*raft.Log{{Index: uint64(i) + 1, Term: 1, Data: value}})
		},
		get: func(i int) ([]byte, error) {
			var entry raft.Log
			err := log.GetLog(uint64(i)+1, &entry)
			return entry.Data, missing(err, raft.ErrLogNotFound)
		},
		close: log.Close,
	}, nil
}

// raftSnapshot keeps a value as a snapshot. Its store keeps as many as there are.
func raftSnapshot(dir string) (*kv, error) {
	snapshots, err := raft.NewFileSnapshotStore(dir, last+1, io.Discard)
	if err != nil {
		return nil, err
	}
	_, transport := raft.NewInmemTransport("a")
	return &kv{
		put: func(i int, value []byte) error {
			sink, err := snapshots.Create(raft.SnapshotVersionMax, uint64(i)+1, 1, raft.Configuration{}, 1, transport)
			if err != nil {
				return err
			}
			if _, err := sink.Write(value); err != nil {
				return err
			}
			return sink.Close()
		},
		get: func(i int) ([]byte, error) {
			all, err := snapshots.List()
			if err != nil {
				return nil, err
			}
			for _, meta := range all {
				if meta.Index == uint64(i)+1 {
					_, r, err := snapshots.Open(meta.ID)
					if err != nil {
						return nil, err
					}
					defer r.Close()
					return io.ReadAll(r)
				}
			}
			return nil, errMissing
		},
		close: func() error { return nil },
	}, nil
}

// item is what the queue holds.
type item struct {
	Number int
	Value  []byte
}

// queue finds a value by taking what is in front of it.
func queue(dir string) (*kv, error) {
	q, err := dque.NewOrOpen(filepath.Base(dir), filepath.Dir(dir), 2, func() any { return &item{} })
	if err != nil {
		return nil, err
	}
	return &kv{
		put: func(i int, value []byte) error { return q.Enqueue(&item{i, value}) },
		get: func(i int) ([]byte, error) {
			front, err := q.Peek()
			if err != nil {
				return nil, missing(err, dque.ErrEmpty)
			}
			got := front.(*item)
			if got.Number != i {
				return nil, errMissing
			}
			_, err = q.Dequeue()
			return got.Value, err
		},
		close: q.Close,
	}, nil
}
