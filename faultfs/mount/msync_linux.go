package mount

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/crashsim/crashsim/faultfs"
	"github.com/crashsim/crashsim/faultfs/internal/callsite"
	"github.com/crashsim/crashsim/faultfs/internal/mapped"
)

// limits returns the bytes that a sync of a file is limited to, where an msync asks
// for it: the kernel does not pass on which part of the map it was. Empty says that
// it is the whole file.
func (d *disk) limits(in *fuse.InHeader, ino faultfs.Ino) faultfs.Span {
	if !d.fs.Records() {
		return faultfs.Span{} // nobody asks
	}
	call, err := callsite.CallOf(int(in.Pid))
	if err == nil && call.Number != unix.SYS_MSYNC {
		return faultfs.Span{}
	}
	var span faultfs.Span
	if err == nil {
		span, err = d.mappedPart(int(in.Pid), ino, call.Args[0], call.Args[0]+call.Args[1])
	}
	if err != nil && !d.stores.watches(ino) {
		return faultfs.Span{} // it is not mapped for writing
	}
	if err != nil {
		d.stores.cannotTell(fmt.Errorf("which part of a file an msync forces cannot be seen: %w", err))
		return faultfs.Span{}
	}
	if info, _, errno := d.fs.StatAt(ino); errno == 0 && span.From == 0 && span.To >= info.Size() {
		return faultfs.Span{}
	}
	return span
}

// mappedPart returns what part of a file is mapped between two addresses.
func (d *disk) mappedPart(tid int, ino faultfs.Ino, from, to uint64) (faultfs.Span, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", tid))
	if err != nil {
		return faultfs.Span{}, err
	}
	var span faultfs.Span
	for line := range strings.Lines(string(text)) {
		m, ok := parseMap(line)
		if !ok || m.ino != uint64(ino) || d.device != 0 && m.device != d.device || m.end <= from || m.start >= to {
			continue
		}
		part := faultfs.Span{
			From: int64(m.offset + max(m.start, from) - m.start),
			To:   int64(m.offset+min(m.end, to)-m.start+mapped.PageSize-1) / mapped.PageSize * mapped.PageSize,
		}
		if span.Empty() {
			span = part
		}
		span = faultfs.Span{From: min(span.From, part.From), To: max(span.To, part.To)}
	}
	return span, nil
}

// mapOf is a line of /proc/PID/maps, of a shared map.
type mapOf struct{ start, end, offset, device, ino uint64 }

func parseMap(line string) (m mapOf, ok bool) {
	// address perms offset dev inode path
	fields := strings.Fields(line)
	if len(fields) < 5 || len(fields[1]) != 4 || fields[1][3] != 's' {
		return m, false
	}
	start, end, _ := strings.Cut(fields[0], "-")
	var errs [4]error
	m.start, errs[0] = strconv.ParseUint(start, 16, 64)
	m.end, errs[1] = strconv.ParseUint(end, 16, 64)
	m.offset, errs[2] = strconv.ParseUint(fields[2], 16, 64)
	m.ino, errs[3] = strconv.ParseUint(fields[4], 10, 64)
	major, minor, _ := strings.Cut(fields[3], ":")
	a, err1 := strconv.ParseUint(major, 16, 32)
	b, err2 := strconv.ParseUint(minor, 16, 32)
	m.device = unix.Mkdev(uint32(a), uint32(b))
	return m, errs == [4]error{} && err1 == nil && err2 == nil
}
