package machine_test

import (
	"maps"

	"github.com/spf13/afero"
	"pgregory.net/rapid"

	"github.com/crashsim/crashsim/runner/machine"
	"github.com/crashsim/crashsim/testdata/kv"
)

// addition is the argument of kv's operation Add.
type addition struct {
	Key string
	N   int
}

type numbers = map[string]int

// store is the machine of the store kv, with a bug in it.
func store(bug kv.Bug) machine.Machine[*kv.Store, numbers] {
	name := "kv"
	if bug != kv.None {
		name += "-" + string(bug)
	}
	return machine.Machine[*kv.Store, numbers]{
		Name: name, Initial: numbers{},
		Open: func(disk afero.Fs) (*kv.Store, error) { return kv.Open(disk, bug) },
		Read: (*kv.Store).All,
		Ops: []machine.Op[*kv.Store, numbers]{
			machine.Do("add",
				rapid.Custom(func(t *rapid.T) addition {
					return addition{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.IntRange(1, 3).Draw(t, "n")}
				}),
				func(state numbers, a addition) numbers {
					state = maps.Clone(state)
					state[a.Key] += a.N
					return state
				},
				func(s *kv.Store, a addition) error { return s.Add(a.Key, a.N) }),
			machine.Plain("checkpoint", func(state numbers) numbers { return state }, (*kv.Store).Checkpoint),
		},
	}
}
