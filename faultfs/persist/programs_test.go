package persist_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

// programs are small ones that random programs seldom are: each is there for a
// sentence of the contract.
var programs = []struct{ name, setup, ops string }{
	{"a tail has whole units", "create /f\nwrite /f 0 \"b\"*12\n", "truncate /f 1\nwrite /f 9 \"c\"\n"},
	{"no tail at a block border", "create /f\nwrite /f 0 \"b\"*14\n", "truncate /f 8\nfdatasync /f\n"},
	{"truncate and grow again", "create /f\nwrite /f 0 \"b\"*9\n", "truncate /f 3\ntruncate /f 9\ncreate /g\n"},
	{"truncate leaves the directory alone", "create /f\nwrite /f 0 \"b\"*9\n", "create /a\ntruncate /f 0\nchmod /f 0600\ncreate /b\n"},
	{"append to a block that is there", "create /f\nwrite /f 0 \"b\"*5\n", "write /f 5 \"c\"*9\n"},
	{"append after a hole", "create /f\n", "write /f 9 \"c\"*5\nwrite /f 3 \"d\"*3\n"},
	{"units far apart, then between and behind", "create /f\ntruncate /f 460\n",
		"write /f 400 \"A\"\nwrite /f 240 \"B\"\nwrite /f 440 \"C\"\nwrite /f 400 \"D\"\nfsync /f\n"},
	{"overwrite and grow", "create /f\nwrite /f 0 \"b\"*9\n", "write /f 1 \"c\"*14\n"},
	{"equal bytes are a version", "create /f\nwrite /f 0 \"b\"*4\n", "write /f 0 \"b\"*4\nwrite /f 0 \"c\"*4\nwrite /f 0 \"b\"*4\n"},
	{"overwrite changes no inode", "create /f\nwrite /f 0 \"b\"*4\n", "create /a\nwrite /f 0 \"c\"*4\nfsync /f\n"},
	{"growing changes an inode", "create /f\n", "create /a\nwrite /f 0 \"c\"\nfdatasync /f\ncreate /b\n"},
	{"chmod is for fsync", "create /f\n", "create /a\nchmod /f 0600\nfdatasync /f\ncreate /b\nfsync /f\n"},
	{"mode of a directory", "mkdir /d\n", "chmod /d 0700\nfdatasync /d\n"},
	{"a sync of a clean file", "create /f\n", "create /a\nfsync /f\n"},
	{"a sync of a clean directory", "mkdir /d\n", "create /a\nfsync /d\ncreate /d/b\nfdatasync /d\n"},
	{"replaced and still open", "create /f\ncreate /g\n", "rename /f /g\ncreate /h\nfsync #3\nfsync #2\n"},
	{"unlinked and still open", "create /f\n", "create /a\nunlink /f\nwrite #2 0 \"x\"\nfsync #2\n"},
	{"replaced link", "symlink x /l\n", "create /f\nwrite /f 0 \"new\"\nrename /f /l\n"},
	{"moved link", "create /g\n", "symlink x /l\nrename /l /g\n"},
	{"replaced file", "create /g\nwrite /g 0 \"old\"\n", "create /f\nwrite /f 0 \"newer\"\nrename /f /g\nfsync /\nwrite /g 5 \"more\"\n"},
	{"replaced directory", "mkdir /d\nmkdir /e\n", "rename /d /e\ncreate /e/f\nfsync /e/f\n"},
	{"two directories", "mkdir /d\nmkdir /e\n", "create /d/f\ncreate /e/g\nrename /d/f /e/h\nfsync /e\ncreate /d/i\n"},
	{"names above", "", "mkdir /d\nmkdir /d/e\ncreate /d/e/f\nfsync /d/e/f\n"},
	{"names above that moved", "", "mkdir /d\nmkdir /d/e\ncreate /d/e/f\nrename /d/e /g\nfsync /g/f\n"},
	{"made where a file was", "create /d\n", "unlink /d\nmkdir /d\nrename /d /e\ncreate /e/f\nfsync /e/f\n"},
	{"names of a file", "create /f\n", "link /f /g\nlink /f /h\nunlink /f\nfsync /g\n"},
	{"a name and back", "create /f\n", "rename /f /g\nrename /g /f\nfsync /f\n"},
	{"same inode", "create /f\nlink /f /g\n", "create /a\nrename /f /g\nfsync /f\ncreate /b\n"},
	{"directories in each other", "", "mkdir /a\nmkdir /b\nsync\nrename /a /b/a\nrename /b/a /c\nrename /b /c/b\n"},
	{"marks", "create /f\nmark before\n", "mark a\nwrite /f 0 \"x\"\nmark a\nsync\nmark b\nwrite /f 0 \"y\"\n"},
	{"failed ops", "create /f\n", "create /g\nfsync /g ; err=EIO\nfsync / ; err=EIO\nsync ; err=EIO\nwrite /g 0 \"x\" ; err=ENOSPC\n"},
	{"stores seen at once", "create /f\nwrite /f 0 \"a\"*16\n",
		"create /g\nwrite /f 0 \"b\"*4 ; look=1\nwrite /f 8 \"b\"*6 ; look=1\nwrite /f 0 \"c\"*4 ; look=2\nwrite /f 2 \"d\" ; look=2\nfsync /f\n"},
	{"stores and a write in between", "create /f\nwrite /f 0 \"a\"*16\n",
		"write /f 0 \"b\" ; look=1\nwrite /f 4 \"b\"\nwrite /f 8 \"b\" ; look=1\nmark x\n"},
	{"synced by two at once", "create /f\n",
		"write /f 0 \"a\" ; span=1-2\nfsync /f ; span=3-6\nwrite /f 0 \"b\" ; span=4-7\nfsync /f ; span=5-8\nmark x ; span=9-10\nfsync /f ; span=11-12\nmark y ; span=13-14\n"},
	{"sync while everything goes on", "create /f\n",
		"create /a ; span=1-2\nwrite /f 0 \"a\" ; span=3-5\nsync ; span=4-6\nmark x ; span=7-8\nsync ; span=9-10\nmark y ; span=11-12\n"},
	{"begun before its turn", "create /f\nwrite /f 0 \"a\"\n",
		"create /g ; span=2-3\nwrite /f 0 \"b\" ; span=4-6\nwrite /f 0 \"c\" ; span=1-7\nrename /f /g ; span=5-8\n"},
}

// marked makes a mark after each sync of a sequential program: the cases after
// it would be hidden by those before it.
func marked(ops string) string {
	if strings.Contains(ops, "span=") {
		return ops
	}
	return regexp.MustCompile(`(?m)^(f?(data)?sync.*)$`).ReplaceAllString(ops, "$1\nmark synced")
}

// variants are the presets with small units, and each with one promise changed.
func variants(t *testing.T) []model.Model {
	var variants []model.Model
	for _, p := range model.Presets() {
		text := p.Name + ",unit=4,block=8"
		variants = append(variants, model.MustParse(text))
		for _, change := range []string{
			"unit=2", "unit=8", "block=4", "block=12", "append=none", "append=allocated", "append=all",
			"truncate=tail", "truncate=tail-ordered", "truncate=atomic", "names=none", "names=directory", "names=journal",
			"rename=split", "rename=link-first", "rename=atomic", "replace=none", "replace=size", "replace=data",
			"sync=none", "sync=name", "sync=own", "sync=inode", "sync=journal", "order=none", "order=all", "cache=lost", "cache=kept",
		} {
			if m := model.MustParse(text + "," + change); m != variants[len(variants)-1] {
				variants = append(variants, m)
			}
		}
	}
	return variants
}

func TestSentencesOfTheContractAgreeWithTheSlowDefinition(t *testing.T) {
	models := variants(t)
	for _, program := range programs {
		t.Run(program.name, func(t *testing.T) {
			t.Parallel()
			trace := parse(t, marked(program.ops), program.setup)
			for _, m := range models {
				want, err := slowStates(trace, m, 100_000)
				require.NoError(t, err)
				same(t, want.lines, lines(t, trace, m), m, trace)
				cuts, exact := persist.Lower(trace, m).Count(context.Background())
				require.True(t, exact)
				require.Equal(t, fmt.Sprint(want.cuts), cuts.String(), "%s\n%s", m, trace.Text())
			}
		})
	}
}
