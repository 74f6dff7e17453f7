package faultfs

import (
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
)

// modulePath is the import path under which this module's packages stand.
const modulePath = "github.com/crashsim/crashsim"

// framework lists the packages whose frames are never the program's own.
var framework = []string{
	modulePath + "/faultfs.",
	modulePath + "/faultfs/",
	modulePath + "/runner.",
	modulePath + "/runner/",
	"github.com/spf13/afero.",
	"pgregory.net/rapid.", // which calls a workload that it has drawn
	"runtime.",
}

// stackDepth is how many callers are looked at: a site deeper than that is
// unknown.
const stackDepth = 32

// nearDepth is how many callers are looked at first: most programs are found
// among them, and each further caller costs time in every op.
const nearDepth = 8

type (
	siteKey [stackDepth]uintptr
	nearKey [nearDepth]uintptr
)

// sites remembers the site of each short call stack: a workload calls from few
// places many times, and looking frames up by name is slow.
var sites, nearSites sync.Map // siteKey or nearKey -> Site

// callSite returns the innermost place in the program under test from which
// the current call comes: past this module's floors, past afero, and past the
// standard library, so that a bufio.Writer's flush is put down to its caller.
func callSite() CallSite {
	var near nearKey
	n := runtime.Callers(3, near[:])
	site, ok := nearSites.Load(near)
	if !ok {
		site = findSite(near[:n])
		nearSites.Store(near, site)
	}
	if site := site.(CallSite); site != (CallSite{}) || n < nearDepth {
		return site
	}
	return farSite()
}

// farSite looks further, for callers of callSite.
func farSite() CallSite {
	var pcs siteKey
	n := runtime.Callers(4, pcs[:])
	if site, ok := sites.Load(pcs); ok {
		return site.(CallSite)
	}
	site := findSite(pcs[:n])
	sites.Store(pcs, site)
	return site
}

func findSite(pcs []uintptr) CallSite {
	frames := runtime.CallersFrames(pcs)
	for {
		frame, more := frames.Next()
		if frame.File != "" && !isFramework(frame.Function) && !isStandard(frame) {
			return CallSite{File: lastTwo(frame.File), Line: frame.Line, Func: path.Base(frame.Function)}
		}
		if !more {
			return CallSite{}
		}
	}
}

func isFramework(function string) bool {
	for _, prefix := range framework {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}

// isStandard reports whether a frame lies in the standard library: below the
// folder from which a function of it was compiled. In a binary built with
// -trimpath that folder has no name, and import paths tell: those of the
// standard library have no dot in their first element.
func isStandard(frame runtime.Frame) bool {
	if standardRoot != "" {
		return strings.HasPrefix(filepath.ToSlash(frame.File), standardRoot)
	}
	first, _, _ := strings.Cut(frame.Function, "/")
	return !strings.HasPrefix(frame.Function, "main.") &&
		!(strings.Contains(frame.Function, "/") && strings.Contains(first, "."))
}

var standardRoot = func() string {
	pc := reflect.ValueOf(strings.Cut).Pointer()
	file, _ := runtime.FuncForPC(pc).FileLine(pc)
	return strings.TrimSuffix(filepath.ToSlash(file), "strings/strings.go")
}()

func lastTwo(file string) string {
	dir, base := path.Split(filepath.ToSlash(file))
	return path.Join(path.Base(dir), base)
}

// locateDepth is how many callers Locate looks at: a call by way of package os has more of
// them than one on an FS.
const locateDepth = 64

type stackKey [locateDepth]uintptr

// located are the stacks that Locate knows.
var located sync.Map // stackKey -> *locatedAt

type locatedAt struct {
	site  CallSite
	stack []CallSite
}

// Locate sets the Site and the Stack of an op to where the goroutine is now: for a door
// through which a program makes its calls itself.
func (op *Op) Locate() {
	var pcs stackKey
	n := runtime.Callers(2, pcs[:])
	known, ok := located.Load(pcs)
	if !ok {
		at := &locatedAt{site: findSite(pcs[:n])}
		frames := runtime.CallersFrames(pcs[:n])
		for {
			frame, more := frames.Next()
			if frame.File != "" && !isFramework(frame.Function) {
				at.stack = append(at.stack, CallSite{File: lastTwo(frame.File), Line: frame.Line, Func: path.Base(frame.Function)})
			}
			if !more {
				break
			}
		}
		known, _ = located.LoadOrStore(pcs, at)
	}
	at := known.(*locatedAt)
	op.Site, op.Stack = at.site, at.stack
}
