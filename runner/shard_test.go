package runner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// noEnvironment takes away what says which shard is judged here.
func noEnvironment(t *testing.T) {
	for _, name := range []string{
		"CRASHSIM_WORKDIR", "CRASHSIM_SHARD", "CRASHSIM_SHARDS", "TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", "TEST_SHARD_STATUS_FILE",
		"JOB_COMPLETION_INDEX", "CI_NODE_INDEX", "CI_NODE_TOTAL", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", "GITLAB_CI",
		"CRASHSIM_QUEUE", "CRASHSIM_WORK",
	} {
		t.Setenv(name, "")
	}
}

func TestShardIsTakenFromTheEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		env           map[string]string
		shard, shards int
		err           string
	}{
		"nothing":             {},
		"work":                {env: map[string]string{"CRASHSIM_WORK": "1"}, err: "CRASHSIM_WORK is set, and CRASHSIM_QUEUE does not say where"},
		"a queue":             {env: map[string]string{"CRASHSIM_QUEUE": "no://host"}, err: "CRASHSIM_QUEUE: a queue with the address \"no://host\" is not known"},
		"by name":             {env: map[string]string{"CRASHSIM_SHARD": "2/3"}, shard: 1, shards: 3},
		"no number":           {env: map[string]string{"CRASHSIM_SHARD": "2"}, err: `CRASHSIM_SHARD is "2", want a shard and how many there are`},
		"too high":            {env: map[string]string{"CRASHSIM_SHARD": "4/3"}, err: `CRASHSIM_SHARD is "4", want the number of a shard from 1 to 3`},
		"Kubernetes":          {env: map[string]string{"JOB_COMPLETION_INDEX": "4", "CRASHSIM_SHARDS": "5", "CRASHSIM_WORKDIR": "d"}, shard: 4, shards: 5},
		"Kubernetes, alone":   {env: map[string]string{"JOB_COMPLETION_INDEX": "4", "CRASHSIM_WORKDIR": "d"}, err: "CRASHSIM_SHARDS does not say of how many"},
		"no directory":        {env: map[string]string{"JOB_COMPLETION_INDEX": "4", "CRASHSIM_SHARDS": "5"}},
		"GitLab":              {env: map[string]string{"GITLAB_CI": "true", "CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "5", "CRASHSIM_WORKDIR": "d"}, shard: 0, shards: 5},
		"others":              {env: map[string]string{"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "5", "CRASHSIM_WORKDIR": "d"}, shard: 1, shards: 5},
		"CircleCI":            {env: map[string]string{"CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "2", "CRASHSIM_WORKDIR": "d"}, shard: 0, shards: 2},
		"CircleCI, too high":  {env: map[string]string{"CIRCLE_NODE_INDEX": "2", "CIRCLE_NODE_TOTAL": "2", "CRASHSIM_WORKDIR": "d"}, err: "from 0 to 1"},
		"Bazel":               {env: map[string]string{"TEST_SHARD_INDEX": "1", "TEST_TOTAL_SHARDS": "4"}, shard: 1, shards: 4},
		"Bazel, no such many": {env: map[string]string{"TEST_SHARD_INDEX": "1", "TEST_TOTAL_SHARDS": "x"}, err: "TEST_TOTAL_SHARDS is \"x\""},
	} {
		t.Run(name, func(t *testing.T) {
			noEnvironment(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			var o Options
			err := o.FromEnvironment()
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []int{c.shard, c.shards}, []int{o.Shard, o.Shards})
		})
	}
}

func TestBazelIsToldOnceThatTheWorkIsDivided(t *testing.T) {
	noEnvironment(t)
	file := filepath.Join(t.TempDir(), "status")
	t.Setenv("TEST_SHARD_INDEX", "1")
	t.Setenv("TEST_TOTAL_SHARDS", "2")
	t.Setenv("TEST_SHARD_STATUS_FILE", file)
	for range 2 { // each test asks
		var o Options
		require.NoError(t, o.FromEnvironment())
		require.Equal(t, 2, o.Shards)
		require.FileExists(t, file)
	}
	other := filepath.Join(t.TempDir(), "status")
	require.NoError(t, os.WriteFile(other, nil, 0o666))
	t.Setenv("TEST_SHARD_STATUS_FILE", other)
	var o Options
	require.NoError(t, o.FromEnvironment())
	require.Zero(t, o.Shards, "somebody else has divided the tests")
}
