package runner

import (
	"strings"
)

// upTo is the claim of the round by losses.
func upTo(reached int) Claim {
	if reached == everything {
		return Claim{Exhaustive: true}
	}
	return Claim{FewerLosses: reached + 1}
}

// reaches adds what a later round has reached to the claim.
func (c *Claim) reaches(r round, reached, draws int, seed uint64) {
	switch r {
	case tornWrites:
		c.TornWrites = reached == everything
	case wholeFiles:
		c.WholeFiles = reached == everything
	case wholeOps:
		c.WholeOps = reached == everything
	case atRandom:
		if c.Random = max(min(reached, draws), 0); c.Random > 0 {
			c.Seed = seed
		}
	}
}

// bound says what was judged, where it is not everything.
func (j *judging) bound() string {
	text := "not even " + claimNoLosses + " were judged"
	if by := j.claim.byLosses(); by != nil {
		text = by[0] + " were judged"
	} else if j.alone.Exhaustive {
		text = "all cases of the power cut alone were judged"
	}
	o := j.options
	switch {
	case j.allFound:
		text += "; the search ended with the smallest example of each kind of failure found"
	case j.interrupted():
		text += ", then the run was interrupted"
	case j.enough() && o.Enough.FewerLosses == j.claim.FewerLosses:
		text += ", which is enough"
	case o.MaxLosses > 0 && j.claim.FewerLosses == o.MaxLosses+1:
		text += ", as asked"
	case j.full:
		text += ", then there was no room for the parts still to judge"
	default:
		text += ", then the budget was spent"
	}
	if more := j.claim.besides(); more != nil {
		text += "; besides: " + strings.Join(more, "; ")
	}
	if alone := j.onlyAlone(); !j.claim.Covers(alone) && (!alone.Exhaustive || j.claim.FewerLosses > 0) {
		text += "; " + alone.String()
	}
	return text
}

// onlyAlone is what is claimed of the power cut alone.
func (j *judging) onlyAlone() Claim {
	alone := j.alone
	alone.PowerCutAlone = true
	return alone.norm()
}

// claimed is what was judged: of all that was tried, or of the power cut alone where there
// is nothing to be said of the rest.
func (j *judging) claimed() Claim {
	known := j.claim
	known.Random = 0 // a few cuts say less than what is known of the power cut
	if alone := j.onlyAlone(); known.norm() == (Claim{}) && alone != (Claim{}) {
		return alone
	}
	return j.claim.norm()
}

// enough reports whether what the options call enough was judged.
func (j *judging) enough() bool {
	want := j.options.Enough
	return want != Claim{} && (j.claim.Covers(want) || j.onlyAlone().Covers(want))
}
