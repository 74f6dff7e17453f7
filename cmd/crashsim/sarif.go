package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/repair"
	"github.com/crashsim/crashsim/runner/report"
	"github.com/crashsim/crashsim/runner/show"
)

// The rules that a remark on a line of a program can be about.
const (
	ruleBroken    = "broken-promise"
	ruleMissing   = "missing-sync"
	ruleRedundant = "redundant-sync"
)

// rules says what the rules are about.
var rules = []struct{ id, short, help string }{
	{ruleBroken, "A power cut can leave a state that breaks a promise", "What was done at this line may be lost while something that came later is kept. The message tells the smallest such case that was found."},
	{ruleMissing, "A sync is missing behind this call", "With this sync, and the others that are named for the same program, every crash state is right, which was proved by crashing the program with them everywhere."},
	{ruleRedundant, "This sync protects nothing", "Without this sync alone, no crash state is wrong under the models that are named, which was proved by crashing the program without it everywhere."},
}

// remark is something to say of a line of a program.
type remark struct {
	rule, level string
	site        faultfs.CallSite
	text        string
	scenario    string
	models      []string // under which it holds
}

// remarks finds what is to say of the lines of the programs that were judged:
// where promises break, which syncs are missing, and which protect nothing.
func remarks(ctx context.Context, trials []trial, o runner.Options, most int) ([]remark, error) {
	var all []remark
	add := func(r remark, m model.Model) {
		i := slices.IndexFunc(all, func(old remark) bool {
			return old.rule == r.rule && old.site == r.site && old.text == r.text && old.scenario == r.scenario
		})
		if i < 0 {
			all = append(all, r)
			i = len(all) - 1
		}
		if !slices.Contains(all[i].models, m.String()) {
			all[i].models = append(all[i].models, m.String())
		}
	}
	for _, t := range trials {
		for i := range t.results {
			r := &t.results[i]
			for _, f := range r.Failures {
				level := "error"
				if r.Declared.Verdict == runner.Broken {
					level = "note" // known
				}
				add(remark{rule: ruleBroken, level: level, site: siteOf(f), text: f.Story, scenario: t.scenario.Name}, r.Model)
			}
			if r.Coverage.Runs > most {
				continue
			}
			found, err := repairs(ctx, t.scenario, r, o)
			if err != nil {
				return nil, err
			}
			for _, f := range found {
				add(f, r.Model)
			}
		}
	}
	return withoutNeeded(all), ctx.Err()
}

// ruleNeeded is of a sync that protects something, which is not said.
const ruleNeeded = "needed-sync"

// withoutNeeded leaves out what is said of a line as redundant where another sync
// of that line, or the same in another program or under another model, is needed:
// who took the line away would take that one away, too.
func withoutNeeded(all []remark) []remark {
	needed := map[faultfs.CallSite]bool{}
	for _, r := range all {
		if r.rule == ruleNeeded {
			needed[r.site] = true
		}
	}
	return slices.DeleteFunc(all, func(r remark) bool {
		return r.rule == ruleNeeded || r.rule == ruleRedundant && needed[r.site]
	})
}

// siteOf is where the effect was made that a failure lost, or else where the
// power was cut.
func siteOf(f *runner.Failure) faultfs.CallSite {
	ops := f.Plan.Trace().Ops
	if f.Pair != nil && len(f.RecoveryCrashes) == 0 {
		return ops[f.Pair.Lost.Op].Site
	}
	if f.After >= 0 {
		return ops[f.After].Site
	}
	return faultfs.CallSite{}
}

// repairs are the syncs that a broken program lacks, or those of a sound one that
// protect nothing.
func repairs(ctx context.Context, s runner.Scenario, r *runner.Result, o runner.Options) ([]remark, error) {
	ops := r.Plan.Trace().Ops
	var all []remark
	o = runner.Options{Workers: o.Workers, Timeout: o.Timeout, Depth: o.Depth}
	switch {
	case r.Outcome.Verdict == runner.Broken:
		found, err := s.Fix(ctx, r.Model, o)
		if err := endsAll(ctx, err); err != nil {
			return nil, err
		}
		if err != nil {
			return nil, nil // what is not known is not said
		}
		for _, sync := range repair.Grouped(found.Syncs) {
			all = append(all, remark{rule: ruleMissing, level: "warning", site: sync.Site, text: "missing: " + sync.String(), scenario: s.Name})
		}
	case r.Outcome.Verdict == runner.Kept && s.Trace == nil:
		o.Models = []model.Model{r.Model}
		mutants, err := s.Mutate(ctx, o)
		if err := endsAll(ctx, err); err != nil {
			return nil, err
		}
		if err != nil {
			return nil, nil // an oracle that cannot be believed
		}
		for _, m := range mutants {
			switch {
			case m.Lacks == "rename":
			case m.Fate == runner.Killed || m.Fate == runner.Unjudged:
				all = append(all, remark{rule: ruleNeeded, site: ops[m.Op].Site})
			default:
				all = append(all, remark{rule: ruleRedundant, level: "note", site: ops[m.Op].Site, text: "redundant: " + m.Call, scenario: s.Name})
			}
		}
	}
	return all, nil
}

// sarifText is remarks as a SARIF 2.1.0 log, which says of each program and model what
// was judged.
func sarifText(all []remark, trials []trial, root string) ([]byte, error) {
	log := sarif.NewReport()
	run := sarif.NewRunWithInformationURI("crashsim", "https://github.com/crashsim/crashsim")
	for _, r := range rules {
		run.AddRule(r.id).WithName(r.id).WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.short)).
			WithFullDescription(sarif.NewMultiformatMessageString().WithText(r.help)).WithHelp(sarif.NewMultiformatMessageString().WithText(r.help))
	}
	sources := report.FindSources(root)
	slices.SortStableFunc(all, func(a, b remark) int {
		return cmp.Or(cmp.Compare(a.site.File, b.site.File), cmp.Compare(a.site.Line, b.site.Line), cmp.Compare(a.rule, b.rule))
	})
	for _, r := range all {
		sum := sha256.Sum256([]byte(strings.Join([]string{r.rule, r.scenario, r.site.String(), r.text}, "\x00")))
		properties := sarif.NewPropertyBag()
		properties.Add("scenario", r.scenario)
		properties.Add("models", r.models)
		result := sarif.NewRuleResult(r.rule).WithLevel(r.level).WithKind("fail").
			WithMessage(sarif.NewTextMessage(fmt.Sprintf("%s (%s, under %s)", show.Story(r.text), show.Word(r.scenario), strings.Join(r.models, ", ")))).
			WithPartialFingerprints(map[string]string{"crashsim/1": hex.EncodeToString(sum[:16])}).
			WithProperties(properties)
		if r.site.Line > 0 { // of a library without source lines, the text names the function
			result.AddLocation(sarif.NewLocationWithPhysicalLocation(sarif.NewPhysicalLocation().
				WithArtifactLocation(sarif.NewSimpleArtifactLocation(sources.Path(r.site.File))).
				WithRegion(sarif.NewRegion().WithStartLine(max(r.site.Line, 1)))))
		} else {
			result.WithLocations([]*sarif.Location{})
		}
		run.AddResult(result)
	}
	if len(all) == 0 {
		run.Results = []*sarif.Result{}
	}
	judged := []map[string]string{}
	for _, t := range trials {
		for i := range t.results {
			r := &t.results[i]
			judged = append(judged, map[string]string{
				"scenario": t.scenario.Name, "model": r.Model.String(), "verdict": r.Outcome.Verdict.String(), "judged": r.Coverage.Claim.String(),
			})
		}
	}
	properties := sarif.NewPropertyBag()
	properties.Add("verdicts", judged)
	run.WithProperties(properties)
	log.AddRun(run)
	var b bytes.Buffer
	err := log.PrettyWrite(&b)
	return []byte(seenJSON(b.String())), err
}
