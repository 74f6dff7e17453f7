package runner

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner/internal/search"
)

var pages = sync.Pool{New: func() any { return new([4096]byte) }}

// smallFile overwrites one file of ten again and again without a sync; its
// checker opens and reads that file, and asks for the marks.
func smallFile(overwrites int) Scenario {
	return Scenario{
		Name: "small-file",
		Setup: func(fs *faultfs.FS) error {
			for i := range 10 {
				if err := afero.WriteFile(fs, fmt.Sprintf("/f%d", i), make([]byte, 4096), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Workload: func(fs *faultfs.FS) error {
			f, err := fs.OpenFile("/f3", os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			var page [4096]byte
			for i := range overwrites {
				binary.LittleEndian.PutUint64(page[:], uint64(i+1))
				if _, err := f.WriteAt(page[:], 0); err != nil {
					return err
				}
				fs.Mark("written")
			}
			return f.Close()
		},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			f, err := disk.Open("/f3")
			if err != nil {
				return []oracle.Violation{{Kind: oracle.Lost, Path: "/f3"}}
			}
			page := pages.Get().(*[4096]byte)
			defer pages.Put(page)
			n, err := f.Read(page[:])
			if n != 4096 || err != nil || f.Close() != nil {
				return []oracle.Violation{{Kind: oracle.Torn, Path: "/f3"}}
			}
			if binary.LittleEndian.Uint64(page[:]) > uint64(marks.Count("written")+1) {
				return []oracle.Violation{{Kind: oracle.Alien, Path: "/f3"}}
			}
			return nil
		}),
	}
}

// explorePlan explores a plan as judgeModel does and returns what it did, with
// the time spent in checkers if asked.
func explorePlan(b testing.TB, s *Scenario, plan *persist.Plan, o Options, measure bool) (search.Stats, time.Duration) {
	p := newPool(s, plan, &o)
	p.measure = measure
	defer p.close()
	found := search.New(plan, search.Options[*judgement]{Run: p.runAll, Workers: o.Workers, Budget: o.budget(), Visit: func(c *cube) bool {
		if c.Outcome != nil {
			b.Fatalf("%v", c.Outcome.violations)
		}
		return true
	}})
	found.Explore(context.Background())
	return found.Stats(), time.Duration(p.inside.Load())
}

// BenchmarkSmallFile reports how many runs a second one core makes of a
// checker that opens and reads one small file.
func BenchmarkSmallFile(b *testing.B) {
	s := smallFile(300)
	trace, err := s.Record()
	if err != nil {
		b.Fatal(err)
	}
	plan := persist.Lower(trace, model.Default())
	runs := 0
	b.ReportAllocs()
	for b.Loop() {
		stats, _ := explorePlan(b, &s, plan, Options{Workers: 1}, false)
		runs += stats.Runs
	}
	b.ReportMetric(float64(runs)/b.Elapsed().Seconds(), "runs/s")
	b.ReportMetric(float64(runs)/float64(b.N), "runs/op")
	total := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(100*(1-bareSeconds(b, &s, plan, runs/b.N)/total), "%over-bare")
	b.ReportMetric(100*outsideShare(b, &s, plan), "%runner")
}

// outsideShare measures which part of an exploration is spent outside the
// checker: the runner's own share. The time inside is measured apart from the
// total, less what an empty measurement shows.
func outsideShare(b *testing.B, s *Scenario, plan *persist.Plan) float64 {
	var total, inside, clock time.Duration
	for range 20 {
		start := time.Now()
		stats, _ := explorePlan(b, s, plan, Options{Workers: 1}, false)
		total += time.Since(start)
		_, in := explorePlan(b, s, plan, Options{Workers: 1}, true)
		inside += in
		for range stats.Runs {
			clock += time.Since(time.Now())
		}
	}
	return 1 - float64(inside-clock)/float64(total)
}

// bareSeconds measures so many runs of the checker on a disk on which all is
// decided already: what is left of the time if exploring cost nothing.
func bareSeconds(b *testing.B, s *Scenario, plan *persist.Plan, runs int) float64 {
	disk := plan.NewDisk()
	fs := faultfs.Unrecorded(disk)
	disk.Begin(plan.Points()-1, persist.Subset{})
	marks := disk.Marks()
	start := time.Now()
	for range runs {
		if j := s.judge(fs, marks); j != nil {
			b.Fatal(j.violations)
		}
	}
	return time.Since(start).Seconds()
}

// syncedLog appends checksummed records, each synced and then acknowledged.
// Its checker reads the whole log and judges it as oracle.Log does.
func syncedLog(records int) Scenario {
	appended := make([]string, records)
	for i := range appended {
		appended[i] = fmt.Sprintf("record %017d", i)
	}
	return loggedAndSynced("synced-log", appended)
}

// loggedAndSynced is a program that appends these records in the way of syncedLog.
func loggedAndSynced(name string, appended []string) Scenario {
	return Scenario{
		Name: name,
		Setup: func(fs *faultfs.FS) error {
			return afero.WriteFile(fs, "/log", nil, 0o644)
		},
		Workload: func(fs *faultfs.FS) error {
			f, err := fs.OpenFile("/log", os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			for _, r := range appended {
				if _, err := f.Write(frame(r)); err != nil {
					return err
				}
				if err := f.Sync(); err != nil {
					return err
				}
				fs.Mark("appended")
			}
			return f.Close()
		},
		Oracle: oracle.Log{Path: "/log", Read: readLog, Appended: appended, Mark: "appended", TornTail: errTorn},
	}
}

var errTorn = errors.New("the log ends in an incomplete record")

// frame puts a checksum and a length before a record.
func frame(record string) []byte {
	f := make([]byte, 8, 8+len(record))
	binary.LittleEndian.PutUint32(f, crc32.ChecksumIEEE([]byte(record)))
	binary.LittleEndian.PutUint32(f[4:], uint32(len(record)))
	return append(f, record...)
}

// readLog returns the records up to the first that is not whole.
func readLog(disk afero.Fs) ([]string, error) {
	data, err := afero.ReadFile(disk, "/log")
	if err != nil {
		return nil, err
	}
	var records []string
	for len(data) > 0 {
		if len(data) < 8 {
			return records, errTorn
		}
		sum, n := binary.LittleEndian.Uint32(data), int(binary.LittleEndian.Uint32(data[4:]))
		if n > len(data)-8 || crc32.ChecksumIEEE(data[8:8+n]) != sum || n == 0 {
			return records, errTorn
		}
		records = append(records, string(data[8:8+n]))
		data = data[8+n:]
	}
	return records, nil
}

// BenchmarkSyncedLog reports, for logs of growing length, the time of the
// whole exploration divided by the time inside the checker, and the memory it
// holds for each op of the trace.
func BenchmarkSyncedLog(b *testing.B) {
	for _, n := range []int{100, 1000, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := syncedLog(n)
			trace, err := s.Record()
			if err != nil {
				b.Fatal(err)
			}
			var inside, total time.Duration
			runs := 0
			for b.Loop() {
				start := time.Now()
				plan := persist.Lower(trace, model.Default())
				stats, in := explorePlan(b, &s, plan, Options{Workers: 1}, true)
				total += time.Since(start)
				inside += in
				runs += stats.Runs
			}
			b.ReportMetric(float64(total)/float64(inside), "total/checker")
			b.ReportMetric(float64(runs)/float64(b.N), "runs/op")
			b.ReportMetric(heldBytes(b, &s, trace)/float64(len(trace.Ops)), "B/trace-op")
		})
	}
}

// heldBytes measures the memory that an exploration holds at its end, besides
// the trace.
func heldBytes(b *testing.B, s *Scenario, trace *faultfs.Trace) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	plan := persist.Lower(trace, model.Default())
	p := newPool(s, plan, &Options{Workers: 1})
	defer p.close()
	e := search.New(plan, search.Options[*judgement]{Run: p.runAll, Visit: func(*cube) bool { return true }})
	e.Explore(context.Background())
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(e)
	runtime.KeepAlive(plan)
	return float64(after.HeapAlloc) - float64(before.HeapAlloc)
}
