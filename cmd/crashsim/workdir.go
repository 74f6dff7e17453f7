package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/afero"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner/show"
	"github.com/crashsim/crashsim/runner/workdir"
)

// kept is a command whose results are kept in a directory, so that "crashsim merge" can
// give its report.
type kept struct {
	Command string   `json:"command"`         // run, exec or check
	Args    []string `json:"args,omitempty"`  // the names of scenarios
	Flags   []string `json:"flags"`           // those that decide what is judged
	Name    string   `json:"name,omitempty"`  // of the program
	Setup   string   `json:"setup,omitempty"` // before it
	Program []string `json:"program,omitempty"`
	Trace   string   `json:"trace,omitempty"` // the file that it is in
}

const (
	keptHeader = "crashsim command 1\n"
	keptShelf  = "command"
)

// elsewhere are flags that do not decide what is judged.
var elsewhere = []string{"workdir", "shard", "queue", "json", "report", "svg", "sarif", "junit", "failures", "workers", "name", "setup", "timeout"}

// flagsOf returns the flags of a command that decide what is judged.
func flagsOf(cmd *cobra.Command) []string {
	flags := []string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(elsewhere, f.Name) {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			flags = append(flags, "--"+f.Name+"="+v)
		}
	})
	return flags
}

// keep writes into the first directory of results which command they are of.
func (k *kept) keep(dirs []string, trace *faultfs.Trace) error {
	if len(dirs) == 0 {
		return nil
	}
	d, err := openResults(dirs[0])
	if err != nil {
		return err
	}
	if trace != nil {
		if k.Trace, err = d.Put(keptShelf, trace.Text()); err != nil {
			return err
		}
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	_, err = d.Put(keptShelf, append([]byte(keptHeader), text...))
	return err
}

func openResults(dir string) (*workdir.Dir, error) {
	return workdir.Open(afero.NewOsFs(), filepath.ToSlash(dir))
}

// text is the command in short.
func (k *kept) text() string {
	words := slices.Concat([]string{"crashsim", k.Command}, k.Args, k.Flags)
	if k.Program != nil {
		words = append(append(words, "--"), k.Program...)
	}
	return show.Line(strings.Join(words, " "))
}

// readKept returns the command whose results some directories hold, and the program that
// it recorded; nil: none.
func readKept(dirs []string) (*kept, *faultfs.Trace, error) {
	known := map[string]*kept{}
	traces := map[string][]byte{}
	for _, dir := range dirs {
		if ok, err := afero.DirExists(afero.NewOsFs(), dir); err != nil || !ok {
			return nil, nil, usagef("there is no directory %s", dir)
		}
		d, err := openResults(dir)
		if err != nil {
			return nil, nil, err
		}
		found := false
		torn, err := d.Each(keptShelf, func(name string, text []byte) error {
			rest, ok := bytes.CutPrefix(text, []byte(keptHeader))
			if !ok {
				traces[name] = text
				return nil
			}
			k := &kept{}
			known[name], found = k, true
			return json.Unmarshal(rest, k)
		})
		switch {
		case err != nil:
			return nil, nil, err
		case !found && len(torn) > 0:
			return nil, nil, fmt.Errorf("%s is torn: it says which command the results are of", torn[0])
		case !found:
			return nil, nil, usagef("%s holds no results of \"crashsim run\", \"exec\" or \"check\"; to put results of go test together, "+
				"run the tests with CRASHSIM_WORKDIR=%s", dir, strings.Join(dirs, string(filepath.ListSeparator)))
		}
	}
	var one *kept
	for _, k := range known {
		if one != nil {
			return nil, nil, usagef("%s", several(known))
		}
		one = k
	}
	if one.Trace == "" {
		return one, nil, nil
	}
	text, ok := traces[one.Trace]
	if !ok {
		return nil, nil, fmt.Errorf("the program that was judged is not there: %s in %s is missing or torn", one.Trace, keptShelf)
	}
	trace, err := faultfs.ParseTrace(filepath.Join(keptShelf, one.Trace), text)
	return one, trace, err
}

// several says that results are of several commands.
func several(known map[string]*kept) string {
	var texts []string
	for _, k := range known {
		texts = append(texts, k.text())
	}
	slices.Sort(texts)
	if texts = slices.Compact(texts); len(texts) == 1 {
		return fmt.Sprintf("the shards of %q have recorded programs that did not do the same: record it once with \"crashsim record\", "+
			"and let the shards judge the trace with \"crashsim check\"", texts[0])
	}
	return "these are results of several commands, each of which needs directories of its own: " + strings.Join(texts, "; ")
}
