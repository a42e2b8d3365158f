package api

import (
	"bytes"
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"mohur/authn"
	"mohur/canonical"
	"mohur/problem"
)

// maxDigits is how long a number in what an action is about may be: the canonical form
// keeps no more apart (RFC 8785 section 3.2.2.3), and a proof for one would serve for
// another.
const maxDigits = 15

// named is an action with the canonical form of what it is about; nothing is {}.
func (in actionIn) named(c *problem.Check) authn.NamedAction {
	out := authn.NamedAction{Name: in.Name, Data: []byte("{}")}
	if len(in.Data) == 0 {
		return out
	}
	data, err := canonical.Bytes(in.Data)
	switch {
	case in.Data.Kind() != '{' || err != nil:
		c.Unless(false, "action.data", "needs to be an object that has a canonical form (RFC 8785)")
	case inexact(in.Data) || inexact(data):
		c.Unless(false, "action.data", "has a number of more than 15 digits, or one too small to be told from 0, which has no exact canonical form: write it as text")
	default:
		out.Data = data
	}
	return out
}

// tiny is the smallest number that keeps all its digits (IEEE 754, normal).
const tiny = 0x1p-1022

// inexact reports whether a number in a JSON text has more digits than are kept apart, or
// loses them because it is too small.
func inexact(text []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		t, err := d.ReadToken()
		if err != nil {
			return false // the end: the text has a canonical form
		}
		if t.Kind() != '0' {
			continue
		}
		digits := 0
		for _, r := range t.String() {
			if r >= '0' && r <= '9' {
				digits++
			}
		}
		n, err := strconv.ParseFloat(t.String(), 64) // too large: the canonical form has more digits
		mantissa, _, _ := strings.Cut(strings.ToLower(t.String()), "e")
		if digits > maxDigits || err == nil && math.Abs(n) < tiny && strings.ContainsAny(mantissa, "123456789") {
			return true
		}
	}
}

type spendIn struct {
	Customer string   `json:"customer"`
	Action   actionIn `json:"action"`
}

// spend consumes the proof for an act of the bank's own.
func (x *exchange) spend(ctx context.Context, in spendIn) (reply, error) {
	var c problem.Check
	c.Unless(in.Customer != "", "customer", "is needed")
	action := in.Action.named(&c)
	if err := c.Err(); err != nil {
		return reply{}, err
	}
	v, err := x.server.Authn.SpendOwn(ctx, x.by, x.id("id"), in.Customer, action)
	if err != nil {
		return reply{}, err
	}
	return ok(x.authenticationOf(v))
}
