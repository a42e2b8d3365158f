package authn_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/tokens/pskc"
)

// shape is what an outsider sees of an attempt beside its random parts.
func shape(a authn.Attempt) string {
	out := string(a.ACR) + "/" + string(a.State)
	for _, o := range a.Offers {
		out += "/" + string(o.Method)
		for _, c := range o.Credentials {
			out += fmt.Sprintf(" %s %d %d", c.Kind, len(c.Label), len(c.ID))
		}
		out += fmt.Sprint(" ", len(o.Question))
	}
	return out + fmt.Sprint(a.Ways)
}

// A decoy is always the same for an id, and what a customer with a generator, or
// with a token that also signs, is offered is offered to unknown ids too.
func TestDecoysAreStable(t *testing.T) {
	b := banktest.New(t)
	decoys := map[string]int{}
	for i := range 60 {
		id := fmt.Sprintf("nobody-%d", i)
		one, two := begin(t, b, id).Attempt, begin(t, b, id).Attempt
		for j, o := range one.Offers {
			if !slices.Equal(o.Credentials, two.Offers[j].Credentials) {
				t.Fatalf("%s: %+v, then %+v", id, one.Offers, two.Offers)
			}
		}
		decoys[shape(one)]++
	}
	for _, kinds := range [][]pskc.Algorithm{{pskc.TOTP}, {pskc.HOTP}, {pskc.HOTP, pskc.OCRA}, {pskc.TOTP, pskc.OCRA}} {
		c, _ := b.Person(kinds...)
		if s := shape(begin(t, b, c.ID).Attempt); decoys[s] == 0 {
			t.Errorf("a customer with %v is told from a decoy by %s; decoys: %v", kinds, s, decoys)
		}
	}
}

// The time of a begin does not tell whether somebody is a customer: known or not, it
// leaves at its floor.
func TestClause5_22_BeginningHasAFloorOfTime(t *testing.T) {
	b := banktest.New(t)
	c, _ := b.Person(pskc.HOTP)
	b.Authn.Settings.FloorBegin = 200 * time.Millisecond
	for _, id := range []string{c.ID, "C-NOBODY"} {
		from := time.Now()
		begin(t, b, id)
		if took := time.Since(from); took < 200*time.Millisecond {
			t.Errorf("%s: after %s", id, took)
		}
	}
}

// At level single a decoy asks for one factor, as a customer's generator does.
func TestDecoysAskForOneFactorAtLevelSingle(t *testing.T) {
	b := banktest.New(t)
	b.Rules.LoginACR = string(authn.Single)
	decoys := map[string]int{}
	for i := range 60 {
		decoys[shape(begin(t, b, fmt.Sprintf("nobody-%d", i)).Attempt)]++
	}
	for _, kinds := range [][]pskc.Algorithm{{pskc.HOTP}, {pskc.TOTP, pskc.OCRA}} {
		c, _ := b.Person(kinds...)
		v := begin(t, b, c.ID)
		if s := shape(v.Attempt); decoys[s] == 0 || len(v.Attempt.Ways[0]) != 1 {
			t.Errorf("a customer with %v is told from a decoy by %s; decoys: %v", kinds, s, decoys)
		}
	}
}
