//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyResize says on a channel when the window of the terminal changes.
func notifyResize(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }
