package main

import (
	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/litmus"
	"github.com/crashsim/crashsim/runner/outfile"
)

func (a *app) statesCommand() *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "states FILE",
		Short: "Print every state that a crash can leave of a litmus file",
		Long: `States prints every distinct case of all crash points of a litmus file, or of a
stored trace, one JSON object a line, sorted: the marks made before the crash,
and the tree of files that is found after it, with data in base64.`,
		Example: `  crashsim states --model ext4 testdata/litmus/pub-append-chrome.txtar
  crashsim states --model posix,unit=512 prog.txtar | wc -l`,
		Args: wants("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := oneModel(names)
			if err != nil {
				return err
			}
			test, err := readLitmus(args[0])
			if err != nil {
				return err
			}
			states, err := runner.States(cmd.Context(), test.Record(m), m)
			if err != nil {
				return err
			}
			a.exact = true
			for i := range states {
				line, err := states[i].Line()
				if err != nil {
					return err
				}
				a.out.WriteString(line)
				a.out.WriteString("\n")
			}
			return nil
		},
	}
	modelFlag(cmd, &names, "the `model` of the file system (default \""+model.Default().String()+"\")")
	return cmd
}

// oneModel reads a model flag that may be given once.
func oneModel(names []string) (model.Model, error) {
	if len(names) == 0 {
		return model.Default(), nil
	}
	if len(names) > 1 {
		return model.Model{}, usagef("--model is given %d times, want one model", len(names))
	}
	models, err := parseModels(names)
	if err != nil {
		return model.Model{}, err
	}
	return models[0], nil
}

func readLitmus(file string) (*litmus.Test, error) {
	text, err := outfile.Read(file)
	if err != nil {
		return nil, err
	}
	return litmus.Parse(file, text)
}
