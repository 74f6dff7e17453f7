// Package browser opens the pages of package report in a browser.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/faultfs/persist"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/report"
	"github.com/crashsim/crashsim/scenarios"
	"github.com/crashsim/crashsim/scenarios/lessons"
)

// window is a page in a browser, and what the browser complained of.
type window struct {
	context.Context
	t testing.TB

	mu         sync.Mutex
	complaints []string
}

// open shows a file; the test is skipped where there is no browser.
func open(t testing.TB, file string) *window {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1200, 1000))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	w := &window{Context: ctx, t: t}
	chromedp.ListenTarget(ctx, func(event any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			w.complaints = append(w.complaints, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			w.complaints = append(w.complaints, "console "+e.Type.String())
		case *log.EventEntryAdded:
			w.complaints = append(w.complaints, e.Entry.Text+" "+e.Entry.URL)
		case *page.EventJavascriptDialogOpening:
			w.complaints = append(w.complaints, "dialog "+e.Message)
		}
	})
	w.do(log.Enable(), chromedp.Navigate("file://"+file))
	return w
}

func (w *window) do(actions ...chromedp.Action) {
	w.t.Helper()
	require.NoError(w.t, chromedp.Run(w, actions...))
}

// eval returns what an expression is, as text.
func (w *window) eval(expression string) string {
	w.t.Helper()
	var out any
	w.do(chromedp.Evaluate(expression, &out))
	return fmt.Sprint(out)
}

// quiet requires that the browser complained of nothing.
func (w *window) quiet() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Empty(w.t, w.complaints)
}

func (w *window) keys(keys string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(keys))
}

func (w *window) click(selector string) {
	w.t.Helper()
	w.do(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).click()", selector), nil))
}

const (
	shown = `section.part:not([hidden]) > details[open]`
	where = `document.querySelector("` + shown + ` .where").textContent`
	cells = `document.querySelector("` + shown + ` .cells").innerText`
)

// written writes a page of scenarios into a file.
func written(t testing.TB, models []string, names ...string) string {
	t.Helper()
	p := report.Page{Title: "What a crash can leave"}
	for _, name := range names {
		s, ok := scenarios.Find(name)
		require.True(t, ok, name)
		var o runner.Options
		for _, name := range models {
			m, err := model.Parse(name)
			require.NoError(t, err)
			o.Models = append(o.Models, m)
		}
		results, err := runner.Run(context.Background(), s, o)
		require.NoError(t, err)
		for i := range results {
			p.Sections = append(p.Sections, results[i].Sections()...)
		}
	}
	return saved(t, p)
}

func saved(t testing.TB, p report.Page) string {
	t.Helper()
	text, err := p.HTML()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	return file
}

// shoot keeps what the page looks like, for a person to look at: with
// go test -artifacts.
func (w *window) shoot(t *testing.T, name string) {
	t.Helper()
	var png []byte
	w.do(chromedp.FullScreenshot(&png, 100))
	require.NoError(t, os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), png, 0o644))
}

func TestThePageLoadsAndTheSliderMoves(t *testing.T) {
	w := open(t, written(t, []string{"ext4"}, "rename-without-fsync"))
	require.Contains(t, w.eval(where), "This is failure 1 of 1")
	require.Contains(t, w.eval(cells), "the rest is lost")
	require.Contains(t, w.eval(`document.querySelector(".ops .lost").textContent`), "write /etc/app.conf.tmp")

	require.Equal(t, "1", w.eval(`document.querySelector("input[type=range]").labels.length`), "the slider has a name")

	first := w.eval(where)
	w.keys(kb.ArrowLeft)
	require.NotEqual(t, first, w.eval(where))
	require.NotContains(t, w.eval(where), "failure")
	require.Contains(t, w.eval(cells), "one of")
	w.keys("n")
	require.Equal(t, first, w.eval(where))
	w.keys(kb.Home)
	require.Contains(t, w.eval(where), "before the first op")
	w.keys(kb.End)
	require.Equal(t, w.eval(`document.querySelector("input[type=range]").max`), w.eval(`document.querySelector("input[type=range]").value`))
	w.keys(kb.PageUp)
	up := w.eval(where)
	w.keys(kb.PageDown)
	require.NotEqual(t, up, w.eval(where))

	w.do(chromedp.Evaluate(`{const s = document.querySelector("input[type=range]"); s.value = 2; s.dispatchEvent(new Event("input"));}`, nil))
	require.Contains(t, w.eval(where), "after op 2: write /etc/app.conf.tmp")
	w.click("button.go")
	require.Equal(t, first, w.eval(where))
	w.do(chromedp.Evaluate(`document.querySelectorAll(".timeline .op")[7].dispatchEvent(new Event("click"))`, nil))
	require.Contains(t, w.eval(where), "after op 8: mark saved")
	w.shoot(t, "light")
	w.quiet()
}

// What the page shows of each crash point is what the engine says of it.
func TestThePageKnowsWhatIsForced(t *testing.T) {
	s, _ := scenarios.Find("rename-without-directory-fsync")
	m, err := model.Parse("posix")
	require.NoError(t, err)
	results, err := runner.Run(t.Context(), s, runner.Options{Models: []model.Model{m}})
	require.NoError(t, err)
	plan := results[0].Plan
	w := open(t, saved(t, report.Page{Title: "x", Sections: results[0].Sections()}))
	b := plan.NewBox()
	for point := range plan.Points() {
		b.Move(point)
		open, settled := 0, 0
		for c := range plan.Cells() {
			switch bound := b.Bound(persist.Cell(c)); {
			case bound.Hi == 0:
			case bound.Lo < bound.Hi:
				open++
			default:
				settled++
			}
		}
		w.do(chromedp.Evaluate(fmt.Sprintf(`{const s = document.querySelector("input[type=range]"); s.value = %d; s.dispatchEvent(new Event("input"));}`, point), nil))
		require.Equal(t, fmt.Sprintf("%d may be lost, %d forced.", open, settled), w.eval(`document.querySelector(".more").textContent`), "point %d", point)
	}
	w.quiet()
}

// The matrix filters the parts, the first broken one is open, and kept ones are
// folded.
func TestTheMatrixLeadsToTheParts(t *testing.T) {
	w := open(t, written(t, []string{"kill", "posix"}, "rename-without-fsync", "retry-fsync"))
	visible := func() string {
		return w.eval(`[...document.querySelectorAll("section.part:not([hidden])")].map((s) => s.dataset.program + " " + s.dataset.model).join(", ")`)
	}
	unfolded := func() string {
		return w.eval(`[...document.querySelectorAll("` + shown + `")].map((d) => d.parentElement.id).join(" ")`)
	}
	goTo := func(link string) {
		w.do(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).click()", link), nil), chromedp.Sleep(150*time.Millisecond))
	}
	require.Equal(t, "4", w.eval(`document.querySelectorAll(".matrix td .cell").length`))
	require.Equal(t, "part1", unfolded(), "the first broken one")
	require.Contains(t, w.eval(where), "failure 1 of 1")
	goTo(`.matrix [data-program="retry-fsync"]`)
	require.NotContains(t, visible(), "rename-without-fsync")
	require.Contains(t, visible(), "retry-fsync kill, retry-fsync posix")
	require.Equal(t, "true", w.eval(`document.querySelector('.matrix [data-program="retry-fsync"]').getAttribute("aria-current")`))
	goTo(`.matrix [data-model="kill"]`)
	require.Equal(t, "rename-without-fsync kill, retry-fsync kill", visible())
	goTo(`.matrix .cell[href="#part1"]`)
	require.Equal(t, "rename-without-fsync posix", visible())
	require.Equal(t, "part1", unfolded())
	goTo(`.matrix .all-parts`)
	require.Contains(t, visible(), "rename-without-fsync kill, rename-without-fsync posix, retry-fsync kill")
	w.quiet()
}

// A failure shows what the files hold, and the lines of the calls.
func TestAFailureShowsFilesAndSourceLines(t *testing.T) {
	s, _ := scenarios.Find("rename-without-fsync")
	m, err := model.Parse("ext4")
	require.NoError(t, err)
	results, err := runner.Run(t.Context(), s, runner.Options{Models: []model.Model{m}})
	require.NoError(t, err)
	w := open(t, saved(t, report.Page{Title: "x", Sections: results[0].Sections(), Sources: report.FindSources("../../..")}))
	require.Equal(t, "/etc/app.conf", w.eval(`document.querySelector(".file caption").textContent`))
	require.Contains(t, w.eval(`document.querySelectorAll(".file td")[0].innerText`), "port=80")
	require.Contains(t, w.eval(`document.querySelectorAll(".file td")[1].innerText`), "port=8080")
	require.Equal(t, "wrong", w.eval(`document.querySelectorAll(".file td")[2].className`))
	require.Contains(t, w.eval(`document.querySelector(".code .here").textContent`), "afero.WriteFile")
	require.Contains(t, w.eval(`document.querySelector(".ops .at .here").textContent`), "disk.Rename")
	require.Equal(t, "false", w.eval(`document.querySelector(".more-about").open`), "the long sentence is folded")
	w.quiet()
}

// The timeline fills its box and zooms; the names of its rows stay in sight, and no
// label is cut off.
func TestTheTimelineFitsAndZooms(t *testing.T) {
	w := open(t, written(t, []string{"ext4"}, "rename-without-fsync"))
	width := `document.querySelector(".timeline svg").getBoundingClientRect().width`
	box := w.eval(`document.querySelector(".timeline").clientWidth`)
	require.Equal(t, box, w.eval(width))
	w.keys("+")
	require.Equal(t, "true", w.eval(width+` > `+box))
	w.click(".zoom .fit")
	require.Equal(t, box, w.eval(width))
	w.keys(kb.End)
	inside := `(() => { const c = document.querySelector(".timeline .cut").getBoundingClientRect(), s = document.querySelector(".timeline svg").getBoundingClientRect(); return c.right <= s.right && c.left >= s.left; })()`
	require.Equal(t, "true", w.eval(inside))
	w.keys(kb.Home)
	require.Equal(t, "true", w.eval(inside))
	w.do(emulation.SetDeviceMetricsOverride(400, 740, 1, true))
	w.keys(kb.End)
	require.Equal(t, "true", w.eval(`document.querySelector(".timeline").scrollLeft > 0`))
	require.Equal(t, "true", w.eval(`(() => { const r = document.querySelector(".rows div").getBoundingClientRect(); return r.left >= 0 && r.width > 40; })()`))
	require.Equal(t, "400", w.eval(`document.documentElement.scrollWidth`))
	w.quiet()
}

func TestThePageSuitsScreensOfAllKinds(t *testing.T) {
	w := open(t, written(t, []string{"ext4", "posix"}, "rename-without-fsync", "append-log"))
	media := func(name, value string) chromedp.Action {
		return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: name, Value: value}})
	}
	w.do(media("prefers-color-scheme", "dark"))
	require.Equal(t, "rgb(20, 24, 31)", w.eval(`getComputedStyle(document.body).backgroundColor`))
	w.shoot(t, "dark")
	w.do(media("prefers-color-scheme", "light"), emulation.SetDeviceMetricsOverride(360, 740, 2, true))
	require.Equal(t, "360", w.eval(`document.documentElement.scrollWidth`))
	w.shoot(t, "phone")
	w.do(emulation.ClearDeviceMetricsOverride(), emulation.SetEmulatedMedia().WithMedia("print"),
		chromedp.Evaluate(`dispatchEvent(new Event("beforeprint"))`, nil))
	require.Equal(t, "false", w.eval(`[...document.querySelectorAll("section.part")].some((p) => p.hidden)`))
	require.Equal(t, "block", w.eval(`getComputedStyle(document.querySelector(".picture")).display`))
	w.shoot(t, "print")
	w.do(emulation.SetEmulatedMedia().WithMedia("print").WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	require.Equal(t, "rgb(255, 255, 255)", w.eval(`getComputedStyle(document.querySelector(".part")).backgroundColor`), "paper is white")
	w.quiet()
}

// hostile is a program whose names and data would do harm as markup.
func hostile(t testing.TB) *persist.Plan {
	t.Helper()
	fs := faultfs.New()
	for _, name := range []string{
		"/</script><script>alert(1)</script>", "/<img src=x onerror=alert(1)>", "/\u202egpj.exe", "/\x00\x1b[31m", `/"'&amp;`, "/</title>", "/<!--",
	} {
		f, err := fs.Create(name)
		if err != nil {
			continue // not a name
		}
		_, err = f.WriteString(name)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		fs.Mark(name)
	}
	return persist.Lower(fs.Trace(), model.Default())
}

func TestHostileNamesAreText(t *testing.T) {
	plan := hostile(t)
	evil := "</script><script>alert(2)</script><b>"
	w := open(t, saved(t, report.Page{Title: evil, Sections: []report.Section{{
		Name: evil, Plan: plan, Verdict: evil, Notes: []string{evil}, Fix: []string{evil}, Audit: []string{evil},
		Numbers:  []report.Number{{Name: evil, Value: evil}},
		Failures: []report.Failure{{Kind: evil, Story: evil, Detail: []string{evil}, Replay: evil, Point: 2}},
	}}}))
	require.Equal(t, "2", w.eval(`document.scripts.length`), "the data and the script")
	require.Equal(t, "0", w.eval(`document.querySelectorAll("b, img").length`))
	require.Contains(t, w.eval(`document.title`), evil)
	w.keys(kb.Home)
	require.Contains(t, w.eval(`document.querySelector(".ops").textContent`), "onerror=alert(1)")
	w.quiet()
}

// long is a program of very many ops.
func long(t testing.TB, ops int) *persist.Plan {
	t.Helper()
	fs := faultfs.New()
	f, err := fs.Create("/log")
	require.NoError(t, err)
	for i := 0; len(fs.Trace().Ops) < ops && i < ops/2; i++ {
		_, err := f.WriteString(strings.Repeat("x", 100))
		require.NoError(t, err)
		if i%10 == 9 {
			require.NoError(t, f.Sync())
		}
		fs.Mark("logged")
	}
	return persist.Lower(fs.Trace(), model.Default())
}

func TestLargeTracesStayUsable(t *testing.T) {
	plan := long(t, 10_000)
	require.GreaterOrEqual(t, len(plan.Trace().Ops), 10_000)
	w := open(t, saved(t, report.Page{Title: "long", Sections: []report.Section{{Name: "long", Plan: plan, Verdict: "kept", Good: true}}}))
	w.keys(kb.Home)
	require.Contains(t, w.eval(where), "before the first op")
	w.keys(kb.ArrowRight)
	require.Contains(t, w.eval(where), "after op 1:")
	w.keys(kb.End)
	require.Contains(t, w.eval(where), fmt.Sprintf("after op %d:", len(plan.Trace().Ops)))
	w.do(emulation.SetEmulatedMedia().WithMedia("print"))
	require.Equal(t, "block", w.eval(`getComputedStyle(document.querySelector(".picture")).display`))
	t.Logf("usable after %s ms", w.eval(`document.documentElement.dataset.ready`))
	w.quiet()
}

// The lessons as pages.
func TestTheCourseLoads(t *testing.T) {
	files, err := lessons.HTML(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	w := open(t, filepath.Join(dir, "index.html"))
	w.shoot(t, "course")
	w.click(".lessons a")
	require.Eventually(t, func() bool { return w.eval(`document.querySelector("details") !== null`) == "true" }, time.Minute, 50*time.Millisecond)
	require.Equal(t, "false", w.eval(`document.querySelector("details").open`))
	w.click("summary")
	require.Equal(t, "true", w.eval(`document.querySelector("details").open`))
	w.do(emulation.SetDeviceMetricsOverride(360, 740, 2, true))
	require.Equal(t, "360", w.eval(`document.documentElement.scrollWidth`))
	w.shoot(t, "lesson-phone")
	w.quiet()
}

// How long a page takes from its load to the first state shown, in
// milliseconds.
func BenchmarkPage(b *testing.B) {
	for _, ops := range []int{200, 10_000} {
		b.Run(fmt.Sprint(ops), func(b *testing.B) {
			file := saved(b, report.Page{Title: "long", Sections: []report.Section{{Name: "long", Plan: long(b, ops), Verdict: "kept", Good: true}}})
			info, err := os.Stat(file)
			require.NoError(b, err)
			w := open(b, file)
			var ready float64
			for b.Loop() {
				w.do(chromedp.Navigate("file://"+file), chromedp.Evaluate(`Number(document.documentElement.dataset.ready)`, &ready))
			}
			b.ReportMetric(ready, "ms/usable")
			b.ReportMetric(float64(info.Size()), "bytes/page")
		})
	}
}
