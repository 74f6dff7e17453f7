package persist_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets each property hold for fewer programs than rapid would draw,
// unless CRASHSIM_LONG is set, as .ci/run long does, or the flag of rapid says how
// many there are to be. With -short rapid itself draws fewer.
func TestMain(m *testing.M) {
	flag.Parse()
	checks := flag.Lookup("rapid.checks")
	if os.Getenv("CRASHSIM_LONG") == "" && !testing.Short() && checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("40"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
