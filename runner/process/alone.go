package process

import (
	"sync"
	"sync/atomic"
)

// alone is the number of the process to which daemons are left in the PID namespace
// that this process has to itself, zero if it has none. See AloneWith.
var alone atomic.Int64

// AloneWith says that this process has its PID namespace to itself, but for the
// first process there, which has started it and to which the kernel leaves daemons.
// What a program or a check leaves running is then ended however it has got away:
// anything that runs while no program and no check does.
func AloneWith(init int) { alone.Store(int64(init)) }

// workspaces knows in which workspaces programs and checks work at the moment. A workspace is what
// tells those who work on one disk from those who work on another: the mount namespace,
// or where they share one, the directory.
var workspaces = struct {
	quiet sync.RWMutex // held for reading while a command runs

	mu    sync.Mutex
	inUse map[string]int
}{inUse: map[string]int{}}

// atWork notes that a command begins to work in a workspace. The function that it
// returns is to be called when it has ended, and what is left of its process group
// too: it ends what has got away, so that it does not work on the disk of the next
// one. Left says that something of its process group was left, which may not be
// gone yet.
func atWork(workspace string) (ended func(left bool) error) {
	if alone.Load() == 0 {
		return func(bool) error { return nil }
	}
	workspaces.quiet.RLock()
	workspaces.mu.Lock()
	workspaces.inUse[workspace]++
	workspaces.mu.Unlock()
	return func(left bool) error {
		workspaces.mu.Lock()
		if workspaces.inUse[workspace]--; workspaces.inUse[workspace] == 0 {
			delete(workspaces.inUse, workspace)
		}
		workspaces.mu.Unlock()
		unknown, err := endStrays(workspace, left)
		workspaces.quiet.RUnlock()
		if err != nil || !unknown {
			return err
		}
		// Whose they are cannot be told. When no command runs, they are nobody's.
		workspaces.quiet.Lock()
		defer workspaces.quiet.Unlock()
		return endAllStrays()
	}
}

// working reports whether a command works in a workspace at the moment.
func working(workspace string) bool {
	workspaces.mu.Lock()
	defer workspaces.mu.Unlock()
	return workspaces.inUse[workspace] > 0
}

// endLeftIn ends what a command has left in a workspace where no other command works. A
// process that is alone in its PID namespace does that after each command.
func endLeftIn(workspace string) error {
	if alone.Load() != 0 {
		return nil
	}
	return endWorkspace(workspace)
}
