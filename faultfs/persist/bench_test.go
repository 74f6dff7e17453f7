package persist_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner"
)

// logOf is the trace of a log with so many synced appends.
func logOf(b *testing.B, appends int) *faultfs.Trace {
	fs := faultfs.New()
	do := func(op faultfs.Op) {
		_, err := fs.Do(op)
		require.NoError(b, err)
	}
	do(faultfs.Op{Kind: faultfs.OpCreate, Path: "/log", Mode: 0o644})
	do(faultfs.Op{Kind: faultfs.OpFsync, Path: "/"})
	record := make([]byte, 100)
	for i := range appends {
		do(faultfs.Op{Kind: faultfs.OpWrite, Path: "/log", Off: int64(i * len(record)), Data: append([]byte{byte(i)}, record[1:]...)})
		do(faultfs.Op{Kind: faultfs.OpFsync, Path: "/log"})
		do(faultfs.Op{Kind: faultfs.OpMark, Label: "appended"})
	}
	return fs.Trace()
}

// replaceOf is the trace of a file replaced by rename so many times, with a
// sync of neither file nor directory.
func replaceOf(b *testing.B, times int) *faultfs.Trace {
	fs := faultfs.New()
	for i := range times {
		for _, op := range []faultfs.Op{
			{Kind: faultfs.OpCreate, Path: "/tmp", Mode: 0o644},
			{Kind: faultfs.OpWrite, Path: "/tmp", Data: []byte(fmt.Sprint(i))},
			{Kind: faultfs.OpRename, Path: "/tmp", To: "/file"},
		} {
			_, err := fs.Do(op)
			require.NoError(b, err)
		}
	}
	return fs.Trace()
}

// BenchmarkLower reports the time for each op; it should not grow with the
// trace.
func BenchmarkLower(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		for _, name := range []string{"posix", "ext4", "btrfs", "strict"} {
			b.Run(fmt.Sprintf("appends=%d/%s", n, name), func(b *testing.B) {
				trace, m := logOf(b, n), model.MustParse(name)
				b.ReportAllocs()
				for b.Loop() {
					persist.Lower(trace, m)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(trace.Ops)), "ns/traced-op")
			})
		}
	}
}

// BenchmarkCount counts the cuts of a log, whose crash points are many and
// small, and of replacements without a sync, which are all open at the end.
func BenchmarkCount(b *testing.B) {
	traces := map[string]*faultfs.Trace{"log": logOf(b, 1000), "replace": replaceOf(b, 40)}
	for _, what := range []string{"log", "replace"} {
		b.Run(what, func(b *testing.B) {
			plan := persist.Lower(traces[what], model.Default())
			bits := 0
			for b.Loop() {
				cuts, _ := plan.Count(context.Background())
				bits = cuts.BitLen()
			}
			b.ReportMetric(float64(bits), "bits")
		})
	}
}

// BenchmarkStates reports the states listed in a second.
func BenchmarkStates(b *testing.B) {
	for _, name := range []string{"posix", "ext4", "strict"} {
		b.Run(name, func(b *testing.B) {
			trace, m := replaceOf(b, 4), model.MustParse(name)
			states := 0
			for b.Loop() {
				found, err := runner.States(context.Background(), trace, m)
				require.NoError(b, err)
				states = len(found)
			}
			b.ReportMetric(float64(states)*float64(b.N)/b.Elapsed().Seconds(), "states/s")
			b.ReportMetric(float64(states), "states")
		})
	}
}

// BenchmarkCountNewFiles counts the cuts of new files that nothing syncs, a write
// to each: the time for each should not grow with their number but for the length
// of the numbers.
func BenchmarkCountNewFiles(b *testing.B) {
	for _, n := range []int{500, 1000, 20000} {
		trace := newFilesOf(b, n)
		for _, name := range []string{"posix", "ext4", "btrfs", "strict", "posix,names=directory"} {
			b.Run(fmt.Sprintf("files=%d/%s", n, name), func(b *testing.B) {
				plan := persist.Lower(trace, model.MustParse(name))
				for b.Loop() {
					_, exact := plan.Count(context.Background())
					require.True(b, exact)
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/file")
			})
		}
	}
}

// newFilesOf is the trace of a program that makes so many files and writes to each,
// and syncs nothing.
func newFilesOf(b *testing.B, files int) *faultfs.Trace {
	fs := faultfs.New()
	do := func(op faultfs.Op) {
		_, err := fs.Do(op)
		require.NoError(b, err)
	}
	for i := range files {
		path := fmt.Sprintf("/f%d", i)
		do(faultfs.Op{Kind: faultfs.OpCreate, Path: path, Mode: 0o644})
		do(faultfs.Op{Kind: faultfs.OpWrite, Path: path, Data: []byte("new")})
	}
	return fs.Trace()
}

// syncedOf is the trace of a file of so many bytes, written 128 KiB at a time, as
// through FUSE, and synced.
func syncedOf(b *testing.B, bytes int) *faultfs.Trace {
	fs := faultfs.New()
	do := func(op faultfs.Op) {
		_, err := fs.Do(op)
		require.NoError(b, err)
	}
	const most = 128 << 10
	chunk := make([]byte, most)
	for i := range chunk {
		chunk[i] = byte(i)
	}
	do(faultfs.Op{Kind: faultfs.OpCreate, Path: "/f", Mode: 0o644})
	for off := 0; off < bytes; off += most {
		do(faultfs.Op{Kind: faultfs.OpWrite, Path: "/f", Off: int64(off), Data: chunk})
	}
	do(faultfs.Op{Kind: faultfs.OpFsync, Path: "/f"})
	do(faultfs.Op{Kind: faultfs.OpMark, Label: "saved"})
	return fs.Trace()
}

// BenchmarkLargeFile reports what a large file costs that is written and synced and
// that nothing reads: its plan, a way through all crash points, and the count.
func BenchmarkLargeFile(b *testing.B) {
	trace := syncedOf(b, 16<<20)
	for _, name := range []string{"posix", "ext4", "strict"} {
		m := model.MustParse(name)
		b.Run("lower/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				persist.Lower(trace, m)
			}
		})
		plan := persist.Lower(trace, m)
		b.Run("points/"+name, func(b *testing.B) {
			for b.Loop() {
				box := plan.NewBox()
				for point := range plan.Points() {
					box.Fresh(point, func(persist.Subset, int) {})
				}
			}
		})
		b.Run("count/"+name, func(b *testing.B) {
			for b.Loop() {
				plan.Count(context.Background())
			}
		})
	}
}

// BenchmarkManyFiles reports what each of many new files costs that nothing syncs:
// in the plan, on a way through all crash points, and where a disk begins at the last
// of them with nothing read.
func BenchmarkManyFiles(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		trace := newFilesOf(b, n)
		perFile := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/file")
		}
		for _, name := range []string{"posix", "ext4", "btrfs", "strict"} {
			plan := persist.Lower(trace, model.MustParse(name))
			b.Run(fmt.Sprintf("lower/files=%d/%s", n, name), func(b *testing.B) {
				for b.Loop() {
					persist.Lower(trace, plan.Model())
				}
				perFile(b)
			})
			b.Run(fmt.Sprintf("points/files=%d/%s", n, name), func(b *testing.B) {
				for b.Loop() {
					box := plan.NewBox()
					for point := range plan.Points() {
						box.Fresh(point, func(persist.Subset, int) {})
					}
				}
				perFile(b)
			})
			b.Run(fmt.Sprintf("begin/files=%d/%s", n, name), func(b *testing.B) {
				disk := plan.NewDisk()
				for b.Loop() {
					disk.Begin(plan.Points()-2, persist.Subset{})
					disk.Begin(plan.Points()-1, persist.Subset{})
				}
			})
		}
	}
}
