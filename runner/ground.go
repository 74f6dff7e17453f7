package runner

import (
	"regexp"
	"strings"

	"github.com/crashsim/crashsim/oracle"
)

// ground tells failures apart that are told one by one: of each kind, by the word with
// which a check begins what it says, as in "DUR: key 7 is gone".
type ground struct {
	kind oracle.Kind
	word string // "" where it begins with none
}

// maxGrounds is how many failures are told at most.
const maxGrounds = 12

// ownWord is the word before the first colon of what a check says.
var ownWord = regexp.MustCompile(`^(?:the check failed: )?([A-Za-z][A-Za-z0-9_-]*): `)

// groundOf returns what a violation is told for.
func groundOf(v *oracle.Violation) ground {
	g := ground{kind: v.Kind}
	if strings.Contains(v.Detail, ": ") {
		if m := ownWord.FindStringSubmatch(v.Detail); m != nil {
			g.word = m[1]
		}
	}
	return g
}

// isNew reports whether a violation is to be told besides those that were found. Each
// kind is told, however many were found.
func (j *judging) isNew(g ground) bool {
	if j.found[g] {
		return false
	}
	if len(j.found) < maxGrounds {
		return true
	}
	for known := range j.found {
		if known.kind == g.kind {
			j.note("more than %d different failures were found; the others are not told", maxGrounds)
			return false
		}
	}
	return true
}
