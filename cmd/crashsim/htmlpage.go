package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/outfile"
	"github.com/crashsim/crashsim/runner/report"
	"github.com/crashsim/crashsim/runner/show"
)

// pageFlags are the flags of commands that write what they found into files: for
// people to look at, and for machines.
type pageFlags struct {
	page, svg    string
	sarif, junit string
}

func (f *pageFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.page, "report", "", "write a page of HTML to this `file`: ops, page cache and disk at each crash point, failures, and what would repair them")
	cmd.Flags().StringVar(&f.svg, "svg", "", "write the timeline to this `file`, as a picture")
	cmd.Flags().StringVar(&f.sarif, "sarif", "", "write a SARIF log to this `file`: broken promises, and each sync that is missing or protects nothing, at its line")
	cmd.Flags().StringVar(&f.junit, "junit", "", "write a JUnit report to this `file`: a suite for each program, a test case for each model")
}

// The fix and the audit of a page crash the program many times over. They are
// worked out where the search itself took at most so many runs.
const (
	pageRuns        = 3000
	pageProcessRuns = 150 // where each run starts a process
)

// check finds out early which of the files cannot be written.
func (f *pageFlags) check() error {
	for _, name := range []string{f.page, f.svg, f.sarif, f.junit} {
		if name == "" {
			continue
		}
		if err := outfile.Check(name); err != nil {
			return err
		}
	}
	return nil
}

// outputs are files to be written. Their texts are complete before the first of
// them is: an error on the way leaves none.
type outputs []struct {
	name string
	text []byte
}

func (o *outputs) add(name string, text []byte) {
	*o = append(*o, struct {
		name string
		text []byte
	}{name, text})
}

// write writes the files. One that cannot be written does not keep the others from
// it.
func (o outputs) write() error {
	var err error
	for _, file := range o {
		err = errors.Join(err, outfile.Write(file.name, file.text))
	}
	return err
}

// texts returns the files that are asked for.
func (f *pageFlags) texts(ctx context.Context, trials []trial, o runner.Options, most int) (outputs, error) {
	if most < 0 { // the command was interrupted, and this is not to be
		ctx = context.WithoutCancel(ctx)
	}
	var files outputs
	if f.junit != "" {
		text, err := junitText(trials)
		if err != nil {
			return nil, err
		}
		files.add(f.junit, text)
	}
	if f.sarif != "" {
		all, err := remarks(ctx, trials, o, most)
		if err != nil {
			return nil, err
		}
		text, err := sarifText(all, trials, ".")
		if err != nil {
			return nil, err
		}
		files.add(f.sarif, text)
	}
	if f.page == "" && f.svg == "" {
		return files, nil
	}
	return files, f.draw(ctx, trials, o, most, &files)
}

// draw makes the page and the picture. Of several results the picture shows the
// first that is broken, or else the first.
func (f *pageFlags) draw(ctx context.Context, reports []trial, o runner.Options, most int, files *outputs) error {
	page := report.Page{Title: "What a crash can leave", Sources: report.FindSources(".")}
	for _, rep := range reports {
		for i := range rep.results {
			r := &rep.results[i]
			sections := r.Sections()
			if f.page != "" {
				if err := repaired(ctx, rep.scenario, r, &sections[0], o, most); err != nil {
					return err
				}
			}
			page.Sections = append(page.Sections, sections...)
		}
	}
	if len(page.Sections) == 0 {
		return fmt.Errorf("nothing was judged: there is nothing to show")
	}
	if len(reports) == 1 {
		page.Title = reports[0].scenario.Name + ": what a crash can leave"
	}
	if f.svg != "" {
		shown := &page.Sections[0]
		for i := range page.Sections {
			if p := &page.Sections[i]; !p.Good && len(p.Failures) > 0 {
				shown = p
				break
			}
		}
		files.add(f.svg, shown.SVG())
	}
	if f.page == "" {
		return nil
	}
	text, err := page.HTML()
	files.add(f.page, text)
	return err
}

// repaired adds to a part what the program lacks and what each of its syncs is
// good for, where that is found out soon. The error is that of the context, or
// oracle.ErrNoVerdict, wrapped.
func repaired(ctx context.Context, s runner.Scenario, r *runner.Result, section *report.Section, o runner.Options, most int) error {
	if most < 0 {
		section.Notes = append(section.Notes, "the fix and the audit are left out: the run was interrupted")
		return nil
	}
	if r.Coverage.Runs > most {
		section.Notes = append(section.Notes, fmt.Sprintf("the fix and the audit are left out: the search took more than %d runs; \"crashsim fix\" and \"crashsim audit\" find them", most))
		return nil
	}
	if r.Outcome.Verdict == runner.Broken {
		found, err := s.Fix(ctx, r.Model, runner.Options{Workers: o.Workers, Timeout: o.Timeout, Depth: o.Depth})
		if lasting := endsAll(ctx, err); lasting != nil {
			return lasting
		}
		section.Fix = fixLines(repairOf(s.Name, r.Model, found, err))
	}
	if r.Outcome.Verdict == runner.Kept && s.Trace == nil {
		mutants, err := s.Mutate(ctx, runner.Options{Models: []model.Model{r.Model}, Workers: o.Workers, Timeout: o.Timeout})
		if lasting := endsAll(ctx, err); lasting != nil {
			return lasting
		}
		if err != nil {
			section.Notes = append(section.Notes, "no audit: "+err.Error())
		}
		var audit auditJSON
		audit.add(s.Name, r.Model, mutants)
		for _, a := range audit.Syncs {
			line := a.Verdict + ": " + a.Call
			if a.Story != "" {
				line += "; without it: " + a.Story
			}
			section.Audit = append(section.Audit, line)
		}
	}
	return nil
}

// endsAll returns the error after which nothing more can be found out: the command
// was interrupted, or what it stands on has failed.
func endsAll(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, oracle.ErrNoVerdict) {
		return err
	}
	return nil
}

// fixLines tell a repair, a line for each thing to do.
func fixLines(r repairJSON) []string {
	switch {
	case r.Error != "":
		return []string{"not found: " + r.Error}
	case len(r.Beyond) > 0:
		return []string{fmt.Sprintf("no sync repairs it: with every sync added that could be, it is still %s", strings.Join(r.Beyond, " and ")), r.Change}
	case len(r.Syncs) == 0:
		return []string{"no sync is missing: it takes more than a power cut to break it"}
	}
	var lines []string
	for _, s := range r.Syncs {
		lines = append(lines, s.Text+": "+s.Add)
	}
	return append(lines, fmt.Sprintf("then every case is right, which was proved by crashing it everywhere; %s were tried", show.Count(r.Tried, "program")))
}
