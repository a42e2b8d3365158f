package api

import (
	"context"

	"mohur/authn"
	"mohur/problem"
)

// nonceHeader carries the nonce that the next proof needs (RFC 9449 section 8.2).
const nonceHeader = "DPoP-Nonce"

// possessionIn is what a request says of the keys that the customer's side has shown
// with its own request to the front end. Each body has these members of its own.
type possessionIn struct{ dpop, htm, htu, x5t *string }

// maxURL bounds htu, in bytes.
const maxURL = 2048

// possession reads them; nil when none is there. Where the front end does not say to
// which request of the customer's a proof belongs, it belongs to this one. The answer
// tells the nonce for the next.
func (x *exchange) possession(ctx context.Context, in possessionIn) (*authn.Possession, error) {
	if in == (possessionIn{}) {
		return nil, nil
	}
	var c problem.Check
	c.Unless(in.dpop == nil || *in.dpop != "", "dpop", "is empty")
	c.Unless(in.x5t == nil || *in.x5t != "", "x5t", "is empty")
	c.Unless(in.htm == nil || in.dpop != nil, "htm", "goes with dpop")
	c.Unless(in.htu == nil || in.dpop != nil, "htu", "goes with dpop")
	c.Unless(in.htm == nil || *in.htm != "" && len(*in.htm) <= maxName, "htm", "needs to be the method of the customer's request")
	c.Unless(in.htu == nil || *in.htu != "" && len(*in.htu) <= maxURL, "htu", "needs to be the URL of the customer's request, of 2048 bytes at most")
	if err := c.Err(); err != nil {
		return nil, err
	}
	p := &authn.Possession{Method: x.r.Method, URL: x.server.Authn.Settings.Issuer + x.r.URL.EscapedPath()}
	if in.htm != nil {
		p.Method = *in.htm
	}
	if in.htu != nil {
		p.URL = *in.htu
	}
	if in.x5t != nil {
		p.X5T = *in.x5t
	}
	if in.dpop == nil {
		return p, nil
	}
	p.DPoP = *in.dpop
	nonce, err := x.server.Authn.Nonce(ctx)
	if err != nil {
		return nil, err
	}
	if nonce != "" {
		x.w.Header().Set(nonceHeader, nonce)
	}
	return p, nil
}

// tokenType is how an access token is presented (RFC 9449 sections 5 and 6.2).
func tokenType(h authn.Holder) string {
	if h.JKT != "" {
		return "DPoP"
	}
	return "Bearer"
}

// cnfOut names the key that a session is bound to (RFC 7800).
type cnfOut struct {
	JKT string `json:"jkt,omitzero"`
	X5T string `json:"x5t#S256,omitzero"`
}

func cnfOf(h authn.Holder) *cnfOut {
	if !h.Bound() {
		return nil
	}
	return &cnfOut{JKT: h.JKT, X5T: h.X5T}
}
