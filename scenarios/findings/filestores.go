package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/ipfs/go-datastore"
	flatfs "github.com/ipfs/go-ds-flatfs"
	"github.com/moby/sys/atomicwriter"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/peterbourgon/diskv/v3"
	"gopkg.in/natefinch/lumberjack.v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"
)

func init() {
	stores["certmagic"] = certmagicStorage
	stores["containerd"] = containerdContent
	stores["oras"] = orasStorage
	stores["flatfs"] = flatFS
	stores["diskv"] = diskvStore
	stores["atomicwriter"] = atomicWriter
	stores["lumberjack"] = lumberjackLog
}

// ctx is the context of calls that want one.
var ctx = context.Background()

func nothing() error { return nil }

func certmagicStorage(dir string) (*kv, error) {
	storage := &certmagic.FileStorage{Path: dir}
	name := func(i int) string { return fmt.Sprintf("certificates/ca/%d.key", i) }
	return &kv{
		put: func(i int, value []byte) error { return storage.Store(ctx, name(i), value) },
		get: func(i int) ([]byte, error) {
			value, err := storage.Load(ctx, name(i))
			return value, missing(err, fs.ErrNotExist)
		},
		close: nothing,
	}, nil
}

// descriptor describes value i as a blob.
func descriptor(i int) ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(value(i)), Size: int64(len(value(i))),
	}
}

func containerdContent(dir string) (*kv, error) {
	// It would warn that a mounted file system has no fs-verity.
	if err := log.SetLevel("error"); err != nil {
		return nil, err
	}
	store, err := local.NewStore(dir)
	if err != nil {
		return nil, err
	}
	return &kv{
		put: func(i int, value []byte) error {
			return content.WriteBlob(ctx, store, fmt.Sprint("ref", i), bytes.NewReader(value), descriptor(i))
		},
		get: func(i int) ([]byte, error) {
			value, err := content.ReadBlob(ctx, store, descriptor(i))
			return value, missing(err, errdefs.ErrNotFound)
		},
		close: nothing,
	}, nil
}

func orasStorage(dir string) (*kv, error) {
	store, err := oci.New(dir)
	if err != nil {
		return nil, err
	}
	return &kv{
		put: func(i int, value []byte) error { return store.Push(ctx, descriptor(i), bytes.NewReader(value)) },
		get: func(i int) ([]byte, error) {
			r, err := store.Fetch(ctx, descriptor(i))
			if err != nil {
				return nil, missing(err, errdef.ErrNotFound)
			}
			defer r.Close()
			return io.ReadAll(r)
		},
		// A name for a blob is written into index.json.
		tidy:  func() error { return store.Tag(ctx, descriptor(0), "latest") },
		close: nothing,
	}, nil
}

func flatFS(dir string) (*kv, error) {
	store, err := flatfs.CreateOrOpen(dir, flatfs.NextToLast(2), true)
	if err != nil {
		return nil, err
	}
	name := func(i int) datastore.Key { return datastore.NewKey(fmt.Sprint("VALUE", i)) }
	return &kv{
		put: func(i int, value []byte) error { return store.Put(ctx, name(i), value) },
		get: func(i int) ([]byte, error) {
			value, err := store.Get(ctx, name(i))
			return value, missing(err, datastore.ErrNotFound)
		},
		close: store.Close,
	}, nil
}

func diskvStore(dir string) (*kv, error) {
	store := diskv.New(diskv.Options{BasePath: dir, TempDir: dir + ".tmp"})
	return &kv{
		put: func(i int, value []byte) error { return store.WriteStream(fmt.Sprint(i), bytes.NewReader(value), true) },
		get: func(i int) ([]byte, error) {
			value, err := store.Read(fmt.Sprint(i))
			return value, missing(err, fs.ErrNotExist)
		},
		close: nothing,
	}, nil
}

func atomicWriter(dir string) (*kv, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	name := func(i int) string { return filepath.Join(dir, fmt.Sprint(i)) }
	return &kv{
		put: func(i int, value []byte) error { return atomicwriter.WriteFile(name(i), value, 0o644) },
		get: func(i int) ([]byte, error) {
			value, err := os.ReadFile(name(i))
			return value, missing(err, fs.ErrNotExist)
		},
		close: nothing,
	}, nil
}

// lumberjackLog keeps a value as a line of a log; tidy rotates it, and waits until
// what was rotated is compressed.
func lumberjackLog(dir string) (*kv, error) {
	logger := &lumberjack.Logger{Filename: filepath.Join(dir, "log"), Compress: true}
	return &kv{
		put: func(_ int, value []byte) error {
			_, err := logger.Write(append(value, '\n'))
			return err
		},
		get: func(i int) ([]byte, error) { return findLine(dir, value(i)) },
		tidy: func() error {
			if err := logger.Rotate(); err != nil {
				return err
			}
			for {
				names, err := filepath.Glob(filepath.Join(dir, "log*"))
				if err != nil || len(names) == 2 && strings.HasSuffix(names[1], ".gz") {
					return err
				}
				time.Sleep(time.Millisecond)
			}
		},
		close: logger.Close,
	}, nil
}

// findLine finds a line in one of the files of a directory, compressed or not.
func findLine(dir string, line []byte) ([]byte, error) {
	names, err := filepath.Glob(filepath.Join(dir, "log*"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, ".gz") {
			if data, err = gunzip(data); err != nil {
				continue // the line may stand elsewhere
			}
		}
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			if bytes.Equal(lines.Bytes(), line) {
				return line, nil
			}
		}
	}
	return nil, errMissing
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
