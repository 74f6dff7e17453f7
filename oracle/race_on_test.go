//go:build race

package oracle_test

// The race detector makes sync.Pool forget at random.
const poolForgets = true
