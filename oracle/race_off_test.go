//go:build !race

package oracle_test

const poolForgets = false
