package runner

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestClaimsHaveATextForm(t *testing.T) {
	for text, claim := range map[string]Claim{
		"nothing":                            {},
		"exhaustive":                         {Exhaustive: true},
		"all cases without losses":           {FewerLosses: 1},
		"all cases with at most 1 loss":      {FewerLosses: 2},
		"all cases with at most 2 losses":    {FewerLosses: 3},
		"each file whole or untouched":       {WholeFiles: true},
		"10,000 random cuts, seed 1":         {Random: 10000, Seed: 1},
		"1 random cut, seed 0":               {Random: 1},
		"of the power cut alone: exhaustive": {Exhaustive: true, PowerCutAlone: true},
		"exhaustive; the first 1,000 of each kind of pairs of blows":                                         {Exhaustive: true, Pairs: 1000},
		"all cases without losses; the first 9 of each kind of pairs of blows":                               {FewerLosses: 1, Pairs: 9},
		"all prefixes, suffixes and single holes of every torn write; everything of one op or nothing of it": {TornWrites: true, WholeOps: true},
	} {
		require.Equal(t, text, claim.String())
		parsed, err := ParseClaim(text)
		require.NoError(t, err)
		require.Equal(t, claim, parsed)
	}
}

func TestClaimsThatAreNoneAreRefused(t *testing.T) {
	for text, why := range map[string]string{
		"":                                  `"" is no claim that is known`,
		"everything":                        `"everything" is no claim that is known; want "exhaustive", or some of`,
		"all cases with at most two losses": `is no claim that is known`,
		"all cases with at most -1 losses":  `is no claim that is known`,
		"all cases with at most 1,0 losses": `is no claim that is known`,
		"the first 9 of each kind of pairs of blows": `does not say which of their cases are judged`,
		"the first 0 of each kind of pairs of blows": `is no claim that is known`,
		"10 random cuts":                                             `is no claim that is known`,
		"0 random cuts, seed 1":                                      `is no claim that is known`,
		"10 random cuts, seed x":                                     `"x" is no seed`,
		"exhaustive; all cases without losses":                       `with it no other part can stand`,
		"all cases without losses; all cases with at most 2 losses":  `two parts say which losses are judged`,
		"of the power cut alone: nothing":                            `"nothing" is no claim that is known`,
		"each file whole or untouched; each file whole or untouched": `two parts say which whole files are judged`,
		"all cases with at most 99999999999999999999 losses":         `is no claim that is known`,
	} {
		_, err := ParseClaim(text)
		require.ErrorContains(t, err, why, "%q", text)
	}
}

// drawClaim draws a claim in which nothing stands that says nothing.
func drawClaim(t *rapid.T, name string) Claim {
	return Claim{
		Exhaustive: rapid.IntRange(0, 5).Draw(t, name+" exhaustive") == 0, FewerLosses: rapid.IntRange(0, 4).Draw(t, name+" losses"),
		TornWrites: rapid.Bool().Draw(t, name+" torn"), WholeFiles: rapid.Bool().Draw(t, name+" files"), WholeOps: rapid.Bool().Draw(t, name+" ops"),
		Random: rapid.SampledFrom([]int{0, 0, 1, 999, 1000, 1234567}).Draw(t, name+" random"), Seed: rapid.Uint64Range(0, 2).Draw(t, name+" seed"),
		Pairs:         rapid.SampledFrom([]int{0, 0, 1, 100}).Draw(t, name+" pairs"),
		PowerCutAlone: rapid.Bool().Draw(t, name+" alone"),
	}.norm()
}

func TestClaimsAreReadBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claim := drawClaim(t, "claim")
		parsed, err := ParseClaim(claim.String())
		require.NoError(t, err)
		require.Equal(t, claim, parsed)
		text, err := json.Marshal(claim)
		require.NoError(t, err)
		var back Claim
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, claim, back)
	})
}

func TestWhatAClaimCoversIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawClaim(t, "a"), drawClaim(t, "b"), drawClaim(t, "c")
		require.True(t, a.Covers(a))
		require.True(t, a.Covers(Claim{}))
		require.True(t, Claim{Exhaustive: true, Pairs: 100}.Covers(a))
		if a.Covers(b) && b.Covers(c) {
			require.True(t, a.Covers(c), "%s; %s; %s", a, b, c)
		}
		if a.Covers(b) && b.Covers(a) {
			require.Equal(t, a, b)
		}
	})
}

func FuzzParseClaim(f *testing.F) {
	f.Add("exhaustive")
	f.Add("all cases with at most 2 losses; all prefixes and suffixes of every torn write; 10,000 random cuts, seed 1")
	f.Add("of the power cut alone: each file whole or untouched;everything of one op or nothing of it")
	f.Fuzz(func(t *testing.T, text string) {
		claim, err := ParseClaim(text)
		if err != nil {
			require.Equal(t, Claim{}, claim)
			return
		}
		again, err := ParseClaim(claim.String())
		require.NoError(t, err)
		require.Equal(t, claim, again)
	})
}
