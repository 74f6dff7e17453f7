// Package vet finds, by reading Go code, the places at which a program that
// saves files loses them when the power is cut, and prints for each a test that
// confirms it.
//
// # Vocabulary
//
// The analyzer is an analysis.Analyzer of golang.org/x/tools, so that "crashsim
// vet", "go vet -vettool" and golangci-lint can run it. A check is one kind of
// mistake that it looks for; each has a name, which a message ends with:
//
//   - rename: a file is written and renamed, and nothing syncs it before the rename.
//   - writefile: os.WriteFile writes a file that is then renamed, or one that the
//     program also reads: it empties the file before it writes it, and syncs nothing.
//   - directory: a file is synced and then renamed, or created and then synced, and
//     nothing syncs the directory: the file is safe, and its name is not.
//   - truncate: a file that is opened with O_TRUNC is the only copy: the program reads
//     it elsewhere, or takes the trouble to sync what it writes.
//   - error: the error of Sync is ignored, or the error of Close on a file that was written
//     and that nothing synced.
//   - defer: a written file is renamed while its Close is still deferred, and nothing
//     synced it.
//
// A skeleton is the test that a message prints. It compiles as it stands, in the
// package of the function that the message is about. It saves "old", then "new", and
// asks after each possible power cut whether one of the two is there. Where the analyzer
// cannot tell how the function is called, the skeleton says so in an error.
//
// # False alarms
//
// Most reports were read by a person. In the standard library (Go 1.26, without its commands)
// there are four, all of the check error: a program and three profiles of package testing
// ignore the error of Close, as the reports say. In seventeen modules there are five. Four are right:
// tidwall/wal 1.2.1 and the content store of containerd 2.4.2 (directory), buntdb 1.3.0
// (rename), go-ds-flatfs 0.5.1 (error). One is a false alarm: hashicorp/raft 1.8.0 (truncate)
// writes a file anew in a directory that is renamed when it is whole. There are none in goleveldb
// 1.0.0, dque, diskv 3.0.1, moby/sys/atomicwriter 0.1.0, lumberjack 2.2.1, raft-wal 0.4.0,
// certmagic 0.25.6, oras-go 2.7.0, bbolt 1.5.0, badger 4.9.6, renameio 2.0.2 and
// natefinch/atomic 1.0.1. FINDINGS.md tells faults of some of these, about which
// the analyzer says nothing: a file goes through several functions there. So test all the same.
//
// # What it does not do
//
// It does not prove anything: crashsim proves, when the skeleton is run. It looks at one
// function at a time and at what the functions that it calls do to their arguments, in the
// order in which the code is written, not in the order in which it runs. A sync in one branch
// counts for all branches. It knows package os, not file systems behind an interface. Where
// a file comes from elsewhere, goes elsewhere, or is handed to a function that it cannot look
// into, it says nothing. It leaves out test files, generated files, and paths in /dev, /proc
// and /sys.
package vet
