// Findings is a command with small programs that use libraries which store things,
// each as their documentation shows it. The test of this package judges them, and
// programs of Debian, by the commands that FINDINGS.md shows, and writes that page.
//
// # Words
//
// A finding is a program or a library of one release, what its documentation
// promises, and the verdict on one use of it under each model.
//
// # What it does not do
//
// It blames nobody: a program that promises nothing of a power cut may lose all. A
// verdict holds for one use of one version, and says nothing of others.
package main

func main() {}
