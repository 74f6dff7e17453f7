package persist_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets each property hold for fewer programs than rapid would draw,
// unless CRASHSIM_LONG is set, as .ci/run long does, or the flag of rapid says how
// many there are to be.
func TestMain(m *testing.M) {
	if os.Getenv("CRASHSIM_LONG") == "" {
		if err := flag.Set("rapid.checks", "40"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
