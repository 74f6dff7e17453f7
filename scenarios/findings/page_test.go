package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "../../FINDINGS.md"

// FINDINGS.md is what the findings say.
func TestFindingsHasThePage(t *testing.T) {
	want := markdown(t)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run go test -update, and read the difference")
}

const intro = `# Findings

This page says what current releases of programs and libraries leave behind when the power is cut, and shows the command with which you can see it yourself.

Nobody is blamed here. Many programs promise nothing of a power cut, and what they do is what their authors chose; those that keep their promise are
listed as well. Each program is held to what its own documentation says, which stands beside the verdict. A verdict is about one use
of one version. *Kept* means that every state that the model allows was judged, up to the number of losses where one is named.
*Kept as seen* is said of programs that store into maps of files: nobody sees in which order they store between two of their calls, so that
what their files held in between was not judged.

[MODELS.md](MODELS.md) explains the models: ` + "`kill`" + ` is ` + "`kill -9`" + `, where no power is lost; ` + "`strict`" + ` keeps all effects in order;
the others are file systems, and ` + "`posix`" + ` is what is portable. The words *torn*, *lost*, *stale* and *refused* are those of [AGENTS.md](AGENTS.md).
[REALPROGRAMS.md](REALPROGRAMS.md) has more programs.

To run the commands (Linux, FUSE), install the Debian package that is named, and put crashsim, the small programs that use the
libraries, and the scripts into the path:

` + "```sh" + `
mkdir -p /tmp/findings
go build -o /tmp/findings ./cmd/crashsim
go -C scenarios/findings build -o /tmp/findings .
PATH=/tmp/findings:$PWD/scenarios/findings/scripts:$PATH
` + "```" + `

This page is written by the test that runs all of them, ` + "`go -C scenarios/findings test . -update`" + `; ` + "`go -C scenarios/findings test -run 'TestFindings/redis' -v .`" + `
runs some of them.
`

func markdown(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(intro + "\n| program | version | " + strings.Join(models, " | ") + " |\n" + strings.Repeat("| --- ", len(models)+2) + "|\n")
	for _, s := range sections {
		for i := range findings {
			if f := &findings[i]; f.section == s {
				fmt.Fprintf(&b, "| [%s](#%s) | %s |", f.name, anchor(f.name), f.release(t))
				for _, m := range models {
					b.WriteString(" " + f.word(f.verdicts, m) + " |")
				}
				b.WriteString("\n")
			}
		}
	}
	for _, s := range sections {
		b.WriteString("\n## " + string(s) + "\n")
		for i := range findings {
			if f := &findings[i]; f.section == s {
				f.write(t, &b)
			}
		}
	}
	return b.String()
}

// write writes the part of the page that is about a finding.
func (f *finding) write(t *testing.T, b *strings.Builder) {
	t.Helper()
	fmt.Fprintf(b, "\n### %s\n\n", f.name)
	if f.module != "" {
		fmt.Fprintf(b, "- **Version**: %s of the module `%s`.\n", f.release(t), f.module)
	} else {
		fmt.Fprintf(b, "- **Version**: %s, Debian package `%s`.\n", f.version, strings.ReplaceAll(f.debian, " ", "`, `"))
	}
	source := "`" + f.source + "`"
	if strings.HasPrefix(f.source, "http") {
		source = "[source](" + f.source + ")"
	}
	fmt.Fprintf(b, "- **It promises**: %s (%s)\n", f.promise, source)
	fmt.Fprintf(b, "- **Verdict**: %s.\n", f.summary(f.verdicts))
	fmt.Fprintf(b, "- **Story**: %s\n", f.story)
	if f.lacks != "" {
		fmt.Fprintf(b, "- **The sync that is missing**: %s\n", f.lacks)
	}
	if f.fixed != nil && f.fixed.replace == "" {
		fmt.Fprintf(b, "- **With the sync** in a copy of the source, which a test makes and judges: %s.\n", f.summary(f.fixed.verdicts))
	}
	if f.later != "" {
		fmt.Fprintf(b, "- **Other releases**: %s\n", f.later)
	}
	if f.fixed != nil && f.fixed.replace != "" {
		fmt.Fprintf(b, "- **Verdict on %s**, which a test judges: %s.\n", f.fixed.replace, f.summary(f.fixed.verdicts))
	}
	fmt.Fprintf(b, "\n```sh\n%s\n```\n", f.command())
}

// release is the version of the program.
func (f *finding) release(t *testing.T) string {
	t.Helper()
	if f.module == "" {
		return f.version
	}
	info, ok := debug.ReadBuildInfo()
	require.True(t, ok)
	for _, m := range info.Deps {
		if m.Path == f.module {
			return m.Version
		}
	}
	require.Fail(t, "no such module", f.module)
	return ""
}

// anchor is where the heading is found.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return -1
	}, heading)
}

// word is the verdict under a model.
func (f *finding) word(of verdicts, m string) string {
	v := of[m]
	switch {
	case v == none && f.losses == 1:
		return "none up to 1 loss"
	case v == none:
		return fmt.Sprintf("none up to %d losses", f.losses)
	}
	return v
}

// summary is verdicts in words. Models that agree share a word.
func (f *finding) summary(of verdicts) string {
	var words []string
	byVerdict := map[string][]string{}
	for _, m := range models {
		v := f.word(of, m)
		if byVerdict[v] == nil {
			words = append(words, v)
		}
		byVerdict[v] = append(byVerdict[v], m)
	}
	for i, v := range words {
		words[i] = "**" + v + "**"
		if len(byVerdict) > 1 {
			words[i] += " under " + strings.Join(byVerdict[v], ", ")
		}
	}
	summary := strings.Join(words, "; ")
	bounded := ""
	if f.losses > 0 {
		bounded = "; judged up to " + strings.TrimPrefix(f.word(verdicts{"": none}, ""), "none up to ")
	}
	return summary + bounded
}
