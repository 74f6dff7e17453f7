package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
	"github.com/crashsim/crashsim/runner/process"
	"github.com/crashsim/crashsim/runner/queue"
	_ "github.com/crashsim/crashsim/runner/queue/natsqueue" // nats:// and tls://
	"github.com/crashsim/crashsim/runner/show"
)

func (a *app) workCommand() *cobra.Command {
	w := worker{app: a, refused: map[string]bool{}}
	cmd := &cobra.Command{
		Use:   "work --queue URL",
		Short: "Run checks for a search that another machine gives out",
		Long: `Work connects to a queue and runs checks for all who give out work there: the
commands "crashsim run", "exec" and "check" with --queue. Start it on as many
machines as you like, before or after these, and end it at any time. What it was
working on is then given to another one, and the report stays the same.

It needs the same build of crashsim as the command that gives out the work, and
what the check needs: its programs, and files that it names. If the program, the
check or the version differ, it says so, and takes nothing of that work.

A worker runs the shell commands that the queue names as checks. So let only those
write to the queue who may run commands on your workers, and give the server
users and TLS. $NATS_CREDS names a file with credentials, $NATS_CA the
certificates to trust.

Exit status: 0 when it ends after --idle, 2 for an error, 130 when it was
interrupted.`,
		Example: `  crashsim work --queue nats://queue.example.com:4222
  crashsim work --queue nats://127.0.0.1:4222 --workers 4 --idle 1m`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			address := w.address
			if address == "" {
				address = os.Getenv("CRASHSIM_QUEUE")
			}
			switch {
			case address == "":
				return usagef("want --queue URL, such as nats://127.0.0.1:4222")
			case w.workers < 0, w.idle < 0:
				return usagef("--workers and --idle must not be negative")
			}
			if a.inPrivate(cmd.Context()) {
				return nil
			}
			q, err := queue.Open(cmd.Context(), address)
			if err != nil {
				return err
			}
			w.queue = q
			return w.serve(cmd)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&w.address, "queue", "", "take work at the queue with this `URL`, such as nats://127.0.0.1:4222 (default $CRASHSIM_QUEUE)")
	flags.IntVar(&w.workers, "workers", 0, "run this `number` of checkers at once (default one for each CPU)")
	flags.DurationVar(&w.idle, "idle", 0, "end when nothing was heard of anybody who gives out work for this `time` (default never)")
	return cmd
}

// worker works for all who give out boxes at a queue.
type worker struct {
	app     *app
	address string
	workers int
	idle    time.Duration
	queue   queue.Queue
	refused map[string]bool // keys of jobs on which it cannot work
}

// lookEvery is how often a worker looks for work.
const lookEvery = 100 * time.Millisecond

func (w *worker) serve(cmd *cobra.Command) error {
	ctx := cmd.Context()
	for ctx.Err() == nil {
		jobs, quiet, err := w.queue.Jobs(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(jobs, func(j queue.Job) bool { return j.Open && j.Command != "" && !w.refused[j.Key] })
		switch {
		case i >= 0:
			if err := w.job(cmd, jobs[i]); err != nil && ctx.Err() == nil {
				if errors.Is(err, oracle.ErrNoVerdict) {
					return err // something of this machine failed, and would fail again
				}
				w.refused[jobs[i].Key] = true
				_, _ = fmt.Fprintf(w.app.stderr, "crashsim: this work is left to others: %s\n", show.Text(err.Error()))
			}
		case w.idle > 0 && quiet > w.idle:
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
	return ctx.Err()
}

// job works on a job until it has come to its end.
func (w *worker) job(cmd *cobra.Command, j queue.Job) error {
	ctx := cmd.Context()
	text, err := w.queue.Kept(ctx, j.Command)
	if err != nil {
		return err
	}
	rest, ok := bytes.CutPrefix(text, []byte(keptHeader))
	var k kept
	if !ok {
		return fmt.Errorf("the queue names a command that another version of crashsim has written")
	}
	if err := json.Unmarshal(rest, &k); err != nil {
		return err
	}
	models, err := parseModels([]string{j.Model})
	if err != nil {
		return err
	}
	set := func(f *runFlags) error {
		if err := f.finish(); err != nil {
			return err
		}
		o := &f.options
		o.Models, o.Queue, o.Work, o.Workers = models, w.queue, true, w.workers
		o.Workdir, o.Shards, o.Failures = nil, 0, ""
		return nil
	}
	again := &cobra.Command{Use: k.Command}
	again.SetContext(ctx)
	var run runFlags
	if k.Command == "run" {
		run.add(again, "")
		if err := again.ParseFlags(k.Flags); err != nil {
			return err
		}
		chosen, err := w.app.choose([]string{j.Scenario})
		if err == nil {
			err = set(&run)
		}
		if err != nil {
			return err
		}
		_, err = w.app.runAll(ctx, chosen, run.options)
		return err
	}
	return w.check(again, &k, set)
}

// check works on a job that judges a trace.
func (w *worker) check(again *cobra.Command, k *kept, set func(*runFlags) error) error {
	var check checkFlags
	check.add(again)
	err := again.ParseFlags(k.Flags)
	if err == nil {
		err = set(&check.run)
	}
	if err != nil {
		return err
	}
	check.setup, check.program = k.Setup, k.Program
	text, err := w.queue.Kept(again.Context(), k.Trace)
	if err != nil {
		return err
	}
	trace, err := faultfs.ParseTrace("the trace in the queue", text)
	if err != nil {
		return err
	}
	checker, err := process.NewChecker(process.Options{Timeout: check.slow, Materialise: check.materialise, At: check.at})
	if err != nil {
		return err
	}
	_, _, err = check.judged(again, w.app, checker, k.Name, trace)
	return ended(err, checker.Close())
}

// commanded is a queue at which a command gives out boxes: workers learn of the command.
type commanded struct {
	queue.Queue
	command string // the name of its file
}

// Say implements queue.Queue.
func (q *commanded) Say(ctx context.Context, j queue.Job) error {
	j.Command = q.command
	return q.Queue.Say(ctx, j)
}

// giveOut lets workers learn of the command.
func (k *kept) giveOut(ctx context.Context, o *runner.Options, trace *faultfs.Trace) (err error) {
	if o.Queue == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if trace != nil {
		if k.Trace, err = o.Queue.Keep(ctx, trace.Text()); err != nil {
			return fmt.Errorf("the queue: %w", err)
		}
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	name, err := o.Queue.Keep(ctx, append([]byte(keptHeader), text...))
	if err != nil {
		return fmt.Errorf("the queue: %w", err)
	}
	o.Queue = &commanded{o.Queue, name}
	return nil
}
