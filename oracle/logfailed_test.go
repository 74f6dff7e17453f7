package oracle_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/crashsim/crashsim/oracle"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// failing is a Log over four records, of which appends may fail.
func failing(err error, records ...string) oracle.Log {
	l := returning(err, records...)
	l.Begun, l.Failed = "", "failed"
	return l
}

func TestLogWithFailedAppends(t *testing.T) {
	errCut := errors.New("cut")
	begun, before, torn, twins, unmarked := failing(nil, "alpha", "gamma"), failing(nil, "beta"), failing(errCut, "alpha"), failing(nil, "a"), failing(nil)
	begun.Begun = "begun"
	before.Before = 1
	torn.TornTail = errCut
	twins.Appended = []string{"a", "a"}
	unmarked.Mark = ""
	tests := []struct {
		name  string
		log   oracle.Log
		marks marks
		want  string
	}{
		{"all there", failing(nil, "alpha", "beta", "gamma", "delta"), marks{"saved", "failed", "saved", "saved"}, ""},
		{"a failed one not there", failing(nil, "alpha", "gamma"), marks{"saved", "failed", "saved"}, ""},
		{"a failed one there", failing(nil, "alpha", "beta", "gamma"), marks{"saved", "failed", "saved"}, ""},
		{"failed ones at the end", failing(nil, "alpha"), marks{"saved", "failed", "failed"}, ""},
		{"those behind the last attempt", failing(nil, "beta", "delta"), marks{"failed", "other"}, ""},
		{"the second of two equal ones", twins, marks{"failed", "saved"}, ""},
		{"nothing, and nothing acknowledged", unmarked, marks{"saved", "failed"}, ""},
		{"an acknowledged one at the end lost", failing(nil, "alpha"), marks{"saved", "failed", "saved"},
			`lost /log: record 3 was acknowledged and is missing: the reader returned 1 records`},
		{"an acknowledged one in the middle lost", failing(nil, "alpha", "gamma"), marks{"saved", "saved", "failed"},
			`lost /log: record 2 was acknowledged and is missing: record 3 stands in its place`},
		{"one of two equal ones lost", twins, marks{"saved", "saved"},
			`lost /log: record 2 was acknowledged and is missing: the reader returned 1 records`},
		{"one lost that was there before", before, marks{"saved"},
			`lost /log: record 1 was acknowledged and is missing: record 2 stands in its place`},
		{"one lost behind a torn tail", torn, marks{"saved", "saved"},
			`lost /log: record 2 was acknowledged and is missing: the reader returned 1 records; the reader took the rest for a torn tail`},
		{"a failed one in part", failing(nil, "alpha", "be", "gamma"), marks{"saved", "failed", "saved"},
			`torn /log: what was returned at place 2 is "be", which is none of the records from 2 to 4`},
		{"a part of the one behind a failed one", failing(nil, "gam"), marks{"failed", "failed"},
			`torn /log: what was returned at place 1 is "gam", which is none of the records from 1 to 4`},
		{"one that nobody appended", failing(nil, "alpha", "omega", "gamma"), marks{"saved", "failed", "saved"},
			`alien /log: what was returned at place 2 is "omega", which is none of the records from 2 to 4`},
		{"one too many", failing(nil, "alpha", "beta", "gamma", "delta", "omega"), marks{"saved"},
			`alien /log: what was returned at place 5 is "omega", behind the last record that was appended`},
		{"one twice", failing(nil, "alpha", "alpha"), marks{"saved"},
			`alien /log: what was returned at place 2 repeats record 1`},
		{"out of order", failing(nil, "gamma", "beta"), marks{"failed"},
			`alien /log: what was returned at place 2 repeats record 2`},
		{"one before its append began", begun, marks{"begun", "saved", "begun", "failed"},
			`alien /log: record 3 was returned, though only 2 appends had begun`},
		{"refused", failing(errBroken, "alpha"), marks{"saved", "failed", "saved"},
			`refused /log: the reader failed (records read: 1, acknowledged: 2): broken`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, found(test.log.Judge(nil, test.marks)))
		})
	}
}

// TestLogWithFailedAppendsAgainstItsDefinition tries every subset of the
// records that may be returned.
func TestLogWithFailedAppendsAgainstItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		record := rapid.SampledFrom([]string{"a", "b", "c"})
		appended := rapid.SliceOfN(record, 0, 5).Draw(t, "appended")
		returned := rapid.SliceOfN(record, 0, 5).Draw(t, "returned")
		made := marks(rapid.SliceOfN(rapid.SampledFrom([]string{"saved", "failed", "other"}), 0, 6).Draw(t, "marks"))
		before := rapid.IntRange(0, len(appended)).Draw(t, "before")
		want := false
		for set := range 1 << len(appended) {
			var chosen []string
			for i, a := range appended {
				if set>>i&1 == 1 {
					chosen = append(chosen, a)
				}
			}
			attempts := slices.DeleteFunc(slices.Clone(made), func(l string) bool { return l == "other" })
			legal := slices.Equal(chosen, returned)
			for i := range appended {
				acknowledged := i < before || i-before < len(attempts) && attempts[i-before] == "saved"
				legal = legal && (set>>i&1 == 1 || !acknowledged)
			}
			want = want || legal
		}
		l := oracle.Log{Read: func(afero.Fs) ([]string, error) { return returned, nil },
			Appended: appended, Before: before, Mark: "saved", Failed: "failed"}
		require.Equal(t, want, kindOf(t, l.Judge(nil, made)) == oracle.NoKind, fmt.Sprint(appended, returned, made))
	})
}

func TestDetectsDropsOnlyRefusals(t *testing.T) {
	var all []oracle.Violation
	for k := oracle.Lost; k <= oracle.Litter; k++ {
		all = append(all, oracle.Violation{Kind: k})
	}
	promise := oracle.Detects(oracle.Func(func(afero.Fs, oracle.Marks) []oracle.Violation { return all }))
	got := promise.Judge(nil, noMarks{t})
	require.Len(t, got, len(all)-1)
	for _, v := range got {
		require.NotEqual(t, oracle.Refused, v.Kind)
	}
	require.Equal(t, oracle.Refused, all[oracle.Refused-oracle.Lost].Kind, "the violations are the promise's own")

	refusing := oracle.Detects(oracle.Accepted("/db", func(afero.Fs) error { return errBroken }))
	require.Empty(t, refusing.Judge(nil, noMarks{t}))
}
