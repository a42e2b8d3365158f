package card

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// The length of a token and of an answer to card-sign, in bytes.
const (
	leastLength = 100
	mostLength  = 10_000
)

// Formats of log-in tokens.
const (
	formatAgent = "mohur:1"
	agentPrefix = "mohur-agent:1" // hashed before origin and nonce, in formatAgent only
)

var formats = []string{"web-eid:1", "web-eid:1.0", "web-eid:1.1", formatAgent}

// token is a Web eID token of version 1, with its members in the standard's
// letters. Others are ignored.
type token struct {
	Certificate string `json:"unverifiedCertificate"`
	Algorithm   string `json:"algorithm"`
	Signature   string `json:"signature"`
	Format      string `json:"format"`
	AppVersion  string `json:"appVersion"`
}

// decode reads one JSON object whose members stand in it once, in UTF-8.
func decode(text []byte, reason Reason, to any) error {
	if len(text) < leastLength || len(text) > mostLength {
		return refuse(reason, "%d characters", len(text))
	}
	if text[0] != '{' { // null, too, would be taken for an object without members
		return refuse(reason, "not a JSON object")
	}
	if err := json.Unmarshal(text, to); err != nil {
		return refuse(reason, "%v", err)
	}
	return nil
}

// encoding is base64 in its one form (RFC 4648 section 4): padded, no bits left
// over.
var encoding = base64.StdEncoding.Strict()

func binary(s string) ([]byte, error) {
	// The decoder skips line breaks, so they are looked for first.
	if s == "" || strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("missing, or with line breaks")
	}
	return encoding.DecodeString(s)
}

// parseToken reads a token up to its certificate: form, format, members.
func parseToken(text []byte) (t token, certificate, signature []byte, err error) {
	if err := decode(text, MalformedToken, &t); err != nil {
		return t, nil, nil, err
	}
	if !slices.Contains(formats, t.Format) {
		return t, nil, nil, refuse(WrongFormat, "%q", t.Format)
	}
	if t.AppVersion == "" {
		return t, nil, nil, refuse(MalformedToken, "appVersion is missing")
	}
	if certificate, err = binary(t.Certificate); err != nil {
		return t, nil, nil, refuse(MalformedToken, "unverifiedCertificate: not base64: %v", err)
	}
	if signature, err = binary(t.Signature); err != nil {
		return t, nil, nil, refuse(MalformedToken, "signature: not base64: %v", err)
	}
	return t, certificate, signature, nil
}

// Peek returns the certificate a token brings, DER and unverified: only to find
// which credential answers. It is not ok for what is not a token.
func Peek(token []byte) (certificate []byte, ok bool) {
	_, certificate, _, err := parseToken(token)
	return certificate, err == nil
}

// VerifyToken judges a log-in token: Web eID's token format 1, where the card signed
// hash(origin) and hash(nonce), and mohur:1 of the bank's agent, where it signed
// hash("mohur-agent:1") before them. A stock application signs two hashes of what a
// page gives it and never three, so no page can have it make the agent's.
//
// A nonce is spent by a good and by a bad answer alike; that is the caller's.
func (v *Verifier) VerifyToken(ctx context.Context, in TokenInput) Verdict {
	return guarded(func(out *Verdict) error {
		if n, err := binary(in.Nonce); err != nil || len(n) != 32 || in.At.IsZero() {
			return refuse(CallerFault, "no time, or a nonce that is not the base64 of 32 bytes")
		}
		return v.token(ctx, in, out)
	})
}

func (v *Verifier) token(ctx context.Context, in TokenInput, out *Verdict) error {
	t, der, signature, err := parseToken(in.Token)
	if err != nil {
		return err
	}
	c, err := v.certificate(ctx, der, logIn, in.At, in.Stored, out)
	if err != nil {
		return err
	}
	a, err := c.profile.accepted(t.Algorithm, c.PublicKey)
	if err != nil {
		return err
	}
	signed := v.signedOrigin(a, t.Format, in.Nonce, c.PublicKey, signature)
	if signed == "" {
		return refuse(WrongSignature, "%s, format %s", t.Algorithm, t.Format)
	}
	if err := v.inForce(ctx, c, in.At, out); err != nil {
		return err
	}
	out.Record, out.Algorithm, out.AppVersion, out.Origin = c.record, t.Algorithm, clip(t.AppVersion), signed
	out.Record.Algorithm, out.Shown = t.Algorithm, ShownNone
	// A key for signing documents signs any hash a page asks for, three hashes', too.
	if t.Format == formatAgent && !commits(c.Certificate) {
		out.Shown = ShownAgent
	}
	return nil
}

// signedOrigin returns the configured origin over which the signature verifies, or
// "". A token does not say which one it is for.
func (v *Verifier) signedOrigin(a algorithm, format, nonce string, key any, signature []byte) string {
	for _, o := range v.origins {
		var hashes []byte
		if format == formatAgent {
			hashes = a.sum([]byte(agentPrefix))
		}
		hashes = append(hashes, a.sum([]byte(o))...)
		hashes = append(hashes, a.sum([]byte(nonce))...)
		if a.verify(key, a.sum(hashes), signature) {
			return o
		}
	}
	return ""
}
