// Package promise holds the checks of the notes' programs: what a reader of the notes would
// expect of them after a crash. It knows nothing of how they work.
package promise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// Versions is the promise that a file holds one of some texts whole, and none that is older
// than what was said to be saved: one mark is made for each text, in order.
func Versions(name string, texts ...string) func(dir string, marks []string) error {
	return func(dir string, marks []string) error {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			if len(marks) > 0 {
				return fmt.Errorf("lost: %s is not there after %d saves", name, len(marks))
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch at := slices.Index(texts, string(data)) + 1; {
		case at == 0:
			return fmt.Errorf("torn: %s holds no text that was saved", name)
		case at < len(marks):
			return fmt.Errorf("stale: %s holds text %d after %d saves", name, at, len(marks))
		}
		return nil
	}
}

// Entries is the promise that a log holds the first of some entries, each followed by a
// blank and its checksum, and all that were said to be logged.
func Entries(name string, entries ...string) func(dir string, marks []string) error {
	return func(dir string, marks []string) error {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		count := 0
		for line := range strings.Lines(string(data)) {
			entry := ""
			if blank := strings.LastIndexByte(line, ' '); blank >= 0 {
				entry = line[:blank]
			}
			if count == len(entries) || entry != entries[count] || !strings.HasSuffix(line, "\n") {
				return fmt.Errorf("torn: entry %d is none that was logged", count+1)
			}
			count++
		}
		if count < len(marks) {
			return fmt.Errorf("lost: %d entries after %d were logged", count, len(marks))
		}
		return nil
	}
}

// Breaks declares how a program breaks its promise under the model posix.
func Breaks(kinds ...oracle.Kind) map[model.Model]runner.Outcome {
	return map[model.Model]runner.Outcome{model.MustParse("posix"): runner.Breaks(kinds...)}
}
