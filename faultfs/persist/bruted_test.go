package persist_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

// bruteKeys are the promises in the order of the table of presets, and brutePresets
// are its rows.
var (
	bruteKeys    = []string{"unit", "block", "append", "truncate", "names", "rename", "replace", "sync", "order", "cache"}
	brutePresets = map[string]string{
		"kill":   "4096 4096 all atomic journal atomic data journal all kept",
		"strict": "4096 4096 all atomic journal atomic data journal all lost",
		"ext4":   "4096 4096 none tail-ordered journal atomic size inode none lost",
		"xfs":    "4096 4096 none tail journal atomic none inode none lost",
		"btrfs":  "4096 4096 none tail none link-first none name none lost",
		"posix":  "4096 4096 none tail none link-first none none none lost",
	}
	brutePromises = map[string][]string{
		"append": {"none", "allocated", "all"}, "truncate": {"atomic", "tail-ordered", "tail"},
		"names": {"none", "directory", "journal"}, "rename": {"atomic", "link-first", "split"},
		"replace": {"none", "size", "data"}, "sync": {"none", "name", "own", "inode", "journal"},
		"order": {"none", "all"}, "cache": {"lost", "kept"},
	}
)

// bruteModels are the presets, and each single promise beside some preset, as text
// with every key, and as the text that the product reads.
func bruteModels(t *rapid.T, unit, block int64) (full, short []string) {
	add := func(preset string, other map[string]string) {
		values, parts, said := strings.Fields(brutePresets[preset]), []string(nil), []string{preset}
		other["unit"], other["block"] = fmt.Sprint(unit), fmt.Sprint(block)
		for i, key := range bruteKeys {
			if value := other[key]; value != "" {
				values[i] = value
				said = append(said, key+"="+value)
			}
			parts = append(parts, key+"="+values[i])
		}
		full, short = append(full, strings.Join(parts, ",")), append(short, strings.Join(said, ","))
	}
	for _, preset := range []string{"kill", "strict", "ext4", "xfs", "btrfs", "posix"} {
		add(preset, map[string]string{})
	}
	for range 6 {
		preset := rapid.SampledFrom([]string{"strict", "ext4", "xfs", "btrfs", "posix"}).Draw(t, "preset")
		key := rapid.SampledFrom(bruteKeys[2:]).Draw(t, "key")
		add(preset, map[string]string{key: rapid.SampledFrom(brutePromises[key]).Draw(t, "value")})
	}
	return full, short
}

// bruteProgram draws a program that does nothing that fails. It is performed by b to
// know what there is.
func bruteProgram(t *rapid.T, b *brute, least, most int, first ...string) []string {
	lines := first
	for _, line := range first {
		b.perform(line)
	}
	for range rapid.IntRange(least, most).Draw(t, "ops") {
		line := bruteLine(t, b, len(lines))
		if line == "" {
			continue
		}
		b.perform(line)
		lines = append(lines, line)
	}
	return lines
}

// brutePaths are the paths that there are now, of one kind of inode or of all.
func brutePaths(b *brute, kinds ...string) []string {
	var paths []string
	for _, path := range []string{"/a", "/b", "/d", "/e", "/d/a", "/d/b", "/e/a", "/d/e"} {
		if ino, _ := b.at(path); ino >= 0 && slices.Contains(kinds, b.inodes[ino].kind) {
			paths = append(paths, path)
		}
	}
	return paths
}

// bruteFree are the paths where there is nothing, in a directory that is there.
func bruteFree(b *brute) []string {
	var paths []string
	for _, path := range []string{"/a", "/b", "/d", "/e", "/d/a", "/d/b", "/e/a", "/d/e"} {
		dir, _ := b.at(path[:strings.LastIndex(path, "/")+1])
		if ino, _ := b.at(path); ino < 0 && dir >= 0 && b.inodes[dir].kind == "dir" {
			paths = append(paths, path)
		}
	}
	return paths
}

// bruteLine draws an op, "" where what it would need is not there.
func bruteLine(t *rapid.T, b *brute, n int) string {
	draw := func(paths []string) string {
		if len(paths) == 0 {
			return ""
		}
		return rapid.SampledFrom(paths).Draw(t, "path")
	}
	files, dirs, free := brutePaths(b, "file"), brutePaths(b, "dir"), bruteFree(b)
	half := b.unit / 2
	kind := rapid.SampledFrom([]string{"create", "create", "mkdir", "link", "symlink", "unlink", "rmdir", "rename", "rename", "rename", "rename", "chmod",
		"write", "write", "write", "truncate", "fsync", "fsync", "fdatasync", "only", "sync", "mark"}).Draw(t, "kind")
	one, line := "", ""
	switch kind {
	case "create", "mkdir":
		one = draw(free)
		line = kind + " " + one
	case "symlink":
		one = draw(free)
		line = "symlink x " + one
	case "link":
		one = draw(files)
		if to := draw(free); one != "" && to != "" {
			return "link " + one + " " + to
		}
		return ""
	case "unlink":
		one = draw(brutePaths(b, "file", "link"))
		line = "unlink " + one
	case "rmdir":
		one = draw(slices.DeleteFunc(dirs, func(d string) bool { return !bruteEmpty(b, d) }))
		line = "rmdir " + one
	case "rename":
		return bruteRename(t, b, draw)
	case "chmod":
		one = draw(brutePaths(b, "file", "dir"))
		line = "chmod " + one + " " + rapid.SampledFrom([]string{"0600", "0700"}).Draw(t, "mode")
	case "write":
		one = draw(files)
		line = fmt.Sprintf("write %s %d %q*%d", one, half*rapid.Int64Range(0, 4).Draw(t, "offset"), string(rune('A'+n)), half*rapid.Int64Range(1, 5).Draw(t, "length"))
	case "truncate":
		one = draw(files)
		line = fmt.Sprintf("truncate %s %d", one, half*rapid.Int64Range(0, 5).Draw(t, "size"))
	case "fsync", "fdatasync":
		one = draw(append(append([]string{"/"}, files...), dirs...))
		line = kind + " " + one
	case "only":
		one = draw(files)
		from := rapid.Int64Range(0, 4).Draw(t, "from")
		line = fmt.Sprintf("fdatasync %s only=%d-%d", one, half*from, half*rapid.Int64Range(from+1, 6).Draw(t, "to"))
	case "sync":
		return "sync"
	case "mark":
		return "mark " + rapid.SampledFrom([]string{"m", "n"}).Draw(t, "label")
	}
	if one == "" {
		return ""
	}
	return line
}

func bruteEmpty(b *brute, dir string) bool {
	ino, _ := b.at(dir)
	return !slices.ContainsFunc(b.cellsOf(ino, "name"), func(c bruteCell) bool {
		got, _ := b.live(c)
		return got.(int) != 0
	})
}

// bruteRename draws a rename of a file to a file or to nothing, or of a directory to an
// empty one or to nothing.
func bruteRename(t *rapid.T, b *brute, draw func([]string) string) string {
	from := draw(brutePaths(b, "file", "dir"))
	if from == "" {
		return ""
	}
	ino, _ := b.at(from)
	targets := bruteFree(b)
	if b.inodes[ino].kind == "file" {
		targets = append(targets, brutePaths(b, "file")...)
	} else {
		for _, dir := range brutePaths(b, "dir") {
			if bruteEmpty(b, dir) {
				targets = append(targets, dir)
			}
		}
		targets = slices.DeleteFunc(targets, func(to string) bool { return strings.HasPrefix(to+"/", from+"/") })
	}
	if to := draw(targets); to != "" {
		return "rename " + from + " " + to
	}
	return ""
}

// TestCasesAreThoseOfBruteForceFromTheContractAlone compares what a crash leaves of
// random programs with every cut that the contract allows, under all presets and single
// promises, with small units and with those of the presets.
func TestCasesAreThoseOfBruteForceFromTheContractAlone(t *testing.T) {
	most := 800
	if os.Getenv("CRASHSIM_LONG") != "" {
		most = 20_000
	}
	tried, cases := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SampledFrom([][2]int64{{4, 8}, {4, 4}, {8, 16}, {512, 4096}, {4096, 4096}}).Draw(t, "unit and block")
		full, short := bruteModels(t, sizes[0], sizes[1])
		b := newBrute(full[0])
		b.setup = true
		setup := bruteProgram(t, b, 0, 2, rapid.SampledFrom([][]string{
			nil, {"create /a", fmt.Sprintf("write /a 0 %q*%d", "s", 3*sizes[0]/2), "create /b", "mkdir /d"},
			{"mkdir /d", "create /d/a", fmt.Sprintf("write /d/a 0 %q*%d", "s", 3*sizes[0])},
		}).Draw(t, "first")...)
		b.setup = false
		ops := bruteProgram(t, b, 2, 9)
		text := "-- setup --\n" + strings.ReplaceAll(strings.Join(append(setup, ""), "\n"), " only=", " ; only=") + "-- ops --\n" + strings.ReplaceAll(strings.Join(append(ops, ""), "\n"), " only=", " ; only=")
		trace, err := faultfs.ParseTrace("program", []byte(text))
		require.NoError(t, err, text)
		for i := range full {
			want, err := bruteStates(setup, ops, full[i], most)
			if err != nil {
				require.ErrorIs(t, err, errBruteTooMany)
				continue
			}
			m, err := model.Parse(short[i])
			require.NoError(t, err)
			tried, cases = tried+1, cases+len(want)
			same(t, want, lines(t, trace, m), m, trace)
		}
	})
	t.Logf("%d programs and models, %d cases", tried, cases)
	require.Greater(t, cases, tried, "the programs are too small")
}
