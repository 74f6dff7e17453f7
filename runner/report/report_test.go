package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
)

var update = flag.Bool("update", false, "rewrite the picture")

// saving is a program that replaces a file without a sync of it, twice.
func saving(t testing.TB, saves int) *persist.Plan {
	t.Helper()
	fs := faultfs.New()
	for range saves {
		f, err := fs.Create("/f.tmp")
		require.NoError(t, err)
		_, err = f.WriteString("new")
		require.NoError(t, errors.Join(err, f.Close(), fs.Rename("/f.tmp", "/f")))
		d, err := fs.Open("/")
		require.NoError(t, err)
		require.NoError(t, errors.Join(d.Sync(), d.Close()))
		fs.Mark("saved")
	}
	return persist.Lower(fs.Trace(), model.Default())
}

// torn is a part with a failure: the data of the first write is lost.
func torn(t testing.TB, saves int) Section {
	t.Helper()
	plan := saving(t, saves)
	return Section{
		Name: "saving", Plan: plan, Verdict: "broken(torn)",
		Failures: []Failure{{Kind: "torn", Story: "torn /f: is empty", Point: 4, Lost: plan.Effects(1)[:1]}},
	}
}

func TestPicture(t *testing.T) {
	section := torn(t, 2)
	got := section.SVG()
	const file = "testdata/timeline.svg"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	wellFormed(t, got)
	require.Equal(t, 1, bytes.Count(got, []byte(`class="lost"`)))
	require.Equal(t, len(section.Plan.Trace().Ops), bytes.Count(got, []byte("<g ")))
}

// A picture of a long trace is of the ops up to the failure.
func TestPictureOfALongTraceEndsBehindTheFailure(t *testing.T) {
	section := torn(t, 200)
	section.Failures[0].Point = 1000
	got := string(section.SVG())
	require.Equal(t, pictureOps, strings.Count(got, "<g "))
	require.Contains(t, got, "power cut")
	section.Failures = nil
	require.Equal(t, pictureOps, strings.Count(string(section.SVG()), "<g "))
}

func wellFormed(t require.TestingT, svg []byte) {
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// outline is the elements of a page, with their attributes' names, in order.
func outline(t require.TestingT, page []byte) (elements []string, data []byte) {
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			require.ErrorIs(t, z.Err(), io.EOF)
			return elements, data
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			line := token.Data
			for _, a := range token.Attr {
				line += " " + a.Key
			}
			elements = append(elements, line)
			if token.Data == "script" && len(token.Attr) > 0 {
				z.Next()
				data = bytes.Clone(z.Text())
			}
		}
	}
}

// evilPage is a page in which every text is the same.
func evilPage(t require.TestingT, text string) []byte {
	fs := faultfs.New()
	name := "/" + strings.Map(func(r rune) rune {
		if r == 0 || r == '/' {
			return 'x'
		}
		return r
	}, text)
	if f, err := fs.Create(name); err == nil {
		_, err = f.WriteString(text)
		require.NoError(t, errors.Join(err, f.Close()))
	} else { // not a name: the page has as many elements as with one
		f, err := fs.Create("/f")
		require.NoError(t, err)
		_, err = f.WriteString(text)
		require.NoError(t, errors.Join(err, f.Close()))
	}
	fs.Mark(text)
	plan := persist.Lower(fs.Trace(), model.Default())
	page, err := Page{Title: text, Sections: []Section{{
		Name: text, Plan: plan, Verdict: text, Notes: []string{text}, Fix: []string{text}, Audit: []string{text},
		Numbers:  []Number{{text, text}},
		Failures: []Failure{{Kind: text, Story: text, Detail: []string{text}, Replay: text + "x", Point: 1}},
	}}}.HTML()
	require.NoError(t, err)
	return page
}

// Whatever names and data say, the page has the elements that it has with
// harmless ones, and the data is JSON.
func checkEvil(t require.TestingT, text string) {
	want, _ := outline(t, evilPage(t, "harmless"))
	page := evilPage(t, text)
	got, data := outline(t, page)
	// A failed op with no name has none; the trace is then shorter by its text only.
	require.Equal(t, drop(want), drop(got), "%q", text)
	var d sectionData
	require.NoError(t, json.Unmarshal(data, &d))
	require.Negative(t, strings.IndexFunc(string(page), func(r rune) bool {
		return r != '\n' && !unicode.IsPrint(r) && r != unicode.ReplacementChar
	}), "%q: a character that cannot be seen", text)
}

// drop leaves out the ops, which may be one more where a name was refused.
func drop(elements []string) []string {
	var kept []string
	for _, e := range elements {
		if e == "li" || strings.HasPrefix(e, "g ") || strings.HasPrefix(e, "circle ") || strings.HasPrefix(e, "text ") || e == "title" ||
			strings.HasPrefix(e, "svg ") || strings.HasPrefix(e, "line ") || strings.HasPrefix(e, "rect ") || strings.HasPrefix(e, "path ") {
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

func TestEvilTextStaysText(t *testing.T) {
	for _, text := range []string{
		"</script><script>alert(1)</script>", "<!--", "-->", "]]>", "<img src=x onerror=alert(1)>", `"'>&lt;`, "\u202etxt", "\u2028\u2029",
		"\x00\x1b[2J", "{{.Title}}", "</style>", "</title><b>", "\xff\xfe", "javascript:alert(1)", "</svg><b>",
	} {
		checkEvil(t, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		checkEvil(t, strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{
			"<", ">", "/", "script", "!--", "-", "\"", "'", "&", "\x00", "\u202e", "a", " ", "=", "\n", "]]>", "\xff", "`", "{{",
		})).Draw(t, "pieces"), ""))
	})
}

func FuzzPage(f *testing.F) {
	f.Add("</script>")
	f.Fuzz(func(t *testing.T, text string) { checkEvil(t, text) })
}

// The policy names the style and the script that the page has, and nothing else
// may run or be fetched.
func TestPolicyAllowsOnlyThePageItself(t *testing.T) {
	page, err := Page{Title: "t", Sections: []Section{torn(t, 1)}}.HTML()
	require.NoError(t, err)
	text := string(page)
	require.Contains(t, text, "<style>"+style+"</style>")
	require.Contains(t, text, "<script>"+script+"</script>")
	require.Contains(t, html.UnescapeString(text), "default-src 'none'; style-src "+hash(style)+"; script-src "+hash(script)+";")
	require.NotContains(t, script, "innerHTML")
	require.NotContains(t, script, "insertAdjacentHTML")
	require.NotContains(t, text, " style=")
	require.NotContains(t, text, " onclick=")
	require.NotRegexp(t, `(src|href)="[^#"]`, text)
}

// What the script works out from the rises is the bounds of the box, at each
// point.
func TestRisesAddUpToTheBounds(t *testing.T) {
	section := torn(t, 5)
	text, err := section.data(nil)
	require.NoError(t, err)
	var d sectionData
	require.NoError(t, json.Unmarshal(text, &d))
	require.Len(t, d.Points, section.Plan.Points())
	high, low := make([]int, len(d.Cells)), make([]int, len(d.Cells))
	box := section.Plan.NewBox()
	for i, p := range d.Points {
		for k := 0; k < len(p.High); k += 2 {
			high[p.High[k]] = p.High[k+1]
		}
		for k := 0; k < len(p.Low); k += 2 {
			low[p.Low[k]] = p.Low[k+1]
		}
		box.Move(i)
		for c := range d.Cells {
			b := box.Bound(persist.Cell(c))
			require.Equal(t, [2]int{int(b.Lo), int(b.Hi)}, [2]int{low[c], high[c]}, "point %d, %s", i, d.Cells[c])
		}
	}
}

func TestManyFilesShareALane(t *testing.T) {
	fs := faultfs.New()
	for i := range 3 * maxLanes {
		f, err := fs.Create(fmt.Sprintf("/%d", i))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	lanes, laneOf := lanesOf(fs.Trace().Ops)
	require.Len(t, lanes, maxLanes)
	require.Equal(t, "other files", lanes[maxLanes-1])
	require.Equal(t, maxLanes-1, laneOf[len(laneOf)-1])
}

// The sizes of pages, by the ops that they show.
func BenchmarkHTML(b *testing.B) {
	for _, ops := range []int{200, 10_000} {
		b.Run(fmt.Sprint(ops), func(b *testing.B) {
			page := Page{Title: "t", Sections: []Section{torn(b, ops/8)}}
			var text []byte
			for b.Loop() {
				var err error
				text, err = page.HTML()
				require.NoError(b, err)
			}
			b.ReportMetric(float64(len(text)), "bytes/page")
		})
	}
}

// A page of 200 ops is sent by mail: it is small.
func TestPageIsSmall(t *testing.T) {
	page, err := Page{Title: "t", Sections: []Section{torn(t, 200/8)}}.HTML()
	require.NoError(t, err)
	require.Less(t, len(page), 200_000)
}

// At the last point of a short program the words at the crash stand in front of it.
func TestPictureCutsOffNoLabel(t *testing.T) {
	section := torn(t, 2)
	section.Failures[0].Point = section.Plan.Points() - 1
	require.Contains(t, string(section.SVG()), `text-anchor="end" class="crash">power cut<`)
	section.Failures[0].Point = 1
	require.Contains(t, string(section.SVG()), `text-anchor="start" class="crash">power cut<`)
}

func TestHeadlineSaysWhatIsWrongAndNoMore(t *testing.T) {
	for story, want := range map[string]string{
		"torn /f: is empty; power cut after write":                                              "/f: is empty",
		"torn /f: holds no whole version; it has 9 bytes; with the fault \"x\" at y; power cut": "/f: holds no whole version",
		"torn " + strings.Repeat("x", 500):                                                      strings.Repeat("x", headlineLength-3) + "...",
	} {
		require.Equal(t, want, Failure{Kind: "torn", Story: story}.Headline())
	}
}

// A plus sign stands in front of what is to be added, and of nothing else.
func TestOnlyWhatIsAddedHasAPlusSign(t *testing.T) {
	section := torn(t, 1)
	section.Fix = []string{"no set of syncs repairs it: something else has to change", "sync /f after write", "missing: fsync /f"}
	page, err := Page{Title: "t", Sections: []Section{section}}.HTML()
	require.NoError(t, err)
	require.Contains(t, string(page), "<li>no set of syncs repairs it")
	require.Equal(t, 2, strings.Count(string(page), `<li class="add">`))
}

func TestMatrixHasEachProgramAndModelOnce(t *testing.T) {
	require.Nil(t, matrixOf([]Section{torn(t, 1)}))
	a, b, c := torn(t, 1), torn(t, 1), torn(t, 1)
	b.Program, b.Name = "saving", "saving; with a fault"
	c.Name, c.Verdict, c.Good, c.Failures = "other", "kept", true, nil
	m := matrixOf([]Section{a, b, c})
	require.Equal(t, &matrix{Models: []string{"posix"}, Rows: []matrixRow{
		{"saving", []matrixCell{{"broken", "torn", "bad", 0}}}, {"other", []matrixCell{{"kept", "", "good", 2}}},
	}}, m)
	require.Equal(t, 1, firstBroken([]Section{c, a}))
	require.Equal(t, 0, firstBroken([]Section{c, c}))
}

func TestContentsAreComparedWithWhatTheProgramSaw(t *testing.T) {
	file := func(data string) Content { return Content{Exists: true, Mode: "0644", Data: []byte(data)} }
	f := File{Path: "/f", Before: file("old\n"), Cache: file("one\ntwo\nthree\n"), Disk: file("one\n\x00\x00\x00\x00\x00\x00\x00\x00ree\n"), Recovered: file("one\n")}
	v := f.view()
	require.Equal(t, columnView{Title: "before the run", About: "4 bytes, 0644", Start: "old↵\n"}, v.Columns[0])
	require.Equal(t, columnView{Title: "on the disk after the cut", About: "16 bytes, 0644", Wrong: true, Start: "one↵\n", Middle: `⟨\x00 × 8⟩`, Rest: "ree↵\n"}, v.Columns[2])
	require.Equal(t, columnView{Title: "after recovery", About: "4 bytes, 0644", Wrong: true, Start: "one↵\n", Gap: "10 bytes missing"}, v.Columns[3])
	f.Disk, f.Recovered = Content{}, f.Cache
	v = f.view()
	require.Equal(t, columnView{Title: "on the disk after the cut", About: "not there", Wrong: true}, v.Columns[2])
	require.False(t, v.Columns[3].Wrong)
	big := bytesText(bytes.Repeat([]byte("0123456789"), 1<<20), true)
	require.Less(t, len(big), 1000)
	require.Contains(t, big, "bytes not shown")
	long := []byte(strings.Repeat("x\n", 100))
	require.Equal(t, strings.Repeat("x↵\n", shownLines)+"(89 lines not shown)\n", bytesText(long, true))
	require.Equal(t, "(89 lines not shown)\n"+strings.Repeat("x↵\n", shownLines-1), bytesText(long, false))
}

func TestSourceLinesAreThoseAroundACall(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(dir+"/pkg", 0o777))
	require.NoError(t, os.WriteFile(dir+"/pkg/a.go", []byte("1\n2\n\t3\x1b\n4\n5\n6\n"), 0o600))
	require.NoError(t, os.WriteFile(dir+"/pkg/secret.txt", []byte("1\n"), 0o600))
	s := FindSources(dir)
	require.Equal(t, &excerpt{Site: "pkg/a.go:3", First: 1, At: 3, Lines: []string{"1", "2", `    3\x1b`, "4", "5"}}, s.around(faultfs.CallSite{File: "pkg/a.go", Line: 3}))
	for _, site := range []faultfs.CallSite{{}, {File: "pkg/a.go", Line: 7}, {File: "pkg/a.go"}, {File: "pkg/secret.txt", Line: 1}, {File: "../etc/passwd", Line: 1}} {
		require.Nil(t, s.around(site), site)
	}
	require.Nil(t, (*Sources)(nil).around(faultfs.CallSite{File: "pkg/a.go", Line: 1}))
}
