package crashsim_test

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/crashsim/crashsim/runner"
)

// manifest reads a manifest, which SCALING.md must show as it is.
func manifest(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/scaling/" + name)
	require.NoError(t, err)
	page, err := os.ReadFile("SCALING.md")
	require.NoError(t, err)
	require.Contains(t, string(page), "```yaml\n"+string(text)+"```\n")
	require.NoError(t, yaml.Unmarshal(text, into))
}

// shardIn returns the shard that is judged where the environment is like this.
func shardIn(t *testing.T, env map[string]string) (shard, shards int) {
	t.Helper()
	for k, v := range env {
		t.Setenv(k, v)
	}
	var o runner.Options
	require.NoError(t, o.FromEnvironment())
	require.NotEmpty(t, o.Workdir)
	return o.Shard, o.Shards
}

func TestEachPodOfTheJobJudgesAShardOfItsOwn(t *testing.T) {
	var job struct {
		Spec struct {
			Completions    int    `yaml:"completions"`
			CompletionMode string `yaml:"completionMode"`
			Template       struct {
				Spec struct {
					Containers []struct {
						Command []string `yaml:"command"`
						Env     []struct{ Name, Value string }
						Mounts  []struct {
							Path string `yaml:"mountPath"`
						} `yaml:"volumeMounts"`
					}
				}
			}
		}
	}
	manifest(t, "job.yaml", &job)
	require.Equal(t, "Indexed", job.Spec.CompletionMode)
	pod := job.Spec.Template.Spec.Containers[0]
	require.Equal(t, []string{"crashsim", "check"}, pod.Command[:2])
	env := map[string]string{}
	for _, e := range pod.Env {
		env[e.Name] = e.Value
	}
	require.Contains(t, env["CRASHSIM_WORKDIR"], pod.Mounts[0].Path)
	for i := range job.Spec.Completions {
		env["JOB_COMPLETION_INDEX"] = strconv.Itoa(i)
		shard, shards := shardIn(t, env)
		require.Equal(t, []int{i, job.Spec.Completions}, []int{shard, shards})
	}
}

func TestEachJobOfTheMatrixJudgesAShardOfItsOwn(t *testing.T) {
	var flow struct {
		Jobs map[string]struct {
			Env      map[string]string
			Needs    string
			Strategy struct{ Matrix struct{ Shard []int } }
		}
	}
	manifest(t, "matrix.yml", &flow)
	shards, verdict := flow.Jobs["shard"], flow.Jobs["verdict"]
	require.Equal(t, "shard", verdict.Needs)
	require.Equal(t, shards.Env["CRASHSIM_WORKDIR"], verdict.Env["CRASHSIM_WORKDIR"])
	require.NotContains(t, verdict.Env, "CRASHSIM_SHARD")
	all := shards.Strategy.Matrix.Shard
	for i, number := range all {
		require.Equal(t, "${{ matrix.shard }}/"+strconv.Itoa(len(all)), shards.Env["CRASHSIM_SHARD"])
		text := strconv.Itoa(number) + "/" + strconv.Itoa(len(all))
		shard, of := shardIn(t, map[string]string{"CRASHSIM_SHARD": text, "CRASHSIM_WORKDIR": "results"})
		require.Equal(t, []int{i, len(all)}, []int{shard, of})
	}
}

func TestWorkersOfTheDeploymentMeetTheJobAtOneQueue(t *testing.T) {
	text, err := os.ReadFile("testdata/scaling/queue.yaml")
	require.NoError(t, err)
	page, err := os.ReadFile("SCALING.md")
	require.NoError(t, err)
	require.Contains(t, string(page), "```yaml\n"+string(text)+"```\n")
	type pods struct {
		Kind string
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct{ Command []string }
				}
			}
		}
		Data map[string]string
	}
	commands := map[string][]string{}
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var p pods
		if err := d.Decode(&p); err == io.EOF {
			break
		}
		require.NoError(t, err)
		if p.Kind == "ConfigMap" {
			require.Contains(t, p.Data["nats.conf"], "sync_interval: always")
			continue
		}
		commands[p.Kind] = p.Spec.Template.Spec.Containers[0].Command
	}
	require.Equal(t, []string{"crashsim", "work"}, commands["Deployment"][:2])
	require.Equal(t, []string{"crashsim", "check"}, commands["Job"][:2])
	at := func(command []string) string { return command[slices.Index(command, "--queue")+1] }
	require.Equal(t, at(commands["Deployment"]), at(commands["Job"]))
	var o runner.Options // it knows the address, once the package of the queue is imported
	require.ErrorContains(t, o.SetQueue(at(commands["Job"])), "this program knows no queues")
}
