package model

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/internal/pagecache"
)

// Model is a set of promises that a file system makes beyond what sync forces.
// Its zero value promises nothing, of a file system with pages of 4096 bytes.
// Models are values: equal promises, equal models.
type Model struct {
	_ struct{} // written with field names: fields may be added

	Unit     int64    // bytes that persist as a whole; zero means 4096
	Block    int64    // bytes that are allocated at once; zero means 4096
	Append   Append   // what a size needs of the data below it
	Truncate Truncate // what the effects of a shrinking truncate need of each other
	Names    Names    // what namespace ops need of earlier ones
	Rename   Rename   // what the two effects of a rename need of each other
	Replace  Replace  // what a rename over a file needs of the file moved
	Sync     Sync     // what a sync of an inode forces besides it
	Order    Order    // whether every effect needs the one before it
	Cache    Cache    // whether the page cache survives

	// Failure is what a sync that fails does. The running program sees it too,
	// so a program is recorded anew for each value of it.
	Failure faultfs.SyncFailure
}

// Append says whether a size version made by a write needs the data version of
// the same unit.
type Append uint8

// Values of Append.
const (
	AppendNone      Append = iota // never
	AppendAllocated               // where the unit's block lies wholly at or past the old end
	AppendAll                     // always, and the data in front of it that did not grow the file
)

// Truncate says what the effects of a shrinking truncate need of each other.
type Truncate uint8

// Values of Truncate. The tail is what changes in the block that straddles the
// new size.
const (
	TruncateTail        Truncate = iota // size and units beyond the tail, each other
	TruncateTailOrdered                 // and the size needs the tail
	TruncateAtomic                      // all need each other
)

// Names says what a namespace op needs.
type Names uint8

// Values of Names.
const (
	NamesNone      Names = iota // nothing
	NamesDirectory              // the previous one that touched the same directory
	NamesJournal                // the previous one anywhere
)

// Rename says what the two effects of a rename need of each other.
type Rename uint8

// Values of Rename.
const (
	RenameSplit     Rename = iota // nothing: both names may be missing
	RenameLinkFirst               // the old name goes only once the new one is there
	RenameAtomic                  // each needs the other
)

// Replace says what a rename over an existing file needs.
type Replace uint8

// Values of Replace.
const (
	ReplaceNone Replace = iota // nothing
	ReplaceSize                // the newest size of the file moved: it is never short, but can be full of NULs
	ReplaceData                // its newest size and data
)

// Sync says what a sync of an inode forces besides the inode.
type Sync uint8

// Values of Sync.
const (
	SyncNone    Sync = iota // nothing
	SyncName                // its names, and that the directories above exist
	SyncOwn                 // its names, and the names of the directories above
	SyncInode               // namespace effects up to the newest op that changed it
	SyncJournal             // every namespace effect so far
)

// Order says whether effects persist in the order in which they were made.
type Order uint8

// Values of Order.
const (
	OrderNone Order = iota // no
	OrderAll               // each step needs the one before it
)

// Cache says what becomes of the page cache.
type Cache uint8

// Values of Cache.
const (
	CacheLost Cache = iota // lost: power was cut
	CacheKept              // kept: only the process died
)

// promise is one key of a model's text form, with its values from the weakest
// to the strongest.
type promise struct {
	key    string
	values []string
	get    func(*Model) uint8
	set    func(*Model, uint8)
}

var promises = []promise{
	{"append", []string{"none", "allocated", "all"},
		func(m *Model) uint8 { return uint8(m.Append) }, func(m *Model, v uint8) { m.Append = Append(v) }},
	{"truncate", []string{"tail", "tail-ordered", "atomic"},
		func(m *Model) uint8 { return uint8(m.Truncate) }, func(m *Model, v uint8) { m.Truncate = Truncate(v) }},
	{"names", []string{"none", "directory", "journal"},
		func(m *Model) uint8 { return uint8(m.Names) }, func(m *Model, v uint8) { m.Names = Names(v) }},
	{"rename", []string{"split", "link-first", "atomic"},
		func(m *Model) uint8 { return uint8(m.Rename) }, func(m *Model, v uint8) { m.Rename = Rename(v) }},
	{"replace", []string{"none", "size", "data"},
		func(m *Model) uint8 { return uint8(m.Replace) }, func(m *Model, v uint8) { m.Replace = Replace(v) }},
	{"sync", []string{"none", "name", "own", "inode", "journal"},
		func(m *Model) uint8 { return uint8(m.Sync) }, func(m *Model, v uint8) { m.Sync = Sync(v) }},
	{"order", []string{"none", "all"},
		func(m *Model) uint8 { return uint8(m.Order) }, func(m *Model, v uint8) { m.Order = Order(v) }},
	{"cache", []string{"lost", "kept"},
		func(m *Model) uint8 { return uint8(m.Cache) }, func(m *Model, v uint8) { m.Cache = Cache(v) }},
	{"failed", []string{"clean", "reverted", "dirty"},
		func(m *Model) uint8 { return uint8(m.Failure.Page) }, func(m *Model, v uint8) { m.Failure.Page = faultfs.FailedPage(v) }},
	{"report", []string{"next", "now"},
		func(m *Model) uint8 { return uint8(m.Failure.Report) }, func(m *Model, v uint8) { m.Failure.Report = faultfs.Report(v) }},
	{"journal", []string{"shutdown", "readonly", "open"},
		func(m *Model) uint8 { return uint8(m.Failure.Journal) }, func(m *Model, v uint8) { m.Failure.Journal = faultfs.Journal(v) }},
}

const pageSize = pagecache.PageSize

// Preset is a model with a name.
type Preset struct {
	Name  string
	About string // one line
	Model Model
}

// Presets returns the models that have names, the strongest first. The last
// one, "posix", is the default: what a portable program may count on.
func Presets() []Preset { return slices.Clone(presets) }

var presets = func() []Preset {
	strict := Model{Unit: pageSize, Block: pageSize, Append: AppendAll, Truncate: TruncateAtomic,
		Names: NamesJournal, Rename: RenameAtomic, Replace: ReplaceData, Sync: SyncJournal, Order: OrderAll}
	strict.Failure = faultfs.SyncFailure{Page: faultfs.PageDirty, Report: faultfs.ReportNow, Journal: faultfs.JournalOpen}
	kill := strict
	kill.Cache = CacheKept
	ext4 := Model{Unit: pageSize, Block: pageSize, Truncate: TruncateTailOrdered,
		Names: NamesJournal, Rename: RenameAtomic, Replace: ReplaceSize, Sync: SyncInode,
		Failure: faultfs.SyncFailure{Page: faultfs.PageClean, Report: faultfs.ReportNow, Journal: faultfs.JournalReadonly}}
	xfs := ext4
	xfs.Truncate, xfs.Replace = TruncateTail, ReplaceNone
	xfs.Failure.Journal = faultfs.JournalShutdown
	posix := Model{Unit: pageSize, Block: pageSize, Rename: RenameLinkFirst,
		Failure: faultfs.SyncFailure{Page: faultfs.PageClean, Report: faultfs.ReportNow, Journal: faultfs.JournalOpen}}
	btrfs := posix
	btrfs.Sync = SyncName
	btrfs.Failure.Page, btrfs.Failure.Journal = faultfs.PageReverted, faultfs.JournalReadonly
	return []Preset{
		{"kill", "the process dies, the machine lives: kill -9, not a power cut", kill},
		{"strict", "everything persists in the order in which it was done", strict},
		{"ext4", "Linux ext4, default mount options", ext4},
		{"xfs", "Linux XFS, default mount options", xfs},
		{"btrfs", "Linux btrfs, default mount options", btrfs},
		{"posix", "what a portable program may count on (the default)", posix},
	}
}()

// Default returns the model "posix".
func Default() Model { return presets[len(presets)-1].Model }

// Parse reads the text form of a model: the name of a preset, then
// overrides, as in "posix", "ext4,append=all" or "posix,unit=512".
func Parse(text string) (Model, error) {
	name, overrides, more := strings.Cut(text, ",")
	i := slices.IndexFunc(presets, func(p Preset) bool { return p.Name == name })
	if i < 0 {
		return Model{}, fmt.Errorf("model %q: unknown preset %q, want one of %s", text, name, presetNames())
	}
	m := presets[i].Model
	for more {
		var field string
		field, overrides, more = strings.Cut(overrides, ",")
		if err := m.override(field); err != nil {
			return Model{}, fmt.Errorf("model %q: %w", text, err)
		}
	}
	if m.Block%m.Unit != 0 {
		return Model{}, fmt.Errorf("model %q: block=%d is no multiple of unit=%d", text, m.Block, m.Unit)
	}
	return m, nil
}

// MustParse is Parse for a text in the source of a program, such as "ext4": it panics
// where Parse returns an error.
func MustParse(text string) Model {
	m, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return m
}

func presetNames() string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// Bounds of the sizes of a unit and of a block, in bytes.
const (
	maxUnit  = 1 << 24
	maxBlock = 1 << 30
)

func (m *Model) override(field string) error {
	key, value, found := strings.Cut(field, "=")
	if !found {
		return fmt.Errorf("want KEY=VALUE, not %q", field)
	}
	if key == "unit" || key == "block" {
		n, err := strconv.ParseInt(value, 10, 64)
		most := int64(maxUnit)
		if key == "block" {
			most = maxBlock
		}
		if err != nil || n < 1 || n > most {
			return fmt.Errorf("%s=%s: want bytes from 1 to %d", key, value, most)
		}
		if key == "block" {
			m.Block = n
			return nil
		}
		if bits.OnesCount64(uint64(n)) != 1 {
			return fmt.Errorf("unit=%s: want a power of two", value)
		}
		m.Unit = n
		return nil
	}
	for _, p := range promises {
		if p.key != key {
			continue
		}
		v := slices.Index(p.values, value)
		if v < 0 {
			return fmt.Errorf("%s=%s: unknown value, want one of %s", key, value, strings.Join(p.values, ", "))
		}
		p.set(m, uint8(v))
		return nil
	}
	return fmt.Errorf("unknown key %q, want one of unit, block, %s", key, strings.Join(promiseKeys(), ", "))
}

func promiseKeys() []string {
	keys := make([]string, len(promises))
	for i, p := range promises {
		keys[i] = p.key
	}
	return keys
}

// String returns the text form: the preset from which the model differs least,
// then what differs. Parse reads it back.
func (m Model) String() string {
	m = m.WithDefaults()
	var best []string
	for i, p := range presets {
		fields := append([]string{p.Name}, m.differences(p.Model)...)
		if i == 0 || len(fields) < len(best) {
			best = fields
		}
	}
	return strings.Join(best, ",")
}

// WithDefaults writes out what zero stands for.
func (m Model) WithDefaults() Model {
	if m.Unit == 0 {
		m.Unit = pageSize
	}
	if m.Block == 0 {
		m.Block = max(pageSize, m.Unit)
	}
	return m
}

func (m Model) differences(from Model) []string {
	var fields []string
	if m.Unit != from.Unit {
		fields = append(fields, fmt.Sprintf("unit=%d", m.Unit))
	}
	if m.Block != from.Block {
		fields = append(fields, fmt.Sprintf("block=%d", m.Block))
	}
	for _, p := range promises {
		if v := p.get(&m); v != p.get(&from) {
			fields = append(fields, p.key+"="+p.values[v])
		}
	}
	return fields
}

// Promises returns the model's promises as keys and values, in the order of
// the text form.
func (m Model) Promises() [][2]string {
	m = m.WithDefaults()
	table := [][2]string{{"unit", strconv.FormatInt(m.Unit, 10)}, {"block", strconv.FormatInt(m.Block, 10)}}
	for _, p := range promises {
		table = append(table, [2]string{p.key, p.values[p.get(&m)]})
	}
	return table
}
