// Package oracle holds the promises that a program can make, and judges whether
// a disk keeps them.
//
// # Words
//
// A case is the disk as the program's recovery left it, together with the marks
// that the program made before the crash. An oracle judges one case. It returns
// a list of violations; the list is empty if the promise is kept.
//
// A mark is the moment at which the program claims that something is durable.
// Oracles count marks: the n-th mark with a label acknowledges the n-th version
// of a file (OldOrNew), the n-th generation of a set of files (AllOrNothing),
// the n-th record of a log (Log) or the n-th operation on a model (Prefix).
// Version 0, generation 0 and state 0 are what stood there before the run.
// Absent is the Content of a file that does not exist.
//
// A file, a record or a state is whole if it equals one version, generation,
// record or state byte for byte. If it is not whole, it is torn if it can be
// pieced together from what was written and from NULs, and alien if it cannot.
// If it is whole but older than what was acknowledged, it is stale. If it should
// be there and is missing, it is lost. A Kind is one of these words.
//
// # What an oracle reads, and in which order
//
// The search branches at each value that an oracle reads. Therefore the oracles
// of this package read little, and always in the same order: first the disk, in
// the order in which the configuration names the files, and then the marks, but
// only if the answer still matters. A disk that holds the newest version keeps
// the promise whatever was acknowledged, and a torn version breaks it, so for
// both no mark is asked for. Where it is enough to know that a mark exists, an
// oracle calls Has rather than Count. Once it is certain that there is a
// violation, an oracle may ask for more, so that it can say which promise was
// broken.
//
// Log and Prefix ask for their upper bound (the field Begun) whenever it is set,
// so set it only if something can be there too early. When asks for its mark
// first, because without the mark it does not have to read the disk. Oracles
// list directories by name only and do not ask for the sizes of the files.
//
// As long as nothing is wrong, an oracle allocates no memory of its own.
//
// # What the package does not do
//
// It does not know how a crash comes about or which cases are possible: it
// shares no code with the model of the disk. It does not run the program's
// recovery, which has ended before an oracle is asked. It does not stop a reader
// that hangs, and does not catch one that panics; package runner does. It does
// not shrink, explain or report failures. And it does not notice a promise that
// is too weak. An oracle that never fails proves nothing, so try it on a disk
// that it must reject.
package oracle
