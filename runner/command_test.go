package runner

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/oracle"
)

// Whatever the commands hold, a stored failure gives them back, and two that are
// not the same have files of their own.
func TestCommandsAreStoredAsTheyAre(t *testing.T) {
	empty := faultfs.New()
	empty.Mark("up")
	trace := empty.Trace()
	draw := rapid.Custom(func(t *rapid.T) Command {
		return Command{
			Setup: rapid.String().Draw(t, "setup"), Program: rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "program"),
			Check: rapid.StringN(1, 20, -1).Draw(t, "check"), Recover: rapid.String().Draw(t, "recover"),
		}
	})
	ids := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		c := draw.Draw(t, "command")
		s := &Stored{Scenario: "sh", Model: model.Default(), Kind: oracle.Torn, Trace: trace, Story: "torn", Command: &c, plan: persist.Lower(trace, model.Default())}
		again, err := ParseFailure("f", s.Text())
		require.NoError(t, err)
		require.Equal(t, &c, again.Command)
		id := c.id(trace)
		require.Regexp(t, "^[0-9a-f]{8}$", id)
		if text, known := ids[id]; known {
			require.Equal(t, text, string(c.text()))
		}
		ids[id] = string(c.text())
	})
}

func TestBadCommandsAreRefused(t *testing.T) {
	for _, value := range []string{"", "no quotes", `"open`, `"two" "words"`, `"one"x`, `"a""b"`} {
		require.Error(t, (&Command{}).parse("check", value), value)
	}
	require.NoError(t, (&Command{}).parse("program", `"two" "words"`))
	require.Error(t, (&Command{}).parse("program", ""))
}
