package faultfs

import "testing"

// SetOpLimit lowers the number of ops that a text may hold while t runs.
func SetOpLimit(t *testing.T, n int) {
	opLimit = n
	t.Cleanup(func() { opLimit = maxOps })
}
