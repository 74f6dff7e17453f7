package main

import (
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/runner"
)

// documents are the documents that commands print as JSON, by the name in them.
func documents() map[string]any {
	return map[string]any{
		runSchema: runJSON{}, litmusSchema: litmusOf(nil), listSchema: listOf(nil), modelsSchema: modelsOf(nil),
		replaySchema: replayJSON{}, mutateSchema: mutateJSON{}, fixSchema: fixJSON{}, auditSchema: auditJSON{},
		diffSchema: diffJSON{}, explainSchema: explainJSON{},
	}
}

// schemaOf is the JSON schema of a document, made from the type that is printed.
// An embedded struct is part of the one around it, and nothing else may stand in
// a document.
func schemaOf(name string, document any) *jsonschema.Schema {
	r := jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[runner.Claim]() {
				return &jsonschema.Schema{Type: "string"} // its text form
			}
			return nil
		},
		Namer: func(t reflect.Type) string { return strings.TrimSuffix(t.Name(), "JSON") },
	}
	s := r.Reflect(document)
	s.ID = jsonschema.ID("https://github.com/crashsim/crashsim/schema/" + name)
	s.Title = "What crashsim " + strings.Split(name, "/")[1] + " --json prints"
	if p, ok := s.Properties.Get("schema"); ok {
		p.Const = name
	}
	return s
}

func (a *app) schemaCommand() *cobra.Command {
	names := func() []string {
		var all []string
		for name := range documents() {
			all = append(all, name)
		}
		slices.Sort(all)
		return all
	}
	return &cobra.Command{
		Use:   "schema [NAME]",
		Short: "Print the JSON schema of what a command prints with --json",
		Long: `Schema lists the names that stand in the documents that commands print with
--json, or prints the JSON schema (draft 2020-12) of one of them. A name ends in
its version: what changes a document so that its readers must change, changes it.`,
		Example: `  crashsim schema
  crashsim schema crashsim/run/1 >run.schema.json`,
		Args: atMostOne("NAME"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				a.out.WriteString(strings.Join(names(), "\n") + "\n")
				return nil
			}
			document, ok := documents()[args[0]]
			if !ok {
				return usagef("no schema %q, only %s", args[0], strings.Join(names(), ", "))
			}
			return a.printJSON(schemaOf(args[0], document))
		},
	}
}
