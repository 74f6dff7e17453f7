// Package lessons is a course on what a crash leaves of files, in short lessons.
//
// The words of this package:
//
//   - A lesson ([Lesson]) is a few scenes that build on each other.
//   - A scene ([Scene]) is a page of it: prose, the source of a program, a
//     question, and the answer.
//   - An answer is what the engine computes when the lesson is played. A number,
//     a verdict or the contents of a disk is never part of the prose. Where the
//     prose goes on from an answer, the answer is expected, and another one is an
//     error: the lesson would be wrong.
//   - A program of a lesson is a function of this package, and the source that is
//     shown is that function's.
//
// Limits: the programs are small, so that every disk can be shown; the library
// of package scenarios has the real ones.
package lessons
