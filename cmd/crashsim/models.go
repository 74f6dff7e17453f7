package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/model"
)

func (a *app) modelsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "models [MODEL...]",
		Short: "Show what each model promises",
		Long: `Models prints the promises of the presets, the strongest first, or of the
models given. A model is written as a preset and overrides: ext4, posix,unit=512,
btrfs,replace=size. The names of the columns are the keys of overrides; an
unknown value is answered with the known ones.`,
		Example: `  crashsim models
  crashsim models ext4 ext4,append=all`,
		ValidArgsFunction: completeModels,
		RunE: func(_ *cobra.Command, args []string) error {
			models, err := parseModels(args)
			if err != nil {
				return err
			}
			if models == nil {
				models = presets()
			}
			if asJSON {
				return a.printJSON(modelsOf(models))
			}
			a.printModels(models)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printModels(models []model.Model) {
	head := []cell{{"MODEL", a.style.head}}
	for _, promise := range models[0].Promises() {
		head = append(head, cell{promise[0], a.style.head})
	}
	rows := []row{{cells: head}}
	var abouts []row
	for _, m := range models {
		r := row{cells: cells(m.String())}
		for _, promise := range m.Promises() {
			r.cells = append(r.cells, cell{text: promise[1]})
		}
		rows = append(rows, r)
		if about := about(m); about != "" {
			abouts = append(abouts, row{cells: cells(m.String(), about)})
		}
	}
	writeTable(&a.out, rows)
	if abouts != nil {
		a.out.WriteString("\n")
		writeTable(&a.out, abouts)
	}
}

// about says what a preset stands for, "" of other models.
func about(m model.Model) string {
	list := model.Presets()
	i := slices.IndexFunc(list, func(p model.Preset) bool { return p.Name == m.String() })
	if i < 0 {
		return ""
	}
	return list[i].About
}
