package faultfs_test

import (
	"os"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
)

// BenchmarkRecordWrite records writes of 4 KiB, over and over the same 4 MiB.
func BenchmarkRecordWrite(b *testing.B) {
	p := make([]byte, 4096)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	var h afero.File
	for i := 0; b.Loop(); i++ {
		if i%100000 == 0 { // a trace is held in memory
			h = open(b, faultfs.New(), "/f", os.O_RDWR|os.O_CREATE)
		}
		if _, err := h.WriteAt(p, int64(i%1024)*4096); err != nil {
			b.Fatal(err)
		}
	}
}

// smallDisk returns a base with ten files of 4 KiB.
func smallDisk(t testing.TB) faultfs.Base {
	f := faultfs.New()
	require.NoError(t, f.Mkdir("/d", 0o777))
	for _, name := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		require.NoError(t, afero.WriteFile(f, "/d/"+name, make([]byte, 4096), 0o666))
	}
	return f.Checkpoint().Trace().Base()
}

func readOne(f *faultfs.FS, p []byte) error {
	h, err := f.Open("/d/7")
	if err != nil {
		return err
	}
	if _, err := h.Read(p); err != nil {
		return err
	}
	return h.Close()
}

// BenchmarkReadFile opens, reads and closes a small file.
func BenchmarkReadFile(b *testing.B) {
	f, p := faultfs.Unrecorded(smallDisk(b)), make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		f.Reset()
		if err := readOne(f, p); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReadPathAllocatesTheHandleOnly(t *testing.T) {
	f, p := faultfs.Unrecorded(smallDisk(t)), make([]byte, 4096)
	allocs := testing.AllocsPerRun(100, func() {
		f.Reset()
		if err := readOne(f, p); err != nil {
			t.Fatal(err)
		}
	})
	require.LessOrEqual(t, allocs, 1.0)
}

// BenchmarkText writes and parses a trace of 4 KiB writes.
func BenchmarkText(b *testing.B) {
	f := faultfs.New()
	h := open(b, f, "/f", os.O_RDWR|os.O_CREATE)
	p := make([]byte, 4096)
	for i := range 100 {
		for k := range p {
			p[k] = byte(i*k>>3) | 1
		}
		if _, err := h.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	trace := f.Trace()
	b.SetBytes(int64(len(trace.Text())))
	for b.Loop() {
		if _, err := faultfs.ParseTrace("f", trace.Text()); err != nil {
			b.Fatal(err)
		}
	}
}
