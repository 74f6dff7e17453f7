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

// String says, say, "refused" or "refused, DUR".
func (g ground) String() string {
	if g.word == "" {
		return g.kind.String()
	}
	return g.kind.String() + ", " + g.word
}
