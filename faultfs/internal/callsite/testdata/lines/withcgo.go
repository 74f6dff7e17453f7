//go:build withcgo

package main

// int unused;
import "C"

// That cgo is used is enough: the runtime starts in another way.
