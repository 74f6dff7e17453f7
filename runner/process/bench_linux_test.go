package process_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/inprocess"
)

// BenchmarkOpenAndReadThroughPackageOS is of a check that opens and reads one small file by
// package os, on a disk in memory, beside the same by afero, in turns: the ratio says how much
// slower package os is in one run. It runs under "crashsim test".
func BenchmarkOpenAndReadThroughPackageOS(b *testing.B) {
	if !inprocess.Available() {
		b.Skip("files of package os are not in memory here: run it by crashsim test")
	}
	source := faultfs.New()
	require.NoError(b, afero.WriteFile(source, "/small", []byte("hello"), 0o644))
	disk := faultfs.Unrecorded(source.Checkpoint().Trace().Base())
	dir, err := inprocess.Open(disk)
	require.NoError(b, err)
	defer dir.Close()
	name := filepath.Join(dir.Path(), "small")
	const turn = 1000
	timed := func(read func() ([]byte, error)) time.Duration {
		start := time.Now()
		for range turn {
			disk.Reset()
			if text, err := read(); err != nil || len(text) != 5 {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
	var byOS, byAfero time.Duration
	turns := 0
	for b.Loop() {
		byOS += timed(func() ([]byte, error) {
			defer dir.Exit()
			return os.ReadFile(name)
		})
		byAfero += timed(func() ([]byte, error) { return afero.ReadFile(disk, "/small") })
		turns++
	}
	checks := float64(turns * turn)
	b.ReportMetric(checks/byOS.Seconds(), "checks/s")
	b.ReportMetric(checks/byAfero.Seconds(), "afero-checks/s")
	b.ReportMetric(byOS.Seconds()/byAfero.Seconds(), "times-afero")
}
