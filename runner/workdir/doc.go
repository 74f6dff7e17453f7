// Package workdir keeps the results of a search in a directory, so that a search that was
// stopped goes on where it was, and several that shared the work are put together.
//
// The words of this package:
//
//   - A file of a [Dir] never changes. Its name is the sum of its text (SHA-256), so that
//     a file that a crash has torn is noticed by whoever reads it. It is written under
//     another name, synced, renamed, and the directory is synced: once [Dir.Put] has
//     returned, no crash takes the file away. Any number of processes may put
//     files into one directory at once.
//   - A shelf is a directory of files that belong together. The results of a shelf are those
//     of one program, one model and one check.
//   - A [Run] is one run of a checker: the box that it was given, what it read of it, and
//     what came of that. It stands for all cuts of the box that would have shown it the
//     same, and says how many these are. [Append] and [Parse] are its text form.
//
// The package knows nothing of scenarios and oracles: an outcome is a text. It removes
// nothing, and it does not lock anything.
//
// This package is public only because several packages of this module use it. It makes no
// promise of compatibility: a release may change it in any way.
package workdir
