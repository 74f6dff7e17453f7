package process_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/runner/process"
)

// What a file held at a mark is what the program saw there, whatever has become of
// names since it opened its files, and whichever calls failed.
func TestBuiltinChecksKnowWhatTheProgramSaw(t *testing.T) {
	skipWithoutFUSE(t)
	for name, c := range map[string]struct{ program, check, holds string }{
		"renamed over":  {`exec 3>f; echo old >&3; echo new >g; mv g f; echo later >&3; echo saved`, "old-or-new:f", "new\n"},
		"unlinked":      {`exec 3>f; rm f; echo gone >&3; echo new >f; echo later >&3; echo saved`, "old-or-new:f", "new\n"},
		"renamed":       {`exec 3>f; mv f g; echo one >&3; echo saved; echo other >f`, "log:g", "one\n"},
		"failed calls":  {`mkdir d; mkdir d 2>/dev/null; rmdir none 2>/dev/null; echo new >f; echo saved`, "old-or-new:f", "new\n"},
		"exchanged":     {`echo a >f; echo b >g; ln f h; mv g f; echo c >>h; echo saved`, "old-or-new:h", "a\nc\n"},
		"opened before": {`exec 3>>f; echo a >&3; mv f g; echo b >f; echo c >&3; echo saved`, "log:g", "a\nc\n"},
	} {
		t.Run(name, func(t *testing.T) {
			trace := record(t, "", c.program)
			checker, err := process.NewChecker(process.Options{Timeout: time.Minute})
			require.NoError(t, err)
			defer func() { require.NoError(t, checker.Close()) }()
			check, err := checker.Builtin(c.check, trace)
			require.NoError(t, err)
			file := "/" + c.check[len(c.check)-1:]
			kept, torn := faultfs.New(), faultfs.New()
			for disk, data := range map[*faultfs.FS]string{kept: c.holds, torn: "x" + c.holds} {
				f, err := disk.Create(file)
				require.NoError(t, err)
				_, err = f.WriteString(data)
				require.NoError(t, err)
				require.NoError(t, f.Close())
			}
			require.Empty(t, check.Judge(kept, marks{"saved"}))
			require.NotEmpty(t, check.Judge(torn, marks{"saved"}))
		})
	}
}
