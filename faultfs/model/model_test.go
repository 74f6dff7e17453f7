package model_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
)

func TestPresetsPromiseWhatTheContractSays(t *testing.T) {
	const table = `
preset unit block append truncate     names   rename     replace sync    order cache failed   report journal
kill   4096 4096  all    atomic       journal atomic     data    journal all   kept  dirty    now    open
strict 4096 4096  all    atomic       journal atomic     data    journal all   lost  dirty    now    open
ext4   4096 4096  none   tail-ordered journal atomic     size    inode   none  lost  clean    now    readonly
xfs    4096 4096  none   tail         journal atomic     none    inode   none  lost  clean    now    shutdown
btrfs  4096 4096  none   tail         none    link-first none    name    none  lost  reverted now    readonly
posix  4096 4096  none   tail         none    link-first none    none    none  lost  clean    now    open
`
	lines := strings.Split(strings.TrimSpace(table), "\n")
	keys := strings.Fields(lines[0])
	presets := model.Presets()
	require.Len(t, presets, len(lines)-1)
	for i, line := range lines[1:] {
		want := strings.Fields(line)
		require.Equal(t, want[0], presets[i].Name)
		require.Equal(t, want[0], presets[i].Model.String())
		require.NotEmpty(t, presets[i].About)
		promises := presets[i].Model.Promises()
		require.Len(t, promises, len(keys)-1)
		for k, p := range promises {
			require.Equal(t, [2]string{keys[k+1], want[k+1]}, p, want[0])
		}
	}
	require.Equal(t, model.MustParse("posix"), model.Default())
}

// eachModel calls f with every combination of promises, of some units and
// blocks.
func eachModel(f func(model.Model)) {
	var m model.Model
	for _, size := range [][2]int64{{4096, 4096}, {512, 4096}, {1, 3}, {8192, 16384}} {
		m.Unit, m.Block = size[0], size[1]
		for n := range 3 * 3 * 3 * 3 * 3 * 5 * 2 * 2 {
			next := func(values int) uint8 {
				v := n % values
				n /= values
				return uint8(v)
			}
			m.Append, m.Truncate = model.Append(next(3)), model.Truncate(next(3))
			m.Names, m.Rename = model.Names(next(3)), model.Rename(next(3))
			m.Replace, m.Sync = model.Replace(next(3)), model.Sync(next(5))
			m.Order, m.Cache = model.Order(next(2)), model.Cache(next(2))
			f(m)
		}
	}
}

func TestModelsReadBackFromTheirText(t *testing.T) {
	texts := map[string]bool{}
	eachModel(func(m model.Model) {
		text := m.String()
		require.Equal(t, m, model.MustParse(text), text)
		require.False(t, texts[text], "%s says two things", text)
		texts[text] = true
	})
	require.Len(t, texts, 4*4860)
}

func TestTextOfAModelIsShort(t *testing.T) {
	for _, tc := range [][2]string{
		{"posix", "posix"},
		{"posix,unit=512", "posix,unit=512"},
		{"btrfs,replace=none", "btrfs"},
		{"btrfs,sync=none,failed=clean,journal=open", "posix"},
		{"btrfs,sync=none", "btrfs,sync=none"},
		{"kill,cache=lost", "strict"},
		{"xfs,truncate=tail-ordered,replace=size,journal=readonly", "ext4"},
		{"ext4,replace=none,truncate=tail,journal=shutdown", "xfs"},
		{"btrfs,replace=size", "btrfs,replace=size"},
		{"ext4,cache=kept,append=all", "ext4,append=all,cache=kept"},
		{"posix,unit=512,unit=1024", "posix,unit=1024"},
		{"posix,unit=16777216,block=1073741824", "posix,unit=16777216,block=1073741824"},
	} {
		require.Equal(t, tc[1], model.MustParse(tc[0]).String(), tc[0])
	}
}

func TestZeroModelPromisesNothing(t *testing.T) {
	require.Equal(t, "posix,rename=split,report=next,journal=shutdown", model.Model{}.String())
	require.Equal(t, "posix,unit=8192,block=8192,rename=split,report=next,journal=shutdown", model.Model{Unit: 8192}.String())
	require.Equal(t, "posix,unit=512,rename=split,report=next,journal=shutdown", model.Model{Unit: 512}.String())
}

func TestBadModelTextIsAnError(t *testing.T) {
	const presets = "want one of kill, strict, ext4, xfs, btrfs, posix"
	const bytes = "want bytes from 1 to "
	for _, tc := range [][2]string{
		{"", `model "": unknown preset "", ` + presets},
		{"zfs", `model "zfs": unknown preset "zfs", ` + presets},
		{"POSIX", `model "POSIX": unknown preset "POSIX", ` + presets},
		{"unit=512", `model "unit=512": unknown preset "unit=512", ` + presets},
		{"posix,", `model "posix,": want KEY=VALUE, not ""`},
		{"posix,ext4", `model "posix,ext4": want KEY=VALUE, not "ext4"`},
		{"posix,fsync=all", `model "posix,fsync=all": unknown key "fsync", want one of unit, block, append, truncate, names, ` +
			`rename, replace, sync, order, cache, failed, report, journal`},
		{"posix,sync=dir", `model "posix,sync=dir": sync=dir: unknown value, want one of none, name, own, inode, journal`},
		{"posix,append=", `model "posix,append=": append=: unknown value, want one of none, allocated, all`},
		{"posix,truncate=Tail", `model "posix,truncate=Tail": truncate=Tail: unknown value, want one of tail, tail-ordered, atomic`},
		{"posix,names=x", `model "posix,names=x": names=x: unknown value, want one of none, directory, journal`},
		{"posix,rename=x", `model "posix,rename=x": rename=x: unknown value, want one of split, link-first, atomic`},
		{"posix,replace=x", `model "posix,replace=x": replace=x: unknown value, want one of none, size, data`},
		{"posix,order=x", `model "posix,order=x": order=x: unknown value, want one of none, all`},
		{"posix,cache=x", `model "posix,cache=x": cache=x: unknown value, want one of lost, kept`},
		{"posix,unit=0", `model "posix,unit=0": unit=0: ` + bytes + "16777216"},
		{"posix,unit=4k", `model "posix,unit=4k": unit=4k: ` + bytes + "16777216"},
		{"posix,unit=2147483648", `model "posix,unit=2147483648": unit=2147483648: ` + bytes + "16777216"},
		{"posix,block=-1", `model "posix,block=-1": block=-1: ` + bytes + "1073741824"},
		{"posix,unit=768", `model "posix,unit=768": unit=768: want a power of two`},
		{"posix,unit=8192", `model "posix,unit=8192": block=4096 is no multiple of unit=8192`},
		{"posix,block=6144", `model "posix,block=6144": block=6144 is no multiple of unit=4096`},
	} {
		_, err := model.Parse(tc[0])
		require.EqualError(t, err, tc[1])
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range model.Presets() {
		f.Add(p.Name)
	}
	f.Add("posix,unit=512,block=1536,append=allocated,truncate=tail-ordered,names=directory,rename=split")
	f.Add("ext4,replace=data,sync=own,order=all,cache=kept")
	f.Add("posix,unit=0x10,block=07,,=")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := model.Parse(text)
		if err != nil {
			require.Zero(t, m)
			require.ErrorContains(t, err, "model ")
			return
		}
		again, err := model.Parse(m.String())
		require.NoError(t, err)
		require.Equal(t, m, again)
		require.Zero(t, m.Block%m.Unit)
	})
}

func TestTextOfSyncFailuresRoundTrips(t *testing.T) {
	for _, preset := range model.Presets() {
		for n := range 3 * 2 * 3 {
			m := preset.Model
			m.Failure = faultfs.SyncFailure{
				Page: faultfs.FailedPage(n % 3), Report: faultfs.Report(n / 3 % 2), Journal: faultfs.Journal(n / 6),
			}
			require.Equal(t, m, model.MustParse(m.String()), m.String())
		}
	}
}

func TestMustParsePanicsWithTheErrorOfParse(t *testing.T) {
	require.Equal(t, model.Default(), model.MustParse("posix"))
	require.PanicsWithError(t, `model "zfs": unknown preset "zfs", want one of kill, strict, ext4, xfs, btrfs, posix`, func() { model.MustParse("zfs") })
}
