package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/crashsim/crashsim/faultfs/mount"
)

// placePrefix begins the names of the directories in which mounts stand; the
// number of the process that made it follows, so that what a killed process left
// can be told and removed.
const placePrefix = "crashsim-"

// newPlace makes a directory for mounts, and removes those that processes left
// which are no more.
func newPlace() (string, error) {
	old, err := filepath.Glob(filepath.Join(os.TempDir(), placePrefix+"*"))
	if err != nil {
		return "", err
	}
	for _, place := range old {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(place), placePrefix+"%d-", &pid); err != nil || pid <= 0 {
			continue
		}
		if !alive(pid) {
			removePlace(place) // what cannot be removed is left to the next run
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("%s%d-", placePrefix, os.Getpid()))
}

// alive reports whether there is a process of that number that still runs.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true // nothing is known
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// removePlace removes a directory that a process which is no more has left,
// and what is still mounted in it.
func removePlace(place string) {
	if mount.RemoveBelow(place) == nil {
		_ = os.RemoveAll(place)
	}
}
