// Package scenarios holds the protocols by which programs keep their files
// through a crash, sound and broken side by side, each with its promise and
// its known verdict under every preset.
//
// # Vocabulary
//
// A scenario is a program, what it told the world, and an oracle for what it
// promised. A broken one keeps its promise on some disks and not on others, and
// its lesson says what is missing. Its twin, of the same name with "-fixed"
// behind it, makes the same promise and is Kept under every preset, so what
// stands between the two is what the promise costs.
//
// A verdict declared Broken names every kind of violation that exists in the
// scenario under that preset. A scenario that leaves files behind that nobody
// needs also gets warnings, which are no part of a verdict.
//
// Those that begin with "seed-" are the programs of notes on atomic file
// operations in Go, flaws included; those that begin with "viper-" replay what
// a library that many programs use asked of its file system.
//
// Some are sound until more goes wrong than a power cut: a call fails, by the
// faults that stand in the scenario; recovery is itself crashed; the program is
// killed, recovers and works on, and only then the power is cut; or durable
// data rots. Each of those breaks by one of the four alone.
//
// # What it does not do
//
// The programs are small, so that every case can be judged. They have one
// thread, and at most one of their calls fails.
// A scenario is evidence about a protocol, not about the program from which it
// is known. Nothing here is meant to be imported by a program that wants to
// keep its files.
package scenarios
