package runner

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner/show"
)

// ended is what a shard stores when it has come to its end: which one it is, and the
// files that its results are in.
const endedHeader = "crashsim ended 1\n"

// finish stores what is left, and, at the end of a search that no budget of time and no
// interruption has ended, says so.
func (m *memory) finish(o *Options, ended bool) error {
	if err := m.store(); err != nil || !ended || len(m.work.dirs) == 0 {
		return err
	}
	text := fmt.Appendf(nil, "%sshard %s\n", endedHeader, o.shardName())
	files := slices.Clone(m.files)
	slices.Sort(files)
	for _, name := range slices.Compact(files) {
		text = fmt.Appendf(text, "file %s\n", name)
	}
	if _, err := m.work.dirs[0].Put(m.name, text); err != nil {
		return fmt.Errorf("the end of the search could not be stored: %w", err)
	}
	return nil
}

// shards are those of which there are so many that have come to their end.
type shards struct {
	ended map[string]bool
	files map[string]string // that they have put, and who
}

// complete returns an error that says what is missing, if anything is.
func (m *memory) complete(scenario string, of model.Model) error {
	if m == nil || len(m.work.dirs) == 0 {
		return errors.New("to merge results, Options.Workdir must say where they are")
	}
	byCount := map[string]*shards{}
	there := map[string]bool{}
	for _, d := range m.work.dirs {
		_, err := d.Each(m.name, func(name string, text []byte) error {
			there[name] = true
			rest, ok := strings.CutPrefix(string(text), endedHeader+"shard ")
			if !ok {
				return nil
			}
			shard, files, _ := strings.Cut(rest, "\n")
			_, count, _ := strings.Cut(shard, "/")
			s := byCount[count]
			if s == nil {
				s = &shards{map[string]bool{}, map[string]string{}}
				byCount[count] = s
			}
			s.ended[shard] = true
			for file := range strings.Lines(files) {
				s.files[strings.TrimSpace(strings.TrimPrefix(file, "file "))] = shard
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	what := fmt.Sprintf("%s under %s", scenario, of)
	if len(there) <= 1 { // the key alone, which this process has put
		return fmt.Errorf("%s: no results are stored: those of another program, check or version of crashsim do not count", what)
	}
	if len(byCount) == 0 {
		return fmt.Errorf("%s: no shard has come to its end; %s are stored: run each again with its directory, and it goes on", what, show.Count(m.runs, "run"))
	}
	var lacks []string
	for _, count := range slices.SortedFunc(maps.Keys(byCount), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }) {
		missing := byCount[count].missing(count, there)
		if missing == "" {
			return nil
		}
		lacks = append(lacks, missing)
	}
	return fmt.Errorf("%s: %s", what, strings.Join(lacks, "; "))
}

// missing says what is missing of shards.
func (s *shards) missing(count string, there map[string]bool) string {
	n := 0
	_, _ = fmt.Sscan(count, &n)
	var absent []string
	for i := 1; i <= n; i++ {
		if name := fmt.Sprintf("%d/%s", i, count); !s.ended[name] {
			absent = append(absent, name)
		}
	}
	if len(absent) > 0 {
		return fmt.Sprintf("of %s shards, these have not come to their end: %s", count, strings.Join(absent, ", "))
	}
	for _, file := range slices.Sorted(maps.Keys(s.files)) {
		if !there[file] {
			return fmt.Sprintf("the file %s of shard %s is not there, or torn", file, s.files[file])
		}
	}
	return ""
}

// Kept says what the directories of results did for the run: how many runs of the
// checker were known, and how many were made. Once results of before are there, a run
// that this search made and asks for again counts as known too.
func (r *Result) Kept() (known, made int) {
	if r.memory == nil {
		return 0, 0
	}
	return r.memory.reused, r.memory.ran
}

// Given is how many runs of the checker came from a queue while the search went on, those
// included that this process made as one of its workers.
func (r *Result) Given() int {
	if r.memory == nil {
		return 0
	}
	return r.memory.given
}

// Torn returns the files of results that are torn. What they held was judged again.
func (r *Result) Torn() []string {
	if r.memory == nil {
		return nil
	}
	return r.memory.torn
}

// Shard names the part of the search that was judged whole, and in which nothing is
// wrong, such as "2/3"; "" says that it is not that.
func (r *Result) Shard() string {
	if len(r.Failures) > 0 {
		return ""
	}
	return r.shard
}
