package runner

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner/outfile"
)

// NameFiles gives each failure of the result the name of the file in a directory
// that Store will write.
func (r *Result) NameFiles(dir string) {
	scenario := r.Scenario
	if r.Command != nil {
		scenario += "-" + r.Command.id(r.Plan.Trace())
	}
	named := map[string]int{}
	for _, f := range r.Failures {
		kind := f.Kind.String()
		if named[kind]++; named[kind] > 1 {
			kind += "-" + strconv.Itoa(named[kind])
		}
		f.File = filepath.Join(dir, failureName(scenario, r.Model, kind))
	}
}

// Store writes the failures of the result into a directory, each as a file of its
// own, and makes the directory if need be. One that cannot be written does not keep
// the others from it; it has no File then, and the error is Unstored too.
func (r *Result) Store(dir string) error {
	if len(r.Failures) == 0 {
		return nil
	}
	r.NameFiles(dir)
	unmade := os.MkdirAll(dir, 0o777)
	r.Unstored = unmade
	for _, f := range r.Failures {
		if unmade == nil {
			err := outfile.Write(f.File, r.Stored(f).Text())
			if err == nil {
				continue
			}
			r.Unstored = errors.Join(r.Unstored, err)
		}
		f.File = ""
	}
	return r.Unstored
}

// failureName is the name of the file of a failure, or a pattern for several.
func failureName(scenario string, m model.Model, kind string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '=':
			return r
		}
		return '_'
	}, scenario+"--"+m.String())
	return safe + "--" + kind + ".txt"
}

func readStored(file string) (*Stored, error) {
	text, err := outfile.Read(file)
	if err != nil {
		return nil, err
	}
	return ParseFailure(file, text)
}

// globQuoted returns a path as a pattern that matches it alone.
func globQuoted(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
