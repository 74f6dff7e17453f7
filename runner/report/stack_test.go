package report

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
)

func TestOpsOfOneStackShareIt(t *testing.T) {
	section := torn(t, 2)
	ops := section.Plan.Trace().Ops
	stack := []faultfs.CallSite{{File: "store/wal.go", Line: 12, Func: "store.append"}, {File: "libdb.so", Func: "db_put"}, {File: "<script>", Line: 1}}
	ops[1].Stack, ops[3].Stack, ops[4].Stack = stack, stack, stack[1:]
	text, err := section.data(nil)
	require.NoError(t, err)
	var data sectionData
	require.NoError(t, json.Unmarshal(text, &data))
	require.Equal(t, [][]string{{"store.append, store/wal.go:12", "db_put in libdb.so", "<script>:1"}, {"db_put in libdb.so", "<script>:1"}}, data.Stacks)
	require.Equal(t, []int{0, 1, 0, 1, 2}, []int{data.Ops[0].Stack, data.Ops[1].Stack, data.Ops[2].Stack, data.Ops[3].Stack, data.Ops[4].Stack})
	require.NotContains(t, string(text), "<script>")
}
