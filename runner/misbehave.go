package runner

import (
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/crashsim/crashsim/oracle"
)

// panicked is the judgement of a checker that panicked. It must be called from
// the deferred function that recovered.
func panicked(value any) *judgement {
	var pcs [64]uintptr
	n := runtime.Callers(2, pcs[:])
	frames := runtime.CallersFrames(pcs[:n])
	var stack []string
	for {
		frame, more := frames.Next()
		if !isOwnFrame(frame.Function) {
			stack = append(stack, fmt.Sprintf("%s %s:%d", frame.Function, shortFile(frame.File), frame.Line))
		}
		if !more {
			break
		}
	}
	return misbehaved(oracle.Refused, fmt.Sprintf("the checker panicked: %v", value), stack)
}

// exited is the judgement of a checker that ended its goroutine.
func exited() *judgement {
	return misbehaved(oracle.Refused, "the checker ended its goroutine (runtime.Goexit, or FailNow of a test)", nil)
}

// hung is the judgement of a checker that did not come to an end.
func hung(timeout time.Duration, stack []string) *judgement {
	return misbehaved(oracle.Hung, fmt.Sprintf("the checker ran for more than %v", timeout), stack)
}

func misbehaved(kind oracle.Kind, detail string, stack []string) *judgement {
	return &judgement{
		violations: []oracle.Violation{{Kind: kind, Detail: detail}},
		stack:      strings.Join(stack, "\n"),
	}
}

// isOwnFrame reports whether a function is the runtime's or the runner's, of
// which a stack of the checker says nothing.
func isOwnFrame(function string) bool {
	return strings.HasPrefix(function, "runtime.") ||
		strings.HasPrefix(function, "github.com/crashsim/crashsim/runner.(*worker)") ||
		strings.HasPrefix(function, "github.com/crashsim/crashsim/runner.(*Scenario)")
}

func shortFile(file string) string {
	dir, base := path.Split(file)
	return path.Join(path.Base(dir), base)
}

// goroutineID returns the number of the current goroutine, as stacks show it.
func goroutineID() string {
	var buf [64]byte
	text := string(buf[:runtime.Stack(buf[:], false)])
	id, _, _ := strings.Cut(strings.TrimPrefix(text, "goroutine "), " ")
	return id
}

// stackOf returns the functions and lines where a goroutine is now, the
// innermost first, without addresses.
func stackOf(goroutine string) []string {
	buf := make([]byte, 1<<20)
	text := string(buf[:runtime.Stack(buf, true)])
	for _, block := range strings.Split(text, "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if !strings.HasPrefix(lines[0], "goroutine "+goroutine+" ") {
			continue
		}
		var stack []string
		for i := 1; i+1 < len(lines); i += 2 {
			function := lines[i]
			if open := strings.LastIndexByte(function, '('); open > 0 {
				function = function[:open]
			}
			where, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " ")
			if !isOwnFrame(function) && !strings.HasPrefix(function, "created by ") {
				stack = append(stack, function+" "+shortFile(where))
			}
		}
		return stack
	}
	return nil
}
