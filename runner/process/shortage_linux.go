package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// What a system does to commands when it is short of something. Whether a command
// failed or not, it says nothing then.
var (
	errMemory = errors.New("memory ran out while a command ran, and the system killed a process: whether the command failed or not, it says nothing; " +
		"give it more memory, or limit what it takes with \"ulimit -v\", which lets it fail by itself")
	errProcesses = errors.New("there were too many processes while a command ran, and the system refused one: whether the command failed or not, it says nothing; " +
		"allow more processes")
)

// A shortage is a number of the kernel's that rises when the system is short of
// something.
type shortage struct {
	count func() (n int, told bool)
	err   error
}

// undisturbed runs something, and returns errMemory or errProcesses if the system was
// short of that meanwhile: it may have been the command that met with it.
func undisturbed(run func() error) error {
	known := shortages()
	before := make([]int, len(known))
	for i := range known {
		before[i], _ = known[i].count()
	}
	err := run()
	for i := range known {
		switch after, told := known[i].count(); {
		case !told || after <= before[i]:
		case err != nil:
			return fmt.Errorf("%w (%v)", known[i].err, err)
		default:
			return known[i].err
		}
	}
	return err
}

// shortages are what the kernel tells of.
var shortages = sync.OnceValue(findShortages)

// findShortages finds the numbers that the kernel tells. Those of our own control
// groups are better than those of the whole system, where other programs count too.
func findShortages() (known []shortage) {
	memory, processes := "/proc/vmstat", "/none"
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		// See cgroups(7): the number of a hierarchy, its controllers, and a path in it.
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) < 3 {
			continue
		}
		root := filepath.Join("/sys/fs/cgroup", fields[1], fields[2]) // in the second version there is one for all
		memory = better(memory, root, "memory.events", "memory.oom_control")
		processes = better(processes, root, "pids.events")
	}
	for _, s := range []shortage{{counter(memory, "oom_kill "), errMemory}, {counter(processes, "max "), errProcesses}} {
		if _, told := s.count(); told {
			known = append(known, s)
		}
	}
	return known
}

// better returns the name of a file in a directory, if there is one of these names, and
// else what was known before.
func better(known, dir string, names ...string) string {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	return known
}

// counter returns a function that reads a number in a file, which stays open: on the
// line that begins with the key.
func counter(name, key string) func() (n int, told bool) {
	f, err := os.Open(name)
	if err != nil {
		return func() (int, bool) { return 0, false }
	}
	return func() (int, bool) {
		text := make([]byte, 1<<14) // /proc/vmstat has 4 KiB
		size, _ := f.ReadAt(text, 0)
		for line := range bytes.Lines(text[:size]) {
			if number, found := bytes.CutPrefix(line, []byte(key)); found {
				n, err := strconv.Atoi(string(bytes.TrimSpace(number)))
				return n, err == nil
			}
		}
		return 0, false
	}
}
