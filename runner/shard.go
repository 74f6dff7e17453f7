package runner

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/crashsim/crashsim/runner/internal/search"
	"github.com/crashsim/crashsim/runner/queue"
)

// Environment variables that say where results are kept, and which part of the work is
// done here.
const (
	workdirVariable = "CRASHSIM_WORKDIR"
	shardVariable   = "CRASHSIM_SHARD"
	shardsVariable  = "CRASHSIM_SHARDS"
	queueVariable   = "CRASHSIM_QUEUE"
	workVariable    = "CRASHSIM_WORK"
)

// FromEnvironment completes the options by what the environment says, where they say
// nothing: CRASHSIM_WORKDIR is the list of directories in which results are kept,
// CRASHSIM_SHARD=2/3 that the second of three shards is judged here. Without that, with
// a directory of results, the numbers that Kubernetes (JOB_COMPLETION_INDEX, together with
// CRASHSIM_SHARDS), GitLab and others (CI_NODE_INDEX, CI_NODE_TOTAL) and CircleCI
// (CIRCLE_NODE_INDEX, CIRCLE_NODE_TOTAL) give a job are taken; and those of Bazel
// (TEST_SHARD_INDEX, TEST_TOTAL_SHARDS) always, unless the tests are divided among its
// shards already. CRASHSIM_QUEUE=nats://HOST gives out boxes at a queue, and with
// CRASHSIM_WORK=1 this process works for the one that does; the other ways to share the work do not count then.
func (o *Options) FromEnvironment() error {
	if list := os.Getenv(workdirVariable); list != "" && len(o.Workdir) == 0 {
		o.Workdir = filepath.SplitList(list)
	}
	if address := os.Getenv(queueVariable); address != "" && o.Queue == nil {
		if err := o.SetQueue(address); err != nil {
			return fmt.Errorf("%s: %w", queueVariable, err)
		}
		o.Work = os.Getenv(workVariable) != ""
	} else if os.Getenv(workVariable) != "" && o.Queue == nil {
		return fmt.Errorf("%s is set, and %s does not say where", workVariable, queueVariable)
	}
	if o.Shards != 0 || o.Queue != nil && os.Getenv(shardVariable) == "" {
		return nil
	}
	if text := os.Getenv(shardVariable); text != "" {
		return o.SetShard(shardVariable, text)
	}
	if ok, err := o.shardOfBazel(); ok || err != nil {
		return err
	}
	if len(o.Workdir) == 0 {
		return nil // nobody could put the parts together
	}
	for _, v := range []struct {
		index, total string
		first        int // the number of the first
	}{
		{"JOB_COMPLETION_INDEX", shardsVariable, 0},
		{"CI_NODE_INDEX", "CI_NODE_TOTAL", firstNode()},
		{"CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0},
	} {
		index, total := os.Getenv(v.index), os.Getenv(v.total)
		switch {
		case index == "":
			continue
		case total == "":
			return fmt.Errorf("%s is %q, and %s does not say of how many; %s=1/1 judges everything here", v.index, index, v.total, shardVariable)
		}
		return o.setShard(v.index, index, v.first, v.total, total)
	}
	return nil
}

// firstNode is the number of the first node: GitLab begins with 1.
func firstNode() int {
	if os.Getenv("GITLAB_CI") != "" {
		return 1
	}
	return 0
}

// queues are those that this process has opened, by their addresses.
var queues struct {
	sync.Mutex
	open map[string]queue.Queue
}

// SetQueue sets the queue at which boxes are given out, of an address such as
// "nats://host:4222". The package that holds that kind of queue must be imported: see
// queue.Register. A process has one connection for each address.
func (o *Options) SetQueue(address string) error {
	queues.Lock()
	defer queues.Unlock()
	q := queues.open[address]
	if q == nil {
		ctx, cancel := context.WithTimeout(context.Background(), reachTime)
		defer cancel()
		var err error
		if q, err = queue.Open(ctx, address); err != nil {
			return err
		}
		if queues.open == nil {
			queues.open = map[string]queue.Queue{}
		}
		queues.open[address] = q
	}
	o.Queue = q
	return nil
}

// SetShard sets the shard that is judged, of a text such as "2/3", the second of three;
// name is where the text is from, for errors.
func (o *Options) SetShard(name, text string) error {
	index, total, ok := strings.Cut(text, "/")
	if !ok {
		return fmt.Errorf("%s is %q, want a shard and how many there are, such as 2/3", name, text)
	}
	return o.setShard(name, index, 1, name, total)
}

// setShard sets the shard; first is the number of the first one.
func (o *Options) setShard(indexName, index string, first int, totalName, total string) error {
	n, err := strconv.Atoi(total)
	if err != nil || n < 1 {
		return fmt.Errorf("%s is %q, want how many shards there are, from 1 on", totalName, total)
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < first || i >= first+n {
		return fmt.Errorf("%s is %q, want the number of a shard from %d to %d", indexName, index, first, first+n-1)
	}
	o.Shard, o.Shards = i-first, n
	return nil
}

// bazel remembers whether this process has told Bazel that it divides the work.
var bazel struct {
	sync.Mutex
	file string
}

// shardOfBazel sets the shard as Bazel says. Who supports shards makes a file; where it is
// there, somebody else has done so and has divided the tests: to divide them
// once more would leave most of each to nobody.
func (o *Options) shardOfBazel() (ok bool, err error) {
	const indexName, totalName, fileName = "TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", "TEST_SHARD_STATUS_FILE"
	index, total, file := os.Getenv(indexName), os.Getenv(totalName), os.Getenv(fileName)
	if index == "" || total == "" {
		return false, nil
	}
	bazel.Lock()
	defer bazel.Unlock()
	if file != "" && bazel.file != file {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if os.IsExist(err) {
			return false, nil
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", fileName, err)
		}
		bazel.file = file
	}
	return true, o.setShard(indexName, index, 0, totalName, total)
}

// sharded reports whether only a part of the work is done here.
func (o *Options) sharded() bool { return o.Shards > 1 }

// shardName is the shard as text, such as "2/3".
func (o *Options) shardName() string {
	return fmt.Sprintf("%d/%d", o.Shard+1, cmp.Or(o.Shards, 1))
}

// ownPart says which part of the next search is judged here. The search of the power cut is
// divided evenly; others, of which there are many, go to one shard each.
func (j *judging) ownPart(large bool) search.Shard {
	o := j.options
	s := search.Shard{Index: o.Shard, Count: o.Shards, Turn: j.divided}
	j.divided++
	if large {
		s.Most = search.RunsToShare(o.Shards)
	}
	return s
}
