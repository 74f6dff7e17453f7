package oracle_test

import (
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
)

// stillFs holds one file at "/f", opened once at a time, and allocates nothing.
type stillFs struct {
	afero.Fs
	file *stillFile
}

type stillFile struct {
	afero.File
	data string
	off  int
}

var errAbsent error = &fs.PathError{Op: "open", Path: "/g", Err: fs.ErrNotExist}

func (s stillFs) Open(path string) (afero.File, error) {
	if path != "/f" && path != "/" {
		return nil, errAbsent
	}
	s.file.off = 0
	return s.file, nil
}

var stillNames = []string{"f"}

func (f *stillFile) Close() error                       { return nil }
func (f *stillFile) Readdirnames(int) ([]string, error) { return stillNames, nil }

func (f *stillFile) Read(p []byte) (int, error) {
	if f.off == len(f.data) {
		return 0, io.EOF
	}
	n := copy(p, f.data[f.off:])
	f.off += n
	return n, nil
}

// kept are oracles that a disk keeps on which "/f" holds 4 KiB.
func kept() (map[string]oracle.Oracle, string) {
	page, older := strings.Repeat("n", 4096), strings.Repeat("o", 4096)
	records := []string{"one", "two"}
	file := oracle.OldOrNew{Path: "/f", Versions: texts("-", older, page, "next"), Mark: "saved"}
	return map[string]oracle.Oracle{
		"OldOrNew": file,
		"AllOrNothing": oracle.AllOrNothing{
			Paths:       []string{"/f", "/g"},
			Generations: [][]oracle.Content{texts("-", older), texts(page, "-"), texts(older, page)},
			Mark:        "saved",
		},
		"Log": oracle.Log{
			Read:     func(afero.Fs) ([]string, error) { return records[:1], nil },
			Appended: records, Mark: "saved",
		},
		"Prefix": oracle.Prefix[int]{
			Read:   func(afero.Fs) (int, error) { return sums[1], nil },
			States: sums, Mark: "saved",
			Equal: func(a, b int) bool { return a == b },
		},
		"NoLitter": oracle.NoLitter{Match: []string{"/*"}, Except: []string{"/f"}},
		"All":      oracle.All(file, oracle.When("saved", oracle.Exists("/f")), oracle.Gone("/g")),
	}, page
}

func TestAKeptPromiseAllocatesNothing(t *testing.T) {
	if poolForgets {
		t.Skip("the race detector makes pools allocate")
	}
	oracles, page := kept()
	var made oracle.Marks = times(1)
	var disk afero.Fs = stillFs{file: &stillFile{data: page}}
	for name, o := range oracles {
		require.Empty(t, o.Judge(disk, made), name)
		require.Zero(t, testing.AllocsPerRun(200, func() { o.Judge(disk, made) }), name)
	}
}

func BenchmarkJudge(b *testing.B) {
	oracles, page := kept()
	var made oracle.Marks = times(1)
	var still afero.Fs = stillFs{file: &stillFile{data: page}}
	for _, name := range []string{"OldOrNew", "AllOrNothing", "Log", "Prefix", "NoLitter", "All"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				oracles[name].Judge(still, made)
			}
		})
	}
	b.Run("OldOrNew-on-faultfs", func(b *testing.B) {
		recorded := tree{"/f": page}.disk(b).(*faultfs.FS)
		disk := faultfs.Unrecorded(recorded.Trace().Base())
		require.NoError(b, afero.WriteFile(disk, "/f", []byte(page), 0o666))
		b.ReportAllocs()
		for b.Loop() {
			oracles["OldOrNew"].Judge(disk, made)
		}
	})
}
