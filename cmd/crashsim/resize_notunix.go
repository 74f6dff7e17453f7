//go:build !unix

package main

import "os"

// notifyResize says nothing: windows that change are not known of here.
func notifyResize(chan<- os.Signal) {}
