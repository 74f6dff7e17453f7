// Package litmus judges litmus files: small programs, written down op by op,
// with what is expected of the cases that a crash can leave of them.
//
// # Vocabulary
//
// A litmus file is a txtar archive with a comment on top, a part "setup"
// (optional, durable at its end), a part "ops", a part "faults" (optional) and a
// part "expect" (optional). The first two are read by faultfs.ParseTrace.
//
// A fault is a line of the part "faults", as faultfs.ParseFault reads it: it
// makes ops fail. Where there are faults, the ops are performed anew for each
// model, one after the other and whatever they return, on a file system that
// fails as the model says; an append still writes where it would have if
// nothing had failed. A fault that strikes no op is an error.
//
// An expectation is a line
//
//	MODEL...: QUANTIFIER EXPRESSION
//
// of the part "expect". MODEL is the text form of a model, and "*" stands for
// all presets. QUANTIFIER is "always", "never" or "sometimes". A line that
// begins with "#" is a comment.
//
// EXPRESSION is a condition in the language of github.com/expr-lang/expr. It is
// evaluated on one case at a time, and sees of it
//
//	content(path)   the bytes of a regular file as a string, nil if there is none
//	size(path)      their number, -1 if there is none
//	exists(path)    whether anything has that name; a symbolic link is not followed
//	mode(path)      "0644" and the like, nil for a symbolic link or if there is nothing
//	link(path)      where a symbolic link points, nil if there is none
//	list(dir)       the names in a directory, sorted; empty if there is none
//	marked(label)   whether a mark with that label was made before the crash
//
// In a file with faults, it also sees what the running program got:
//
//	result(label)   the errno of the op before that mark, as "EIO"; "" if it succeeded
//	live(path)      the bytes of a regular file that the program has after its last
//	                op, nil if there is none; whether it may still ask for them or not
//
// A path is looked up as it is written. Since a misspelt path or label would
// make "never" hold of anything, a path with a name that no op speaks of is an
// error, and so are a label that no op makes and a comparison that cannot come
// out true, as of mode(path) with a number or of result(label) with "EOI".
//
// An example is a case that shows what became of an expectation: the one that
// breaks "always" or "never", or the one that proves "sometimes".
//
// # What it does not do
//
// It does not know what a crash can leave: runner.States does. It stands above
// package runner for that, and below the command. It does not print.
package litmus
