package main

import (
	"fmt"
	"strings"
)

// finding is a program of a current release, what it promises, and how that ends.
type finding struct {
	name    string // of the subtest, and of the heading
	section section
	debian  string // the Debian packages that have the program, that of the version first, and
	version string // its version, without what Debian adds; or
	module  string // the Go module that has the library: go.mod has its version

	promise string // what its documentation says, in one sentence
	source  string // where it says so

	setup  string // for the shell; what it does is durable
	run    string // for the shell
	check  string // a built-in check of crashsim, or for the shell
	losses int    // judged up to so many; zero for all

	verdicts verdicts
	story    string   // two sentences
	sites    []string // places in the program that crashsim names for the effects that were lost
	lacks    string   // the line of the source that lacks the sync, "" where none does
	later    string   // what later releases do
	fixed    *fixed   // another version, with another verdict; nil for none
}

// fixed is a library with another verdict: an other version of it, which has a repair
// or lacks one, or a copy with changes.
type fixed struct {
	replace  string // the module and another version of it, or
	edits    []edit // of the module that is judged
	verdicts verdicts
}

// edit replaces a text, which must stand in the file once.
type edit struct{ file, old, new string }

// none is the verdict where no failure was found, and not every case was judged.
const none = "none found"

// asSeen is a verdict kept of a program that stores into maps of files: what these held
// between two of its calls was not judged.
const asSeen = "kept as seen"

// kept reports whether a verdict says that no promise was seen to be broken.
func kept(verdict string) bool { return verdict == "kept" || verdict == asSeen || verdict == none }

// section is a kind of program.
type section string

const (
	databases section = "Databases and queues"
	goStores  section = "Go libraries that store things"
	editors   section = "Editors and shells"
	system    section = "System tools"
)

// sections are in the order of the page.
var sections = []section{databases, goStores, editors, system}

// findings are in the order of the page.
var findings []finding

func init() {
	for _, part := range [][]finding{redis(), lmdb(), libraries(), shells(), edits(), tools()} {
		findings = append(findings, part...)
	}
}

// verdicts are verdicts by the name of the model. A verdict is "kept", or the kinds
// of violations that were found.
type verdicts map[string]string

// models are the models by which findings are judged: all presets, from the one
// that promises most.
var models = []string{"kill", "strict", "ext4", "xfs", "btrfs", "posix"}

// all is one verdict under each model. Exceptions follow: a verdict, and the models
// that have it.
func all(verdict string, exceptions ...string) verdicts {
	v := verdicts{}
	for _, m := range models {
		v[m] = verdict
	}
	for i := 0; i < len(exceptions); i += 2 {
		for _, m := range strings.Fields(exceptions[i+1]) {
			v[m] = exceptions[i]
		}
	}
	return v
}

// command is the command that shows a finding. Flags are added to it.
func (f *finding) command(flags ...string) string {
	var b strings.Builder
	b.WriteString("crashsim exec --strict")
	for _, m := range models {
		b.WriteString(" --model " + m)
	}
	if f.losses > 0 {
		fmt.Fprintf(&b, " --max-losses %d", f.losses)
	}
	for _, flag := range flags {
		b.WriteString(" " + flag)
	}
	if f.setup != "" {
		b.WriteString(" \\\n  --setup " + quoted(f.setup))
	}
	fmt.Fprintf(&b, " \\\n  --check %s \\\n  -- sh -c %s", quoted(f.check), quoted(f.run))
	return b.String()
}

// quoted is a text as one word of the shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
