package main

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
)

// modelFlag adds a flag that names models, for their number see use.
func modelFlag(cmd *cobra.Command, names *[]string, use string) {
	cmd.Flags().StringArrayVar(names, "model", nil, use)
	err := cmd.RegisterFlagCompletionFunc("model", completeModels)
	if err != nil {
		panic("crashsim: bug: " + err.Error())
	}
}

// parseModels reads the values of a model flag; none are no models.
func parseModels(names []string) ([]model.Model, error) {
	var models []model.Model
	for _, name := range names {
		m, err := model.Parse(name)
		if err != nil {
			return nil, usageError{err}
		}
		if !slices.Contains(models, m) {
			models = append(models, m)
		}
	}
	return models, nil
}

// presets returns the models that have names.
func presets() []model.Model {
	var models []model.Model
	for _, p := range model.Presets() {
		models = append(models, p.Model)
	}
	return models
}

func completeModels(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, p := range model.Presets() {
		words = append(words, p.Name+"\t"+p.About)
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// completeScenarios completes arguments that name scenarios, at most so many
// of them; zero is any number.
func (a *app) completeScenarios(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []string
		for _, s := range a.scenarios {
			if !slices.Contains(args, s.Name) {
				words = append(words, s.Name+"\t"+s.Lesson)
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeScenariosOrFiles completes at most so many arguments that name
// scenarios or else files.
func (a *app) completeScenariosOrFiles(most int) cobra.CompletionFunc {
	scenarios := a.completeScenarios(most)
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		words, directive := scenarios(cmd, args, word)
		if len(args) < most {
			directive = cobra.ShellCompDirectiveDefault
		}
		return words, directive
	}
}

// find returns the scenario with a name.
func (a *app) find(name string) (runner.Scenario, error) {
	for _, s := range a.scenarios {
		if s.Name == name {
			return s, nil
		}
	}
	hint := `"crashsim list" names them`
	if near := a.nearest(name); near != "" {
		hint = "did you mean " + near + "?"
	}
	return runner.Scenario{}, usagef("no scenario %q: %s", name, hint)
}

// choose returns the scenarios that match any of the names or patterns, in
// the order of the list; no names choose all.
func (a *app) choose(names []string) ([]runner.Scenario, error) {
	if len(names) == 0 {
		return a.scenarios, nil
	}
	chosen := map[string]bool{}
	for _, name := range names {
		found := false
		for _, s := range a.scenarios {
			match, err := path.Match(name, s.Name)
			if err != nil && name != s.Name {
				return nil, usagef("bad pattern %q: a \"[\" is not closed", name)
			}
			if match || name == s.Name {
				chosen[s.Name], found = true, true
			}
		}
		if !found {
			_, err := a.find(name)
			return nil, err
		}
	}
	var list []runner.Scenario
	for _, s := range a.scenarios {
		if chosen[s.Name] {
			list = append(list, s)
		}
	}
	return list, nil
}

// nearest returns the name of the scenario that was probably meant, "" if
// none is near.
func (a *app) nearest(name string) string {
	if len(a.scenarios) == 0 || strings.ContainsAny(name, `*?[\`) {
		return ""
	}
	best := slices.MinFunc(a.scenarios, func(s, t runner.Scenario) int {
		return cmp.Compare(distance(name, s.Name), distance(name, t.Name))
	}).Name
	if distance(name, best) > max(2, len(name)/3) {
		return ""
	}
	return best
}

// distance is the number of bytes to insert, drop or change that makes one
// word of another.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := corner
			if a[i] != b[j] {
				changed++
			}
			corner = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
