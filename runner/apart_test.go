package runner

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/spf13/afero"
	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/model"
	"github.com/crashsim/crashsim/oracle"
)

// independentFiles makes empty files without a sync, and promises of each by itself that it
// is empty where it is there.
func independentFiles(n int) Scenario {
	promises := make([]oracle.Oracle, n)
	for i := range promises {
		promises[i] = oracle.OldOrNew{Path: fmt.Sprintf("/f%d", i), Versions: []oracle.Content{oracle.Absent, oracle.Data("")}}
	}
	return Scenario{
		Name: "independent-files",
		Workload: func(fs *faultfs.FS) error {
			for i := range n {
				if err := afero.WriteFile(fs, fmt.Sprintf("/f%d", i), nil, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Oracle: oracle.All(promises...),
	}
}

func TestPromisesThatNothingTiesCostTheirSum(t *testing.T) {
	for _, n := range []int{12, 100} {
		results, err := Run(t.Context(), independentFiles(n), Options{Models: []model.Model{model.Default()}})
		require.NoError(t, err)
		r := &results[0]
		require.Equal(t, Keeps(), r.Outcome, r.Report())
		require.True(t, r.Coverage.Exhaustive)
		require.Equal(t, 2*n, r.Coverage.Runs, "each file is there or not")
	}
}

// What recovery reads before the promises are asked ties them.
func TestPromisesBehindARecoveryAreJudgedTogether(t *testing.T) {
	s := independentFiles(12)
	s.Recover = func(disk afero.Fs) error {
		_, err := afero.ReadDir(disk, "/")
		return err
	}
	results, err := Run(t.Context(), s, Options{Models: []model.Model{model.Default()}, Depth: Times(0)})
	require.NoError(t, err)
	require.GreaterOrEqual(t, results[0].Coverage.Runs, 1<<12)
}

// Judged apart, promises are broken by the same failures as together: each promise is of one file
// or of two, after a mark or always.
func TestPromisesJudgedApartFailAsTheyDoTogether(t *testing.T) {
	const files = apartFrom
	broken := 0
	for seed := range uint64(12) {
		draw := rand.New(rand.NewPCG(seed, 0))
		marked := draw.IntN(files)
		var promises []oracle.Oracle
		for i := range files {
			here := oracle.Exists(fmt.Sprintf("/f%d", i))
			switch draw.IntN(6) {
			case 0:
				promises = append(promises, oracle.When("done", here))
			case 1:
				promises = append(promises, needs(i, draw.IntN(files)))
			default:
				promises = append(promises, oracle.OldOrNew{Path: fmt.Sprintf("/f%d", i), Versions: []oracle.Content{oracle.Absent, oracle.Data("")}})
			}
		}
		s := Scenario{Name: "promises", Workload: func(fs *faultfs.FS) error {
			for i := range files {
				if err := afero.WriteFile(fs, fmt.Sprintf("/f%d", i), nil, 0o644); err != nil {
					return err
				}
				if i == marked {
					fs.Mark("done")
				}
			}
			return nil
		}}
		judged := func(o oracle.Oracle) (*Result, []string) {
			s.Oracle = o
			results, err := Run(t.Context(), s, Options{Models: []model.Model{model.Default()}, All: true, Workers: 1})
			require.NoError(t, err)
			return &results[0], pairsOf(&results[0])
		}
		all := oracle.All(promises...)
		apart, found := judged(all)
		joint, want := judged(oracle.Func(all.Judge))
		require.Less(t, apart.Coverage.Runs, joint.Coverage.Runs/4)
		require.True(t, apart.Coverage.Exhaustive && joint.Coverage.Exhaustive)
		require.Equal(t, joint.Outcome, apart.Outcome)
		require.Subset(t, found, want, "at a crash point at which one promise is broken without a loss, the others are still told")
		for _, f := range apart.Failures {
			again, err := apart.Stored(f).Judge(s, Options{})
			require.NoError(t, err)
			require.Equal(t, f.Violations, again, "all that is wrong with the case is told")
			broken++
		}
	}
	require.Greater(t, broken, 10)
}

// needs promises that one file is there only if another one is.
func needs(file, other int) oracle.Oracle {
	return oracle.Func(func(disk afero.Fs, _ oracle.Marks) []oracle.Violation {
		_, err := disk.Stat(fmt.Sprintf("/f%d", file))
		_, lost := disk.Stat(fmt.Sprintf("/f%d", other))
		if err == nil && lost != nil {
			return []oracle.Violation{{Kind: oracle.Torn, Path: fmt.Sprintf("/f%d", file), Detail: "is there alone"}}
		}
		return nil
	})
}

func TestPromisesJudgedApartAreMergedLikeThoseOfOneMachine(t *testing.T) {
	quickStore(t)
	s, o := independentFiles(13), Options{Models: []model.Model{model.Default()}}
	s.Command = &Command{Check: "independent"}
	s.Oracle = oracle.All(s.Oracle, needs(3, 2))
	whole, err := Run(t.Context(), s, o)
	require.NoError(t, err)
	dirs := []string{freshDir()}
	for i := range 3 {
		part := o
		part.Workdir, part.Shard, part.Shards = []string{freshDir()}, i, 3
		dirs = append(dirs, part.Workdir...)
		_, err := Run(t.Context(), s, part)
		require.NoError(t, err)
	}
	o.Workdir, o.Merge = dirs, true
	merged, err := Run(t.Context(), s, o)
	require.NoError(t, err)
	require.Equal(t, whole[0].Report(), merged[0].Report())
	_, made := merged[0].Kept()
	require.Zero(t, made, "nothing is judged twice")
	require.NotEmpty(t, merged[0].Proof())
}
