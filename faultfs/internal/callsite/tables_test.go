//go:build linux && amd64

package callsite_test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crashsim/crashsim/faultfs/internal/callsite"
)

// TestFrameInformationIsReadAsReadelfReadsIt holds the reader of .eh_frame to
// another one: every row that readelf prints of the C library and of a shell.
func TestFrameInformationIsReadAsReadelfReadsIt(t *testing.T) {
	readelf, err := exec.LookPath("readelf")
	if err != nil {
		t.Skip("needs readelf")
	}
	libraries, err := filepath.Glob("/lib/*/libc.so.6")
	require.NoError(t, err)
	for _, file := range append(libraries, "/bin/sh", "/bin/mkdir") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			out, err := exec.Command(readelf, "--debug-dump=frames-interp", file).Output()
			if err != nil {
				t.Skip("readelf:", err)
			}
			want := readelfRows(string(out))
			var addrs []uint64
			for addr := range want {
				addrs = append(addrs, addr)
			}
			got, err := callsite.Rows(file, addrs)
			require.NoError(t, err)
			require.NotEmpty(t, want)
			for addr, row := range want {
				require.Equal(t, row, got[addr], "%x", addr)
			}
		})
	}
}

// readelfRows reads lines as "0000000000026150 rsp+16   c-8": where a row begins,
// and what is the address of the frame.
func readelfRows(text string) map[uint64]callsite.Row {
	numbers := map[string]uint64{"rbx": 3, "rbp": 6, "rsp": 7, "r10": 10, "r11": 11, "r12": 12, "r13": 13, "r14": 14, "r15": 15}
	rows := map[uint64]callsite.Row{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || len(fields[0]) != 16 || fields[0] == "0000000000000000" { // that is a common entry
			continue
		}
		addr, err := strconv.ParseUint(fields[0], 16, 64)
		reg, offset, ok := strings.Cut(fields[1], "+")
		number, known := numbers[reg]
		if err != nil || !ok || !known {
			continue
		}
		n, err := strconv.ParseInt(offset, 10, 64)
		if err == nil {
			rows[addr] = callsite.Row{Reg: number, Offset: n}
		}
	}
	return rows
}

func FuzzParseFrames(f *testing.F) {
	for _, file := range []string{"/bin/sh", "/bin/mkdir"} {
		if e, err := elf.Open(file); err == nil {
			if data, err := e.Section(".eh_frame").Data(); err == nil {
				f.Add(data[:min(len(data), 4000)])
			}
		}
	}
	f.Fuzz(func(_ *testing.T, data []byte) { callsite.ParseFrames(data) })
}

func FuzzParseGoTable(f *testing.F) {
	if self, err := os.Executable(); err == nil {
		if e, err := elf.Open(self); err == nil {
			if s := e.Section(".gopclntab"); s != nil {
				data := make([]byte, 1<<12)
				_, _ = s.ReadAt(data, 0)
				f.Add(data)
			}
		}
	}
	f.Add(append([]byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8, 1}, bytes.Repeat([]byte{0}, 200)...))
	f.Fuzz(func(_ *testing.T, data []byte) { callsite.ParseGoTable(data) })
}

func FuzzParseMapping(f *testing.F) {
	f.Add("7f0000000000-7f0000001000 r-xp 00001000 fe:01 123    /lib/x y (deleted)")
	f.Add("")
	f.Add("a b")
	f.Fuzz(func(_ *testing.T, line string) { callsite.ParseMapping(line) })
}
