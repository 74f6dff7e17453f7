package faultfs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// SyncFailure says how a file system behaves once a sync has failed: what its
// program then sees, and what later syncs are worth. The zero value is the
// worst of each. What real file systems do was measured by Rebello et al.,
// "Can Applications Recover from fsync Failures?", USENIX ATC 2020.
type SyncFailure struct {
	_ struct{} // written with field names: fields may be added

	Page    FailedPage
	Report  Report
	Journal Journal
}

// FailedPage says what becomes of a dirty page that a sync could not write.
type FailedPage uint8

// Values of FailedPage.
const (
	PageClean    FailedPage = iota // clean, with its new contents: no later sync writes it unless it is written to anew
	PageReverted                   // clean, with the contents that it had at the last sync that succeeded
	PageDirty                      // still dirty: the next sync tries again
)

// Report says which sync returns the error of a page that was not written. That
// of one that stays dirty is always returned by the sync that failed.
type Report uint8

// Values of Report.
const (
	ReportNext Report = iota // the next one: the sync that failed returns no error
	ReportNow                // the one that failed
)

// Journal says what becomes of a file system that cannot write its journal.
type Journal uint8

// Values of Journal.
const (
	JournalShutdown Journal = iota // everything fails with EIO from then on
	JournalReadonly                // changes and syncs fail with EROFS from then on
	JournalOpen                    // it goes on, and the next sync tries again
)

// Span is a range of bytes of a file. The zero Span is empty.
type Span struct {
	From, To int64 // To is the first byte behind it
}

// Everything is the Span of all bytes that a file can have.
var Everything = Span{0, math.MaxInt64}

// Empty reports whether there is no byte in the span.
func (s Span) Empty() bool { return s.To <= s.From }

// String returns "FROM-TO", or "all".
func (s Span) String() string {
	if s == Everything {
		return "all"
	}
	return fmt.Sprintf("%d-%d", s.From, s.To)
}

// parseLost reads a span that is not empty.
func parseLost(text string) (Span, bool) {
	if text == "all" {
		return Everything, true
	}
	from, to, _ := strings.Cut(text, "-")
	a, err1 := strconv.ParseInt(from, 10, 64)
	b, err2 := strconv.ParseInt(to, 10, 64)
	return Span{a, b}, err1 == nil && err2 == nil && a >= 0 && a < b
}
