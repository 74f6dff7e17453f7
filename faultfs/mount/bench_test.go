//go:build linux

package mount_test

import (
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/mount"
)

// memory is the least file system that a recording one can be held against: one
// file in memory, served with the same options, that keeps no trace.
type memory struct {
	fuse.RawFileSystem
	mu    sync.Mutex
	size  int64
	pages map[int64]*[4096]byte
}

func (m *memory) attr(node uint64) fuse.Attr {
	if node == fuse.FUSE_ROOT_ID {
		return fuse.Attr{Ino: 1, Mode: fuse.S_IFDIR | 0o755, Nlink: 1}
	}
	return fuse.Attr{Ino: 2, Mode: fuse.S_IFREG | 0o644, Nlink: 1, Size: uint64(m.size)}
}

func (m *memory) Lookup(_ <-chan struct{}, _ *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name != "f" {
		return fuse.ENOENT
	}
	out.NodeId, out.Generation, out.Attr = 2, 1, m.attr(2)
	return fuse.OK
}

func (m *memory) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	out.Attr = m.attr(in.NodeId)
	return fuse.OK
}

func (m *memory) Open(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	return fuse.OK
}

func (m *memory) Writev(_ <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	off := int64(in.Offset)
	for _, part := range data {
		for len(part) > 0 {
			page := m.pages[off/4096]
			if page == nil {
				page = new([4096]byte)
				m.pages[off/4096] = page
			}
			k := copy(page[off%4096:], part)
			part, off = part[k:], off+int64(k)
		}
	}
	m.size = max(m.size, off)
	return uint32(off - int64(in.Offset)), fuse.OK
}

func (m *memory) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }
func (m *memory) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

// mountMemory mounts a memory at a directory.
func mountMemory(dir string) (*memoryMount, error) {
	m := &memory{RawFileSystem: fuse.NewDefaultRawFileSystem(), pages: map[int64]*[4096]byte{}}
	server, err := fuse.NewServer(m, dir, &fuse.MountOptions{
		Name: "memory", MaxWrite: 1 << 20, DirectMountStrict: true, DisableReadDirPlus: true, DisableXAttrs: true,
		ExplicitDataCacheControl: true, ExtraCapabilities: fuse.CAP_DIRECT_IO_ALLOW_MMAP | fuse.CAP_ATOMIC_O_TRUNC,
		DisabledCapabilities: fuse.CAP_WRITEBACK_CACHE | fuse.CAP_PASSTHROUGH, Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		return nil, err
	}
	go server.Serve()
	return &memoryMount{server}, nil
}

// memoryMount is a memory that is mounted.
type memoryMount struct{ server *fuse.Server }

// Close ends the mount.
func (m *memoryMount) Close() error { return m.server.Unmount() }

// benchmarkWrites writes 4 KiB at a time to a file of both file systems, in
// turns so that both meet the same machine, and reports how fast the mount is
// where the memory is 1. The writes go round in so many blocks.
func benchmarkWrites(b *testing.B, blocks int64, then func(*os.File) error, o mount.Options) {
	recorded := serve(b, &served{t: b, disk: "file"}, o)
	plain := serve(b, &served{t: b, disk: "memory"}, mount.Options{})
	var files [2]*os.File
	for i, dir := range []string{recorded, plain} {
		f, err := os.OpenFile(filepath.Join(dir, "f"), os.O_WRONLY, 0)
		require.NoError(b, err)
		defer f.Close()
		files[i] = f
	}
	const turn = 50
	data := make([]byte, 4096)
	var spent [2]time.Duration
	done := int64(0)
	for b.Loop() {
		for i, f := range files {
			began := time.Now()
			for n := range int64(turn) {
				_, err := f.WriteAt(data, (done+n)%blocks*4096)
				if err := errors.Join(err, then(f)); err != nil {
					b.Fatal(err)
				}
			}
			spent[i] += time.Since(began)
		}
		done += turn
	}
	b.ReportMetric(float64(spent[0].Nanoseconds())/float64(done), "ns/write")
	b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "ratio")
}

func nothing(*os.File) error { return nil }

// BenchmarkWrite lets a log grow: both file systems need room for it.
func BenchmarkWrite(b *testing.B) { benchmarkWrites(b, 1<<40, nothing, mount.Options{}) }

// BenchmarkWriteWithSites is BenchmarkWrite that finds out from where each write is called.
func BenchmarkWriteWithSites(b *testing.B) {
	benchmarkWrites(b, 1<<40, nothing, mount.Options{Sites: true})
}

// BenchmarkWriteFsync is BenchmarkWrite with an fsync behind each write.
func BenchmarkWriteFsync(b *testing.B) { benchmarkWrites(b, 1<<40, (*os.File).Sync, mount.Options{}) }

// BenchmarkOverwrite writes to the same megabyte again and again: only a file
// system that records needs room for it.
func BenchmarkOverwrite(b *testing.B) { benchmarkWrites(b, 256, nothing, mount.Options{}) }
