package lessons

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/crashsim/crashsim/faultfs"
)

var update = flag.Bool("update", false, "rewrite the lessons as they are played")

// What a lesson says is what the engine computes: a verdict or a number that
// changes, changes the file, and one that the prose goes on from is an error.
func TestLessonsArePlayedAsBefore(t *testing.T) {
	for _, l := range All() {
		t.Run(l.Name, func(t *testing.T) {
			scenes, err := l.Play(t.Context())
			require.NoError(t, err)
			text := strings.Join(l.Text(scenes), "\n")
			file := filepath.Join("testdata", l.Name+".txt")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), text)
			for line := range strings.Lines(text) {
				require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 80, "%q", line)
			}
		})
	}
}

// Every lesson asks, and computes what it answers.
func TestEveryQuestionIsAnsweredByTheEngine(t *testing.T) {
	for _, l := range All() {
		require.NotEmpty(t, l.Remember, l.Name)
		require.NotEmpty(t, l.Try, l.Name)
		scenes, err := l.Play(t.Context())
		require.NoError(t, err)
		for _, s := range scenes {
			answer := s.Blocks[s.Answer():]
			require.NotEmpty(t, answer, "%s, %q asks nothing, or has no answer", l.Name, s.Title)
			require.True(t, slices.ContainsFunc(answer, func(b Block) bool { return b.Kind == Look }), "%s, %q", l.Name, s.Title)
		}
	}
}

// Prose holds no number that the engine could have computed.
func TestProseHoldsNoNumbers(t *testing.T) {
	digits := regexp.MustCompile(`[0-9]+`)
	known := []string{"9", "10", "4", "1024"} // kill -9, the 10 that Anna pays, ext4, the unit that a scene sets
	for _, l := range All() {
		scenes, err := l.Play(t.Context())
		require.NoError(t, err)
		for _, s := range scenes {
			for _, b := range s.Blocks {
				if b.Kind != Say && b.Kind != Ask {
					continue
				}
				for _, number := range digits.FindAllString(strings.ReplaceAll(strings.Join(b.Lines, " "), "(2)", ""), -1) {
					require.Contains(t, known, number, "%s, %q", l.Name, s.Title)
				}
			}
		}
	}
}

func TestAnAnswerThatIsNotTheExpectedOneIsAnError(t *testing.T) {
	s := saving("by-rename", saveByRename)
	for what, p := range map[string]piece{
		"is broken(torn), and the lesson goes on from kept": crash(s, map[string]string{"posix": "kept"}),
		"lacks 1 syncs, and the lesson goes on from 2":      fixed(s, "posix", 2),
		"leave different disks":                             same(s, saving("synced", saveSynced), "posix"),
		"nothing vanishes under kill":                       gone(s, s, "kill"),
		"there is no disk with no name":                     example(s, faultfs.OpNone, "posix", "no name", missing("/conf")),
		"the program has no mkdir":                          now(s, faultfs.OpMkdir, "posix"),
		"there is no program nothing":                       code("nothing"),
	} {
		_, err := p(t.Context())
		require.ErrorContains(t, err, what)
	}
	_, err := Lesson{Name: "wrong", scenes: []scene{{"here", []piece{code("nothing")}}}}.Play(t.Context())
	require.ErrorContains(t, err, `lesson wrong, "here"`)
}

// The source that is shown is what runs: each program of the course is shown
// somewhere, apart from what only helps.
func TestEveryProgramIsShown(t *testing.T) {
	shown := ""
	for _, l := range All() {
		scenes, err := l.Play(t.Context())
		require.NoError(t, err)
		shown += strings.Join(l.Text(scenes), "\n")
	}
	file, err := parser.ParseFile(token.NewFileSet(), "programs.go", nil, 0)
	require.NoError(t, err)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name != "page" && f.Name.Name != "put" {
			require.Contains(t, shown, "func "+f.Name.Name+"(")
		}
	}
}

func TestPagesAreWholeAndLinked(t *testing.T) {
	files, err := HTML(t.Context())
	require.NoError(t, err)
	require.Len(t, files, len(All())+1)
	sum := sha256.Sum256([]byte(style))
	for name, page := range files {
		require.Less(t, len(page), 100_000, name)
		policy, answers := "", 0
		z := html.NewTokenizer(bytes.NewReader(page))
		for z.Next() != html.ErrorToken {
			token := z.Token()
			if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
				continue
			}
			require.NotContains(t, []string{"script", "img", "link", "iframe"}, token.Data, name)
			if token.Data == "details" {
				answers++
			}
			for _, a := range token.Attr {
				require.NotContains(t, []string{"src", "style", "onclick"}, a.Key, name)
				if a.Key == "href" {
					require.Contains(t, files, a.Val, "%s links %s", name, a.Val)
				}
				if a.Key == "content" && strings.HasPrefix(a.Val, "default-src 'none'") {
					policy = a.Val
				}
			}
		}
		require.Contains(t, policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'", name)
		require.Contains(t, string(page), "<style>"+style+"</style>", name)
		if name != "index.html" {
			require.NotZero(t, answers, name)
		}
	}
}

// A line that would be markup is text in a page.
func TestBlocksAreEscaped(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, templates.ExecuteTemplate(&b, "blocks", []Block{{Kind: Look, Title: "<b>", Lines: []string{"<script>alert(1)</script>"}}}))
	require.NotContains(t, b.String(), "<script>")
	require.NotContains(t, b.String(), "<b>")
}

func TestRunsOfAByteAreShownShort(t *testing.T) {
	for data, want := range map[string]string{
		"": "is empty", "new": `"new"`, "\x00\x00\x00": `"\x00" * 3`, "aab\n": `"aab\n"`,
		"x" + strings.Repeat("\x00", 9) + "yy": `"x" + "\x00" * 9 + "yy"`,
	} {
		require.Equal(t, want, contents([]byte(data)))
	}
}
