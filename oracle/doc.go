// Package oracle says what a program promised, and judges whether a disk keeps
// it.
//
// # Vocabulary
//
// A case is a disk as the program's recovery left it, together with the marks
// made before the crash. An oracle judges one case and returns violations,
// none if the promise is kept.
//
// A mark is the moment at which the world outside was told something. Oracles
// count them: the n-th mark with a label acknowledges the n-th thing of its
// sort, be it a version of a file (OldOrNew), a generation of a set of files
// (AllOrNothing), a record of a log (Log) or an operation on a model (Prefix).
// Version, generation and state 0 are what stood there before the run; a
// Content that is Absent is a file that does not exist.
//
// Something is whole if it is, byte for byte, one version, generation, record
// or state. Otherwise it is torn if it can be pieced together from what was
// written and from NULs, and alien if it cannot. What is whole but older than
// what was acknowledged is stale; what should be there and is missing is lost.
// A Kind is one of these words.
//
// # Order of questions
//
// Whoever explores all cases branches on each value that an oracle reads, so
// the oracles here read little, and read it in a fixed order: the disk first,
// in the order in which the configuration names the files, the marks last and
// only where the answer still matters. A disk that holds the newest version
// keeps the promise whatever was acknowledged, and a torn version breaks it, so
// neither asks for a mark; where one mark is enough to know, Has is asked and
// not Count. Only a violation, once certain, may ask for more, to say which
// promise was broken. Upper bounds, as Log and Prefix have them in Begun, are
// asked for whenever they are configured, so leave them out where nothing can
// be there too early. When is the exception: it asks for its mark first,
// because without the mark the disk need not be read at all. Directories are
// read by their names alone, never with the sizes of the files in them.
//
// Nothing is allocated while nothing is wrong, besides what the file system
// and the program's own readers allocate.
//
// # What it does not do
//
// It does not know how a crash comes about, nor which cases are possible: it
// shares no code with the model of the disk. It does not run the program's
// recovery, which is over when an oracle is asked, does not stop a reader that
// hangs and does not catch one that panics. It does not shrink, explain or
// report. And it cannot tell a promise that is too weak: an oracle that never
// fails proves nothing, so ask it about a disk that it must reject.
package oracle
