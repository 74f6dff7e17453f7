package oracle_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// returning is a Log over four records whose reader returns the given ones.
func returning(err error, records ...string) oracle.Log {
	return oracle.Log{
		Path:     "/log",
		Read:     func(afero.Fs) ([]string, error) { return records, err },
		Appended: []string{"alpha", "beta", "gamma", "delta"},
		Mark:     "saved",
		Begun:    "begun",
	}
}

// after are the marks after some acknowledgements and one append more begun.
func after(acknowledged int) marks {
	return append(times(acknowledged), slices.Repeat(marks{"begun"}, acknowledged+1)...)
}

func TestLogAcceptsEachPrefixWithTheAcknowledgedRecords(t *testing.T) {
	all := returning(nil).Appended
	for acknowledged := range len(all) {
		for _, n := range []int{acknowledged, acknowledged + 1} {
			require.Empty(t, returning(nil, all[:n]...).Judge(nil, after(acknowledged)))
		}
	}
	require.Empty(t, returning(nil, all...).Judge(nil, after(4)))
	require.Empty(t, returning(fs.ErrNotExist).Judge(nil, after(0)))
}

func TestLogRejects(t *testing.T) {
	tests := []struct {
		name         string
		log          oracle.Log
		acknowledged int
		want         string
	}{
		{"an acknowledged record that is missing", returning(nil, "alpha"), 2,
			`lost /log: the reader returned 1 of 2 acknowledged records`},
		{"a log that is missing", returning(fmt.Errorf("open: %w", fs.ErrNotExist)), 1,
			`lost /log: the reader returned 0 of 1 acknowledged records`},
		{"an acknowledged record passed over", returning(nil, "alpha", "gamma"), 2,
			`lost /log: record 2 is missing: record 3 stands in its place, though 2 were acknowledged`},
		{"a record passed over", returning(nil, "alpha", "gamma"), 1,
			`torn /log: record 2 is missing: record 3 stands in its place`},
		{"a partial record", returning(nil, "alpha", "be"), 1,
			`torn /log: record 2 is "be" where "beta" was appended: they differ from offset 2 on`},
		{"an empty record", returning(nil, "alpha", ""), 1,
			`torn /log: record 2 is "" where "beta" was appended: they differ from offset 0 on`},
		{"a record of zeros", returning(nil, "alpha", "\x00\x00"), 1,
			`torn /log: record 2 is "\x00\x00" where "beta" was appended: they differ from offset 0 on`},
		{"zeros in a record", returning(nil, "alpha", "b\x00\x00a"), 1,
			`torn /log: record 2 is "b\x00\x00a" where "beta" was appended: they differ from offset 1 on`},
		{"two records in one", returning(nil, "alpha", "begamma"), 1,
			`torn /log: record 2 is "begamma" where "beta" was appended: they differ from offset 2 on`},
		{"the end of another record", returning(nil, "mma"), 0,
			`torn /log: record 1 is "mma" where "alpha" was appended: they differ from offset 0 on`},
		{"zeros behind the last record", returning(nil, "alpha", "beta", "gamma", "delta", ""), 4,
			`torn /log: record 5 is "", though only 4 were appended`},
		{"a record that nobody appended", returning(nil, "alpha", "omega"), 1,
			`alien /log: record 2 is "omega" where "beta" was appended: they differ from offset 0 on`},
		{"a record too many", returning(nil, "alpha", "beta", "gamma", "delta", "omega"), 4,
			`alien /log: record 5 is "omega", though only 4 were appended`},
		{"a record twice", returning(nil, "alpha", "alpha"), 1,
			`alien /log: record 2 repeats record 1`},
		{"a record before its append began", returning(nil, "alpha", "beta", "gamma"), 1,
			`alien /log: record 3 was returned, though only 2 appends had begun`},
		{"a reader that fails", returning(errBroken, "alpha"), 1,
			`refused /log: the reader failed (records read: 1, acknowledged: 1): broken`},
		{"a long record, shortened", returning(nil, strings.Repeat("x", 100)), 0,
			`alien /log: record 1 is "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"... (100 bytes) where "alpha" was appended: they differ from offset 0 on`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, found(test.log.Judge(faultfs.New(), after(test.acknowledged))))
		})
	}
}

func TestLogCountsRecordsThatWereThereBefore(t *testing.T) {
	log := returning(nil, "alpha")
	log.Before = 2
	require.Equal(t, `lost /log: the reader returned 1 of 2 acknowledged records`, found(log.Judge(nil, marks{})))
	log = returning(nil, "alpha", "beta")
	log.Before = 2
	require.Empty(t, log.Judge(nil, marks{}))
	require.Equal(t, `lost /log: the reader returned 2 of 3 acknowledged records`, found(log.Judge(nil, after(1))))
}

func TestLogMayCutATornTailOff(t *testing.T) {
	log := returning(fmt.Errorf("record 2: %w", errBroken), "alpha")
	log.TornTail = errBroken
	require.Empty(t, log.Judge(nil, after(1)))
	require.Equal(t, `lost /log: the reader returned 1 of 2 acknowledged records; the reader took the rest for a torn tail`,
		found(log.Judge(nil, after(2))))
	log.TornTail = errors.New("another")
	require.Equal(t, oracle.Refused, kindOf(t, log.Judge(nil, after(1))))
}

func TestLogTellsATornTailFromCorruptionInTheMiddle(t *testing.T) {
	tests := []struct {
		name, file   string
		err          error
		acknowledged int
		want         string
	}{
		{"a reader that refuses a torn tail", "alpha;beta;ga\x00\x00\x00;", errBroken, 2,
			`refused /log: the reader failed with 2 read, though all 2 acknowledged records are whole: broken; the file is damaged from offset 13 on, in record 3, and nothing behind it is whole: a torn tail`},
		{"a reader that refuses a short tail", "alpha;beta;ga", errBroken, 2,
			`refused /log: the reader failed with 2 read, though all 2 acknowledged records are whole: broken; the file ends at offset 13, before the end of record 3`},
		{"a reader that notices corruption in the middle", "alpha;\x00eta;gamma;", errBroken, 3,
			`lost /log: the file holds 1 of 3 acknowledged records whole; the file is damaged at offset 6, in record 2, and record 3 behind it is whole: corruption in the middle; the reader failed with 2 read: broken`},
		{"a reader that takes corruption in the middle for the end", "alpha;beta;gamm\x00;delta;", nil, 4,
			`lost /log: the reader returned 2 of 4 acknowledged records; the file is damaged at offset 15, in record 3, and record 4 behind it is whole: corruption in the middle`},
		{"a reader that does not see what is there", "alpha;beta;gamma;delta;", nil, 4,
			`lost /log: the reader returned 2 of 4 acknowledged records; the file is whole`},
		{"a reader that gives up before zeros", "alpha;beta;gamma;delta;\x00\x00", errBroken, 4,
			`refused /log: the reader failed with 2 read, though all 4 acknowledged records are whole: broken; the file holds all records and 2 more bytes`},
		{"a file that is gone", "", nil, 4,
			`lost /log: the reader returned 2 of 4 acknowledged records; the file ends at offset 0, before the end of record 1`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log := returning(test.err, "alpha", "beta")
			log.Frames = []string{"alpha;", "beta;", "gamma;", "delta;"}
			files := tree{"/log": test.file}
			if test.file == "" {
				files = nil
			}
			require.Equal(t, test.want, found(log.Judge(files.disk(t), after(test.acknowledged))))
		})
	}
}

func TestLogWithFramesThatCannotBeReadIsJudgedWithoutThem(t *testing.T) {
	log := returning(errBroken)
	log.Frames = []string{"alpha;"}
	require.Equal(t, `refused /log: the reader failed (records read: 0, acknowledged: 1): broken`,
		found(log.Judge(brokenFs{}, after(1))))
}

func TestLogAsksForNoMarkThatDoesNotMatter(t *testing.T) {
	log := returning(nil, "alpha", "beta", "gamma", "delta")
	log.Begun = ""
	require.Empty(t, log.Judge(nil, noMarks{t}))
	log = returning(nil, "omega")
	require.Equal(t, oracle.Alien, kindOf(t, log.Judge(nil, noMarks{t})))
}

func TestLogAcceptsExactlyThePrefixesInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		record := rapid.StringMatching("[ab]{0,2}")
		log := oracle.Log{Appended: rapid.SliceOfN(record, 0, 5).Draw(t, "appended"), Mark: "saved"}
		total := len(log.Appended)
		log.Before = rapid.IntRange(0, total).Draw(t, "before")
		acknowledged := rapid.IntRange(0, total-log.Before).Draw(t, "acknowledged")
		begun := rapid.IntRange(acknowledged, total-log.Before).Draw(t, "begun")
		records := rapid.OneOf(
			rapid.SliceOfN(record, 0, 6),
			rapid.Map(rapid.IntRange(0, total), func(n int) []string { return log.Appended[:n] }),
		).Draw(t, "records")
		log.Read = func(afero.Fs) ([]string, error) { return records, nil }
		if rapid.Bool().Draw(t, "bounded above") {
			log.Begun = "begun"
		} else {
			begun = total - log.Before
		}
		n := len(records)
		want := n <= log.Before+begun && n >= log.Before+acknowledged && slices.Equal(records, log.Appended[:n])
		made := append(times(acknowledged), slices.Repeat(marks{"begun"}, begun)...)
		kind := kindOf(t, log.Judge(nil, made))
		require.Equal(t, want, kind == oracle.NoKind, "%v", kind)
		require.Contains(t, []oracle.Kind{oracle.NoKind, oracle.Lost, oracle.Torn, oracle.Alien}, kind)
	})
}

// Cutting a log anywhere, and zeroing from anywhere, leaves a torn tail that a
// reader with whole frames handles: nothing of that may be a violation as long
// as what was acknowledged lies before the damage.
func TestLogAcceptsEveryTornTailBehindTheAcknowledgedRecords(t *testing.T) {
	appended := []string{"one", "two", "three", "four"}
	file := strings.Join(appended, ";") + ";"
	log := oracle.Log{Path: "/log", Read: readLines, Appended: appended, Mark: "saved"}
	for cut := range len(file) + 1 {
		acknowledged := strings.Count(file[:cut], ";")
		for _, tail := range []string{"", strings.Repeat("\x00", len(file)-cut)} {
			disk := tree{"/log": file[:cut] + tail}.disk(t)
			require.Empty(t, log.Judge(disk, times(acknowledged)))
			if acknowledged < len(appended) {
				require.Equal(t, oracle.Lost, kindOf(t, log.Judge(disk, times(acknowledged+1))))
			}
		}
	}
}

// readLines reads records that each end with a semicolon and leaves out an
// incomplete one at the end.
func readLines(disk afero.Fs) ([]string, error) {
	data, err := afero.ReadFile(disk, "/log")
	if err != nil {
		return nil, err
	}
	records := strings.SplitAfter(string(data), ";")
	records = records[:len(records)-1]
	for i, r := range records {
		records[i] = strings.TrimSuffix(r, ";")
	}
	return records, nil
}
