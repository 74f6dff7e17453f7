package natstest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// program is a trace of a program that replaces a file, and writes others.
const program = `crashsim trace 1

-- setup --
create /f 0644
write /f 0 "old"

-- ops --
create /a 0644
write /a 0 "a"
create /f.tmp 0644
write /f.tmp 0 "new"
rename /f.tmp /f
create /b 0644
write /b 0 "b"
`

// The commands of SCALING.md give the report that there is without a queue.
func TestCommandsOfTheDocument(t *testing.T) {
	page, err := os.ReadFile("../../../SCALING.md")
	require.NoError(t, err)
	s := embedded(t, t.TempDir(), server.RANDOM_PORT)
	dir := t.TempDir()
	bin := filepath.Join(dir, "crashsim")
	out, err := exec.Command("go", "-C", "../../..", "build", "-o", bin, "./cmd/crashsim").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "program.trace"), []byte(program), 0o600))
	command := func(begin string) []string {
		line := regexp.MustCompile(`(?m)^crashsim ` + begin + `.*--queue nats://127.0.0.1:4222[^#\n]*`).FindString(string(page))
		require.NotEmpty(t, line, begin)
		return strings.Fields(strings.ReplaceAll(line, "nats://127.0.0.1:4222", s.ClientURL()))[1:]
	}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	run := func(args ...string) (string, string) {
		var printed, said strings.Builder
		cmd := exec.CommandContext(ctx, bin, args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &printed, &said
		_ = cmd.Run()
		require.Contains(t, []int{0, 1}, cmd.ProcessState.ExitCode(), said.String())
		return printed.String(), said.String()
	}
	work := exec.CommandContext(ctx, bin, command("work")...)
	require.NoError(t, work.Start())
	check := command("check")
	got, said := run(check...)
	require.Contains(t, said, "given out")
	want, _ := run(check[:len(check)-2]...)
	require.Equal(t, want, got)
	require.Contains(t, want, "broken")

	got, said = run(check...)
	require.Equal(t, want, got)
	require.Contains(t, said, "known, 0 made", "the queue holds all")

	require.NoError(t, work.Process.Signal(os.Interrupt))
	require.Error(t, work.Wait())
	require.Equal(t, 130, work.ProcessState.ExitCode())
}
