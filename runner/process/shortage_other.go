//go:build !linux

package process

// undisturbed runs something. Only Linux tells whether it was short of something meanwhile.
func undisturbed(run func() error) error { return run() }
