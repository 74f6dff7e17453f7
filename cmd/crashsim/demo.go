package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
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
			pieces := l.Text(scenes)
			switch {
			case auto:
				return a.playByItself(cmd.Context(), pieces, delay)
			case isTerminal(a.stdout) && term.IsTerminal(int(os.Stdin.Fd())):
				return a.playByKeys(pieces)
			}
			a.out.WriteString(strings.Join(pieces, "\n"))
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

// playByItself shows a piece after the other, with time to read between them.
func (a *app) playByItself(ctx context.Context, pieces []string, delay time.Duration) error {
	for i, piece := range pieces {
		if i > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(delay):
			}
			piece = "\n" + piece
		}
		if err := a.print(piece); err != nil {
			return err
		}
	}
	return nil
}

// playByKeys shows a piece for each key.
func (a *app) playByKeys(pieces []string) error {
	fd := int(os.Stdin.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return err
	}
	err = play(pieces, os.Stdin, a.stdout, a.style)
	return errors.Join(err, term.Restore(fd, before))
}

// play shows pieces on a raw terminal and reads the keys that lead through them.
func play(pieces []string, keys io.Reader, screen io.Writer, style style) error {
	in := bufio.NewReader(keys)
	show := func(text string) error {
		_, err := io.WriteString(screen, strings.ReplaceAll(text, "\n", "\r\n"))
		return err
	}
	const help = "space: on   b: back   q: quit"
	for i := 0; i < len(pieces); {
		if err := show(pieces[i] + "\n"); err != nil || i == len(pieces)-1 {
			return err
		}
		if err := show(style.finish(style.odd(help))); err != nil {
			return err
		}
		next, err := move(in, i)
		if err := errors.Join(err, show("\r"+strings.Repeat(" ", len(help))+"\r")); err != nil || next < 0 {
			return err
		}
		i = next
	}
	return nil
}

// move reads keys until one says which piece is next after piece i; -1 is the
// end.
func move(keys io.ByteReader, i int) (int, error) {
	const ctrlC, ctrlD = 3, 4
	for {
		key, err := keys.ReadByte()
		if errors.Is(err, io.EOF) {
			return -1, nil
		}
		if err != nil {
			return -1, err
		}
		switch key {
		case ' ', '\r', '\n', 'n', 'j':
			return i + 1, nil
		case 'b', 'p', 'k':
			return max(i-1, 0), nil
		case 'q', ctrlC, ctrlD:
			return -1, nil
		}
	}
}
