// Package machine makes crash tests of programs that write themselves. The user describes the
// program by its operations and a simple model; rapid draws programs of these operations, and
// each is crashed everywhere.
//
// Only tests import it: it uses the package rapid, which adds flags to a program that imports
// it.
//
// # Words
//
// A Machine is a program beside its model. An operation changes both. A program here is a
// sequence of calls of operations; it is run on a file system in memory, with a mark before
// each call and one at the end. A mark acknowledges the calls before it. So the marks of a trace
// tell which operations had begun and which were acknowledged, and the promise follows from them
// alone: after a crash the state is that of the
// model after at least the operations that were acknowledged, and at most those that had begun.
//
// Each crash is judged so: the program is opened, which is its recovery, and closed; it is opened
// again, and its state is compared with the model; then the last operation is done once more,
// as a user would do whose answer never came, the program is opened a third time, and has to
// show what that did. The recovery is crashed as well. A program that is killed recovers and
// works on with further operations, before it loses power.
//
// # Shrinking
//
// The programs are drawn by rapid, and shrunk by it. The first program that fails is judged
// only as far as its smallest failure, fewest losses first. From then on, a shorter program must
// fail with no more losses, and is judged no further than that. A program that was judged is
// not judged again, and of a program that begins like one that was kept, only what comes after
// the common part is judged.
//
// # Limits
//
// Operations run one after another, on one goroutine. The answers of operations are not
// compared with the model, only the state that Read returns: an operation that has to answer
// something returns an error where the answer is wrong. A program of which a budget left cases
// unjudged is no example at all; rapid fails a test that has too many of these.
package machine
