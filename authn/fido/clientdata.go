package fido

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
)

// The types of client data (section 5.8.1).
const (
	typeCreate = "webauthn.create"
	typeGet    = "webauthn.get"
)

// clientData is what the client vouches for.
type clientData struct {
	kind, challenge, origin string
	crossOrigin             bool
	topOrigin               string // "" when not told
	hash                    []byte
}

// parseClientData reads clientDataJSON more strictly than the standard asks:
// its bytes come from a serialisation with one form (section 5.8.1.1), so a
// second member of a name, other letters or a byte order mark are no client's.
func parseClientData(raw []byte) (clientData, error) {
	sum := sha256.Sum256(raw)
	c := clientData{hash: sum[:]}
	if len(raw) > maxClientData {
		return c, refuse(MalformedClientData, "%d bytes, at most %d", len(raw), maxClientData)
	}
	m, err := members(raw, "type", "challenge", "origin", "crossOrigin", "topOrigin")
	if err != nil {
		return c, refuse(MalformedClientData, "%v", err)
	}
	for _, member := range []struct {
		name string
		to   *string
	}{{"type", &c.kind}, {"challenge", &c.challenge}, {"origin", &c.origin}} {
		if err := value(m, member.name, member.to); err != nil {
			return c, refuse(MalformedClientData, "%s: %v", member.name, err)
		}
	}
	if m["crossOrigin"] != nil {
		if err := value(m, "crossOrigin", &c.crossOrigin); err != nil {
			return c, refuse(MalformedClientData, "crossOrigin: %v", err)
		}
	}
	if m["topOrigin"] != nil {
		if err := value(m, "topOrigin", &c.topOrigin); err != nil || c.topOrigin == "" {
			return c, refuse(MalformedClientData, "topOrigin is not a string")
		}
	}
	return c, nil
}

// checkClientData is steps 7 to 12 of section 7.1, 10 to 14 of section 7.2.
func (rp *RelyingParty) checkClientData(raw []byte, kind string, challenge []byte) (clientData, error) {
	c, err := parseClientData(raw)
	if err != nil {
		return c, err
	}
	if c.kind != kind {
		return c, refuse(WrongType, "%q, not %s", c.kind, kind)
	}
	want := encoding.EncodeToString(challenge)
	if subtle.ConstantTimeCompare([]byte(c.challenge), []byte(want)) != 1 {
		return c, refuse(WrongChallenge, "%q", c.challenge)
	}
	if !slices.Contains(rp.origins, c.origin) {
		return c, refuse(WrongOrigin, "%q", c.origin)
	}
	switch {
	case !c.crossOrigin && c.topOrigin == "":
		return c, nil
	case !c.crossOrigin:
		return c, refuse(WrongTopOrigin, "%q although not in a frame", c.topOrigin)
	case !rp.s.CrossOrigin:
		return c, refuse(CrossOrigin, "in a frame of %q", c.topOrigin)
	case c.topOrigin == "" && !rp.s.TopOriginOptional:
		return c, refuse(WrongTopOrigin, "not told")
	case c.topOrigin != "" && !slices.Contains(rp.s.TopOrigins, c.topOrigin):
		return c, refuse(WrongTopOrigin, "%q", c.topOrigin)
	}
	return c, nil
}
