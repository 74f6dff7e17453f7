package natstest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
	"github.com/crashsim/crashsim/runner"
)

// This file lets processes of this test binary share a search, and kills them.

// roleVariable tells a process of this test binary what it does instead of tests.
const roleVariable = "CRASHSIM_NATSTEST"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "serve":
		serve()
	default:
		files, _ := strconv.Atoi(os.Getenv("FILES"))
		pause, _ := time.ParseDuration(os.Getenv("PAUSE"))
		if err := judge(files, pause); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}

// serve is a server, as a process.
func serve() {
	port, _ := strconv.Atoi(os.Getenv("PORT"))
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: os.Getenv("STORE"), NoSigs: true, NoLog: true})
	if err != nil {
		panic(err)
	}
	s.Start()
	s.WaitForShutdown()
}

// files is a program that makes files and syncs none, with a check that reads them all and takes a while.
func files(n int, pause time.Duration) runner.Scenario {
	name := func(i int) string { return fmt.Sprintf("/%c", 'a'+i) }
	return runner.Scenario{
		Name: "files",
		Workload: func(fs *faultfs.FS) error {
			if err := afero.WriteFile(fs, "/kept", []byte("kept"), 0o644); err != nil {
				return err
			}
			f, err := fs.Open("/kept")
			if err == nil {
				err = f.Sync()
			}
			if dir, err := fs.Open("/"); err == nil {
				_ = dir.Sync()
			}
			fs.Mark("kept")
			for i := range n {
				if err == nil {
					err = afero.WriteFile(fs, name(i), []byte("data"), 0o644)
				}
			}
			return err
		},
		Oracle: oracle.Func(func(disk afero.Fs, marks oracle.Marks) []oracle.Violation {
			time.Sleep(pause)
			for i := range n {
				_, _ = afero.ReadFile(disk, name(i))
			}
			if text, _ := afero.ReadFile(disk, "/kept"); marks.Has("kept") && string(text) != "kept" {
				return []oracle.Violation{{Kind: oracle.Lost, Path: "/kept"}}
			}
			return nil
		}),
		Command: &runner.Command{Check: fmt.Sprint(n, " files")},
	}
}

// judge judges that program as the environment says, and prints what is found.
func judge(n int, pause time.Duration) error {
	o := runner.Options{Models: []model.Model{model.Default()}, Workers: 1, Depth: runner.Times(0)}
	if err := o.FromEnvironment(); err != nil {
		return err
	}
	results, err := runner.Run(context.Background(), files(n, pause), o)
	if err != nil {
		return err
	}
	fmt.Print(results[0].Report(), results[0].Line(), "\n")
	return nil
}

// process is a process of this test binary.
func process(ctx context.Context, role string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = slices.Concat(os.Environ(), env, []string{roleVariable + "=" + role, "GOMAXPROCS=1"})
	return cmd
}

// with returns an environment with more in it.
func with(env []string, more ...string) []string { return slices.Concat(env, more) }

// reportOf runs a process to its end, and returns what it printed.
func reportOf(t testing.TB, role string, env ...string) string {
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	var printed, said strings.Builder
	cmd := process(ctx, role, env...)
	cmd.Stdout, cmd.Stderr = &printed, &said
	require.NoError(t, cmd.Run(), said.String())
	return printed.String()
}

// freePort is a port on which nobody listens just now.
func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// crew are processes that are started again when they were killed.
type crew struct {
	t    testing.TB
	ctx  context.Context
	mu   sync.Mutex
	now  map[string]*exec.Cmd // by name
	all  sync.WaitGroup
	over bool
}

func newCrew(t testing.TB) *crew {
	ctx, stop := context.WithCancel(context.Background())
	c := &crew{t: t, ctx: ctx, now: map[string]*exec.Cmd{}}
	t.Cleanup(func() {
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
		stop()
		c.all.Wait()
	})
	return c
}

// keep starts a process, and again whenever it ends.
func (c *crew) keep(name, role string, env ...string) {
	c.all.Go(func() {
		for {
			c.mu.Lock()
			if c.over {
				c.mu.Unlock()
				return
			}
			cmd := process(c.ctx, role, env...)
			err := cmd.Start()
			c.now[name] = cmd
			c.mu.Unlock()
			if err == nil {
				_ = cmd.Wait()
			}
			select {
			case <-c.ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}

// kill kills a process, if it is there.
func (c *crew) kill(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cmd := c.now[name]; cmd != nil && cmd.Process != nil {
		_ = cmd.Process.Kill()
	}
}

// site starts a server as a process, and returns its address once it answers.
func (c *crew) site() (address string) {
	port := freePort(c.t)
	c.keep("server", "serve", "PORT="+port, "STORE="+filepath.Join(c.t.TempDir(), "store"))
	for {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return "nats://127.0.0.1:" + port
		}
		require.NoError(c.t, c.t.Context().Err())
		time.Sleep(10 * time.Millisecond)
	}
}

// kills is how often the test kills something.
func kills() int {
	n, err := strconv.Atoi(os.Getenv("CRASHSIM_KILLS"))
	if err != nil {
		return 6
	}
	return n
}

// Workers, the server, and the process that gives out the boxes are killed at random moments,
// and started again. The report is that of one process, and counting shows that nothing is missing.
func TestKillsChangeNoByteOfTheReport(t *testing.T) {
	program := []string{"FILES=4", "PAUSE=1ms"}
	want := reportOf(t, "judge", program...)
	require.Contains(t, want, "kept")
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	for done := 0; done < kills(); {
		t.Run("", func(t *testing.T) {
			c := newCrew(t)
			queue := with(program, "CRASHSIM_QUEUE="+c.site())
			for i := range 2 {
				c.keep(fmt.Sprint("worker", i), "work", with(queue, "CRASHSIM_WORK=1")...)
			}
			dir := filepath.Join(t.TempDir(), "results")
			queue = with(queue, "CRASHSIM_WORKDIR="+dir)
			killed := make(chan int)
			stop := make(chan struct{})
			moments := rand.New(rand.NewPCG(draw.Uint64(), 0))
			go func() {
				n := 0
				for {
					select {
					case <-stop:
						killed <- n
						return
					case <-time.After(time.Duration(moments.IntN(400)) * time.Millisecond):
						c.kill([]string{"worker0", "worker1", "server"}[moments.IntN(3)])
						n++
					}
				}
			}()
			if draw.IntN(2) == 0 { // who gives out is killed once, too
				ctx, end := context.WithTimeout(t.Context(), time.Duration(draw.IntN(800))*time.Millisecond)
				_ = process(ctx, "judge", queue...).Run()
				end()
			}
			got := ""
			for range 20 { // while the server is away, nothing is begun, which is an error
				if text, err := process(t.Context(), "judge", queue...).Output(); err == nil {
					got = string(text)
					break
				}
			}
			close(stop)
			done += <-killed + 1
			require.Equal(t, want, got)
			one := reportOf(t, "judge", with(program, "CRASHSIM_WORKDIR="+dir)...)
			require.Equal(t, want, one, "from the directory alone")
		})
	}
}

// efficiency is by how much processes are faster than one, for each of them.
func efficiency(b *testing.B, alone time.Duration, n int, run func()) {
	for b.Loop() {
		start := time.Now()
		run()
		b.ReportMetric(float64(alone)/float64(time.Since(start))/float64(n), "efficiency")
	}
}

// BenchmarkSixteenProcesses shares a search with a check of 20 ms among sixteen processes.
func BenchmarkSixteenProcesses(b *testing.B) {
	const n = 16
	program := []string{"FILES=6", "PAUSE=20ms"}
	start := time.Now()
	want := reportOf(b, "judge", program...)
	alone := time.Since(start)
	b.Logf("one process: %v\n%s", alone, want)
	b.Run("queue", func(b *testing.B) {
		efficiency(b, alone, n, func() {
			c := newCrew(b)
			queue := with(program, "CRASHSIM_QUEUE="+c.site())
			for i := range n - 1 {
				c.keep(fmt.Sprint(i), "work", with(queue, "CRASHSIM_WORK=1")...)
			}
			require.Equal(b, want, reportOf(b, "judge", queue...))
		})
	})
	b.Run("shards", func(b *testing.B) {
		efficiency(b, alone, n, func() {
			dir := b.TempDir()
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					reportOf(b, "judge", with(program, "CRASHSIM_WORKDIR="+dir, fmt.Sprintf("CRASHSIM_SHARD=%d/%d", i+1, n))...)
				})
			}
			all.Wait()
		})
	})
}
