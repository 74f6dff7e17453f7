package oracle_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"
)

// marks are the labels of the marks made.
type marks []string

func (m marks) Has(label string) bool { return slices.Contains(m, label) }
func (m marks) All() []string         { return m }
func (m marks) Count(label string) int {
	n := 0
	for _, l := range m {
		if l == label {
			n++
		}
	}
	return n
}

// times are n marks with the label "saved".
func times(n int) marks { return slices.Repeat(marks{"saved"}, n) }

// noMarks fails the test if it is asked.
type noMarks struct{ t *testing.T }

func (m noMarks) Has(label string) bool  { m.t.Errorf("Has(%q) was asked", label); return false }
func (m noMarks) Count(label string) int { m.t.Errorf("Count(%q) was asked", label); return 0 }
func (m noMarks) All() []string          { m.t.Error("All was asked"); return nil }

// tree are files by path.
type tree map[string]string

// disk returns a file system that holds the files.
func (files tree) disk(t require.TestingT) afero.Fs {
	disk := faultfs.New()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		dir := path[:strings.LastIndex(path, "/")]
		require.NoError(t, disk.MkdirAll(dir+"/", 0o777))
		require.NoError(t, afero.WriteFile(disk, path, []byte(files[path]), 0o666))
	}
	return disk
}

// texts are contents; "-" stands for an absent file.
func texts(list ...string) []oracle.Content {
	var contents []oracle.Content
	for _, text := range list {
		if text == "-" {
			contents = append(contents, oracle.Absent)
		} else {
			contents = append(contents, oracle.Data(text))
		}
	}
	return contents
}

// found is the text of violations, one a line.
func found(violations []oracle.Violation) string {
	var lines []string
	for _, v := range violations {
		lines = append(lines, v.String())
	}
	return strings.Join(lines, "\n")
}

// kindOf is the kind of the only violation, NoKind if there is none.
func kindOf(t require.TestingT, violations []oracle.Violation) oracle.Kind {
	if len(violations) == 0 {
		return oracle.NoKind
	}
	require.Len(t, violations, 1)
	require.NotEmpty(t, violations[0].Detail)
	require.False(t, strings.HasSuffix(violations[0].Detail, "."))
	return violations[0].Kind
}

var errBroken = errors.New("broken")

// brokenFs fails to open anything.
type brokenFs struct{ afero.Fs }

func (brokenFs) Open(string) (afero.File, error) { return nil, errBroken }
