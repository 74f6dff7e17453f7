//go:build !linux

package process

func detach(string) {}
