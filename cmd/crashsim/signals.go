package main

import (
	"os"
	"os/signal"
	"syscall"
)

// endingSignals are those on which a command ends as soon as it can, and leaves
// nothing behind. A hangup that whoever started the command wants to be ignored, as
// nohup does, is none.
func endingSignals() []os.Signal {
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ending = append(ending, syscall.SIGHUP)
	}
	return ending
}
