package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this command",
		Long: `Version prints the version of this command, the commit that it was built from
where that is known, the version of Go, and the system that it was built for.`,
		Example: "  crashsim version",
		Args:    wants(),
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return fmt.Errorf("this program was built without build information: build it with \"go build\" or \"go install\"")
			}
			a.out.WriteString(versionText(info))
			return nil
		},
	}
}

// versionText says what the build information knows.
func versionText(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" {
		version = "(devel)"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	text := "crashsim " + version
	if commit := settings["vcs.revision"]; commit != "" {
		text += ", commit " + commit[:min(len(commit), 12)]
		if settings["vcs.modified"] == "true" {
			text += " with changes"
		}
	}
	return fmt.Sprintf("%s, %s, %s/%s\n", text, info.GoVersion, runtime.GOOS, runtime.GOARCH)
}
