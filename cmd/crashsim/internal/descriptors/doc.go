// Package descriptors ends the program with a clear error where it may open too few
// files to work at all. It does so before other packages are initialised, some of
// which panic then; that is why it imports nothing that they do not import, and why
// its path comes before theirs: Go initialises packages in that order.
//
// # What it does not do
//
// It does not see to it that there are enough descriptors for what the program is
// asked to do. A run that has too few of them later ends with an error of its own.
package descriptors
