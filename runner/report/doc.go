// Package report shows what a crash test found, as a page for people and as a
// picture for documents.
//
// The words of this package:
//
//   - A page ([Page]) is one HTML file that needs nothing else: no network, no
//     other file. Its policy allows only its own style and its own script, by
//     their hashes.
//   - A section ([Section]) is a program under a model. It shows the ops in lanes, a
//     lane for each file, and for each crash point what is in the page cache, what
//     is forced, and what may be lost.
//
// Names of files and what they hold are somebody else's: they enter the page as
// text, and characters that cannot be seen, or that change how others are seen,
// are written out.
//
// Limits: without a script the page has the findings and the first ops as text.
// A lane of its own have the files that are used most; data is shown as far as
// its first bytes. The plan of a later life, in which recovery crashed, is not
// shown.
//
// This package is public only because several packages of this module use it. It makes no
// promise of compatibility: a release may change it in any way.
package report
