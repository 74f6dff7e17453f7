package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/crashsim/crashsim/runner/outfile"
	"github.com/crashsim/crashsim/runner/show"
	"github.com/crashsim/crashsim/scenarios/lessons"
)

func (a *app) demoCommand() *cobra.Command {
	var auto bool
	var delay time.Duration
	var dir string
	cmd := &cobra.Command{
		Use:   "demo [NAME]",
		Short: "Play short lessons about what a crash leaves of files",
		Long: `Demo lists the lessons, or plays one: a program, the page cache, a question, and
then the answer, worked out by crashing the program everywhere. On a terminal it
waits for a key before it goes on: space or enter for the next piece, b for the
one before, q to end. Piped, it prints all of a lesson.`,
		Example: `  crashsim demo                 # the lessons
  crashsim demo rename
  crashsim demo rename --auto   # goes on by itself
  crashsim demo --html course   # all of them, as linked pages`,
		Args: atMostOne("NAME"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return lessonNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				if dir != "" {
					return a.writeCourse(cmd.Context(), dir)
				}
				a.listLessons()
				return nil
			}
			l, ok := lessons.Find(args[0])
			switch {
			case dir != "":
				return usagef("--html writes all lessons, it takes no name")
			case !ok:
				return usagef("no lesson %q, only %s", args[0], strings.Join(lessonNames(), ", "))
			case delay <= 0:
				return usagef("--delay %s is not positive", delay)
			}
			scenes, err := l.Play(cmd.Context())
			if err != nil {
				return err
			}
			pieces := func() []string { return l.Text(scenes) }
			if isTerminal(a.stdout) {
				pieces = func() []string { return l.TextAt(scenes, min(widthOf(a.stdout), widestLesson)) }
			}
			switch {
			case auto:
				return a.playByItself(cmd.Context(), pieces, delay)
			case isTerminal(a.stdout) && term.IsTerminal(int(os.Stdin.Fd())):
				return a.playByKeys(pieces)
			}
			a.out.WriteString(strings.Join(pieces(), "\n"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&auto, "auto", false, "go on without a key")
	cmd.Flags().DurationVar(&delay, "delay", 4*time.Second, "how long --auto waits between pieces")
	cmd.Flags().StringVar(&dir, "html", "", "write the course into this `directory`, as linked pages")
	return cmd
}

func lessonNames() []string {
	var names []string
	for _, l := range lessons.All() {
		names = append(names, l.Name)
	}
	return names
}

func (a *app) listLessons() {
	var rows []row
	for _, l := range lessons.All() {
		rows = append(rows, row{cells: []cell{{text: l.Name, paint: a.style.head}, {text: l.About}}})
	}
	writeTable(&a.out, rows)
}

// writeCourse writes the course as pages, each whole or not at all.
func (a *app) writeCourse(ctx context.Context, dir string) error {
	files, err := lessons.HTML(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := outfile.Write(filepath.Join(dir, name), files[name]); err != nil {
			return err
		}
	}
	a.out.WriteString(show.Count(len(names), "page") + "; begin with " + filepath.Join(dir, "index.html") + "\n")
	return nil
}

// widestLesson is how many columns of a wide terminal a lesson takes.
const widestLesson = 90

// playByItself shows a piece after the other, with time to read between them. Each is
// wrapped to the window as it is by then.
func (a *app) playByItself(ctx context.Context, pieces func() []string, delay time.Duration) error {
	for i := 0; i < len(pieces()); i++ {
		piece := pieces()[i]
		if i > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(delay):
			}
			piece = "\n" + pieces()[i]
		}
		if err := a.print(piece); err != nil {
			return err
		}
	}
	return nil
}

// playByKeys shows a piece for each key.
func (a *app) playByKeys(pieces func() []string) error {
	fd := int(os.Stdin.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return err
	}
	changed := make(chan os.Signal, 1)
	notifyResize(changed)
	defer signal.Stop(changed)
	err = play(pieces, os.Stdin, changed, a.stdout, a.style)
	return errors.Join(a.written(0, err), term.Restore(fd, before))
}

// press is a key, or why there is none.
type press struct {
	key byte
	err error
}

// play shows pieces on a raw terminal and reads the keys that lead through them. When
// the window changes, the piece in sight is wrapped anew.
func play(pieces func() []string, keys io.Reader, changed <-chan os.Signal, screen io.Writer, style style) error {
	presses := make(chan press)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for in := bufio.NewReader(keys); ; {
			key, err := in.ReadByte()
			select {
			case presses <- press{key, err}:
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	show := func(text string) error {
		_, err := io.WriteString(screen, strings.ReplaceAll(text, "\n", "\r\n"))
		return err
	}
	const help = "space: on   b: back   q: quit"
	for i := 0; i < len(pieces()); {
		if err := show(pieces()[i] + "\n"); err != nil || i == len(pieces())-1 {
			return err
		}
		if err := show(style.finish(style.odd(help), 0)); err != nil {
			return err
		}
		next, resized, err := move(presses, changed, i)
		after := "\r" + strings.Repeat(" ", len(help)) + "\r"
		if resized {
			after = "\x1b[2J\x1b[H" // what stands there was wrapped to another width
		}
		if err := errors.Join(err, show(after)); err != nil || next < 0 {
			return err
		}
		i = next
	}
	return nil
}

// move waits for a key that says which piece is next after piece i; -1 is the end. A
// window that changes shows the piece again.
func move(presses <-chan press, changed <-chan os.Signal, i int) (next int, resized bool, err error) {
	const ctrlC, ctrlD = 3, 4
	for {
		select {
		case <-changed:
			return i, true, nil
		case p := <-presses:
			if errors.Is(p.err, io.EOF) {
				return -1, false, nil
			}
			if p.err != nil {
				return -1, false, p.err
			}
			switch p.key {
			case ' ', '\r', '\n', 'n', 'j':
				return i + 1, false, nil
			case 'b', 'p', 'k':
				return max(i-1, 0), false, nil
			case 'q', ctrlC, ctrlD:
				return -1, false, nil
			}
		}
	}
}
