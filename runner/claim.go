package runner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Claim says which cases were judged, all of them, and as Options.Enough which cases
// have to be. Its parts are independent of each other. A part holds for the power
// cut alone and for everything else that was tried: crashes in recovery, kills, faults
// and damage. The zero Claim says nothing.
type Claim struct {
	// Exhaustive says that every case was judged. It implies all that follows.
	Exhaustive bool
	// FewerLosses claims every case that has fewer losses than this: 1 claims the
	// cases without losses, 3 those with at most 2. Zero claims none of them.
	FewerLosses int
	// TornWrites claims the cases in which one write is torn and everything else is on
	// the disk, as far as the model allows that: one run of neighbouring effects of the
	// write is missing, at its end, at its beginning or as a hole.
	TornWrites bool
	// WholeFiles claims the cases in which each file has everything that was
	// done to it before the crash, or nothing that no sync had forced; a name in a
	// directory counts as a file of its own.
	WholeFiles bool
	// WholeOps claims the cases in which each op is there with all of its effects, or
	// with none.
	WholeOps bool
	// Random is how many cuts were drawn at random, beginning with Seed.
	Random int
	Seed   uint64
	// Pairs is how many pairs of blows were dealt of each kind, or all that there are, each with
	// the cases that the rest of the claim speaks of: see Options.Pairs.
	Pairs int
	// PowerCutAlone restricts the claim to power cuts while the program runs:
	// crashes in recovery, kills, faults and damage are not claimed.
	PowerCutAlone bool
}

// The text of each part of a claim.
const (
	claimNothing    = "nothing"
	claimExhaustive = "exhaustive"
	claimNoLosses   = "all cases without losses"
	claimLosses     = "all cases with at most "
	claimTorn       = "all prefixes, suffixes and single holes of every torn write"
	claimFiles      = "each file whole or untouched"
	claimOps        = "everything of one op or nothing of it"
	claimRandom     = " random cuts, seed "
	claimPairs      = "the first "
	claimPairsEnd   = " of each kind of pairs of blows"
	claimAlone      = "of the power cut alone: "
)

// String returns the text form, such as "all cases with at most 2 losses; 10,000 random
// cuts, seed 1". ParseClaim reads it back.
func (c Claim) String() string {
	parts := c.parts()
	if len(parts) == 0 {
		return claimNothing
	}
	text := strings.Join(parts, "; ")
	if c.PowerCutAlone {
		return claimAlone + text
	}
	return text
}

// parts are the texts of the parts, in order.
func (c Claim) parts() []string {
	var pairs []string
	if c.Pairs > 0 {
		pairs = []string{claimPairs + grouped(uint64(c.Pairs)) + claimPairsEnd}
	}
	if c.Exhaustive {
		return append([]string{claimExhaustive}, pairs...)
	}
	return slices.Concat(c.byLosses(), c.besides(), pairs)
}

// byLosses is the text of what is claimed by the number of losses.
func (c Claim) byLosses() []string {
	switch c.FewerLosses {
	case 0:
		return nil
	case 1:
		return []string{claimNoLosses}
	case 2:
		return []string{claimLosses + "1 loss"}
	}
	return []string{claimLosses + grouped(uint64(c.FewerLosses-1)) + " losses"}
}

// besides are the texts of the families of cases and of the random cuts.
func (c Claim) besides() []string {
	var parts []string
	for _, f := range []struct {
		is   bool
		text string
	}{{c.TornWrites, claimTorn}, {c.WholeFiles, claimFiles}, {c.WholeOps, claimOps}} {
		if f.is {
			parts = append(parts, f.text)
		}
	}
	switch c.Random {
	case 0:
	case 1:
		parts = append(parts, fmt.Sprintf("1 random cut, seed %d", c.Seed))
	default:
		parts = append(parts, grouped(uint64(c.Random))+claimRandom+strconv.FormatUint(c.Seed, 10))
	}
	return parts
}

// norm returns the claim with nothing in it that says nothing.
func (c Claim) norm() Claim {
	if c.Exhaustive {
		c = Claim{Exhaustive: true, Pairs: c.Pairs, PowerCutAlone: c.PowerCutAlone}
	}
	if c.Random == 0 {
		c.Seed = 0
	}
	alone, pairs := c.PowerCutAlone, c.Pairs
	c.PowerCutAlone, c.Pairs = false, 0
	if c != (Claim{}) {
		c.PowerCutAlone, c.Pairs = alone, pairs
	}
	if c.PowerCutAlone {
		c.Pairs = 0
	}
	return c
}

// Covers reports whether whoever has judged what c claims has judged what d claims.
func (c Claim) Covers(d Claim) bool {
	c, d = c.norm(), d.norm()
	switch {
	case d == Claim{}:
		return true
	case c.PowerCutAlone && !d.PowerCutAlone:
		return false
	case c.Pairs < d.Pairs:
		return false
	case c.Exhaustive:
		return true
	case d.Exhaustive:
		return false
	}
	return c.FewerLosses >= d.FewerLosses && (c.TornWrites || !d.TornWrites) && (c.WholeFiles || !d.WholeFiles) &&
		(c.WholeOps || !d.WholeOps) && (d.Random == 0 || c.Random >= d.Random && c.Seed == d.Seed)
}

// ParseClaim reads the text form of a claim. Parts may stand in any order.
func ParseClaim(text string) (Claim, error) {
	var c Claim
	rest, alone := strings.CutPrefix(strings.TrimSpace(text), claimAlone)
	if rest == claimNothing && !alone {
		return c, nil
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(rest, ";") {
		family, err := c.add(strings.TrimSpace(part))
		if err != nil {
			return Claim{}, fmt.Errorf("claim: %w", err)
		}
		if seen[family] {
			return Claim{}, fmt.Errorf("claim: two parts say which %s", family)
		}
		seen[family] = true
	}
	delete(seen, pairsJudged)
	if c.Pairs > 0 && len(seen) == 0 {
		return Claim{}, fmt.Errorf("claim: %q does not say which of their cases are judged", text)
	}
	if c.Exhaustive && len(seen) > 1 {
		return Claim{}, fmt.Errorf("claim: %q says everything, with it no other part can stand", claimExhaustive)
	}
	c.PowerCutAlone = alone
	return c, nil
}

// add adds a part to the claim, and says what kind of part it is.
func (c *Claim) add(part string) (family string, err error) {
	switch part {
	case claimExhaustive:
		c.Exhaustive = true
		return "cases are judged", nil
	case claimTorn, "all prefixes and suffixes of every torn write":
		c.TornWrites = true
		return "torn writes are judged", nil
	case claimFiles:
		c.WholeFiles = true
		return "whole files are judged", nil
	case claimOps:
		c.WholeOps = true
		return "whole ops are judged", nil
	case claimNoLosses:
		c.FewerLosses = 1
		return "losses are judged", nil
	}
	if number, ok := strings.CutPrefix(part, claimLosses); ok {
		number, ok := cutNoun(number, " loss", " losses")
		n, err := strconv.ParseUint(ungrouped(number), 10, 31)
		if !ok || err != nil {
			return "", unknownPart(part)
		}
		c.FewerLosses = int(n) + 1
		return "losses are judged", nil
	}
	if number, seed, ok := strings.Cut(part, ", seed "); ok {
		number, ok := cutNoun(number, " random cut", " random cuts")
		n, err := strconv.ParseUint(ungrouped(number), 10, 31)
		if !ok || err != nil || n == 0 {
			return "", unknownPart(part)
		}
		c.Random = int(n)
		if c.Seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
			return "", fmt.Errorf("%q is no seed, want a number from 0 on", seed)
		}
		return "random cuts are judged", nil
	}
	if number, ok := strings.CutPrefix(part, claimPairs); ok {
		number, ok := strings.CutSuffix(number, claimPairsEnd)
		n, err := strconv.ParseUint(ungrouped(number), 10, 31)
		if !ok || err != nil || n == 0 {
			return "", unknownPart(part)
		}
		c.Pairs = int(n)
		return pairsJudged, nil
	}
	return "", unknownPart(part)
}

// pairsJudged is the kind of the part that speaks of pairs of blows.
const pairsJudged = "pairs of blows are judged"

// unknownPart says what a part of a claim can be.
func unknownPart(part string) error {
	return fmt.Errorf("%q is no claim that is known; want %q, or some of %q, %q, %q, %q, %q, %q, with \"; \" between them",
		part, claimExhaustive, claimLosses+"2 losses", claimTorn, claimFiles, claimOps, "10,000"+claimRandom+"1", claimPairs+"100"+claimPairsEnd)
}

// MarshalText returns the text form.
func (c Claim) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the text form.
func (c *Claim) UnmarshalText(text []byte) (err error) {
	*c, err = ParseClaim(string(text))
	return err
}

// cutNoun takes a noun, in its singular or its plural, from behind a number.
func cutNoun(text, one, many string) (number string, ok bool) {
	if number, ok = strings.CutSuffix(text, many); ok {
		return number, true
	}
	return strings.CutSuffix(text, one)
}

// grouped is a number with a comma before each three digits.
func grouped(n uint64) string {
	digits := []byte(strconv.FormatUint(n, 10))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = slices.Insert(digits, i, ',')
	}
	return string(digits)
}

// ungrouped is a number without the commas that grouped puts into it; commas
// elsewhere stay.
func ungrouped(text string) string {
	plain := strings.ReplaceAll(text, ",", "")
	if n, err := strconv.ParseUint(plain, 10, 64); err == nil && grouped(n) == text {
		return plain
	}
	return text
}
