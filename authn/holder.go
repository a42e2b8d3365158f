package authn

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"mohur/audit"
	"mohur/authn/dpop"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// Holder is the key a session is bound to, in the words of an access token's cnf (RFC
// 7800 section 3.1). The zero value binds to none: whoever bears the token may use it.
type Holder struct {
	JKT string `json:"jkt,omitempty"`      // base64url of the SHA-256 thumbprint of a key (RFC 9449 section 6.1)
	X5T string `json:"x5t#S256,omitempty"` // base64url of the SHA-256 of a client certificate, DER (RFC 8705 section 3.1)
}

// Bound reports whether there is a key at all.
func (h Holder) Bound() bool { return h != Holder{} }

// fits reports whether what a later request says agrees with it: who says nothing
// agrees.
func (h Holder) fits(said Holder) bool {
	return (h.JKT == "" || said.JKT == "" || h.JKT == said.JKT) && (h.X5T == "" || said.X5T == "" || h.X5T == said.X5T)
}

// with adds what another request has said.
func (h Holder) with(said Holder) Holder {
	if h.JKT == "" {
		h.JKT = said.JKT
	}
	if h.X5T == "" {
		h.X5T = said.X5T
	}
	return h
}

// Possession is what the customer's side has shown of its keys with a request, as the
// front end tells it. Once judged it may be shown again for the same request, and for
// nothing else. nil: nothing was shown.
type Possession struct {
	DPoP        string // RFC 9449 section 4.1
	Method, URL string // of the request the proof came with
	X5T         string // of the certificate that its TLS connection was made with

	judged bool
	token  string
	holder Holder
}

// shown reports whether there is anything to judge.
func (p *Possession) shown() bool { return p != nil && (p.DPoP != "" || p.X5T != "") }

// nonceStep is how long a nonce is handed out; it is good for one step longer.
const nonceStep = time.Minute

// afterUse is how much longer than it could be shown a proof is remembered, for nodes
// whose clocks differ.
const afterUse = time.Minute

// Nonce is the value that proofs carry from now on (RFC 9449 section 8), the same on
// every node; "" when none is asked for.
func (s *Service) Nonce(ctx context.Context) (string, error) {
	if !s.Settings.DPoPNonce {
		return "", nil
	}
	return s.nonceAt(ctx, s.Now().Unix()/int64(nonceStep.Seconds()))
}

func (s *Service) nonceAt(ctx context.Context, step int64) (string, error) {
	mac, err := s.HSM.MAC(ctx, hsm.RowMAC, "dpop-nonce/v1", binary.BigEndian.AppendUint64(nil, uint64(step)))
	if err != nil {
		return "", problem.Away(err)
	}
	return base64.RawURLEncoding.EncodeToString(mac[:16]), nil
}

// nonces are those that are good now: of this step, of the one before, and of the next,
// which another node may be in already.
func (s *Service) nonces(ctx context.Context) ([]string, error) {
	if !s.Settings.DPoPNonce {
		return nil, nil
	}
	now := s.Now().Unix() / int64(nonceStep.Seconds())
	var good []string
	for step := now - 1; step <= now+1; step++ {
		n, err := s.nonceAt(ctx, step)
		if err != nil {
			return nil, err
		}
		good = append(good, n)
	}
	return good, nil
}

// judge verifies what was shown with an access token, or with none. A proof that is
// right is used up by it, on every node and whatever becomes of the request.
func (s *Service) judge(ctx context.Context, p *Possession, token string, accept func(Holder) error) error {
	if !p.shown() {
		return accept(Holder{})
	}
	if p.judged {
		if p.token != token {
			return proofProblem(dpop.WrongToken)
		}
		return accept(p.holder)
	}
	h := Holder{X5T: p.X5T}
	if h.X5T != "" && !thumbprint(h.X5T) {
		return &problem.Error{Code: problem.Invalid, Detail: "the certificate's thumbprint cannot be one",
			Fields: []problem.Field{{Field: "x5t", Message: "needs to be the base64url of a SHA-256, without padding"}}}
	}
	var proof dpop.Proof
	if p.DPoP != "" {
		good, err := s.nonces(ctx)
		if err != nil {
			return err
		}
		proof, err = dpop.Verify(p.DPoP, dpop.Request{Method: p.Method, URL: p.URL, Token: token, Nonces: good, Now: s.Now(), Window: s.Settings.DPoPWindow})
		if err != nil {
			var r dpop.Reason
			errors.As(err, &r)
			return proofProblem(r)
		}
		h.JKT = proof.Thumbprint
	}
	if err := accept(h); err != nil {
		return err
	}
	if p.DPoP != "" {
		first, err := s.Store.FirstUse(ctx, proof.Key(), proof.Until.Add(afterUse))
		if err != nil {
			return problem.Away(err)
		}
		if !first {
			return proofProblem(replayed)
		}
	}
	p.judged, p.token, p.holder = true, token, h
	return nil
}

func thumbprint(text string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(b) == 32 && len(text) == 43
}

// What can be wrong with a proof that is right in itself.
const (
	replayed         dpop.Reason = "replayed"
	otherKey         dpop.Reason = "other-key"
	otherCertificate dpop.Reason = "other-certificate"
	unbound          dpop.Reason = "unbound"
	proofMissing     dpop.Reason = "proof-missing"
	tokenMissing     dpop.Reason = "token-missing"
)

// proofWords say what is wrong with a proof to who has made it.
var proofWords = map[dpop.Reason]string{
	dpop.Malformed: "it is no compact JWS, or a name stands in it twice", dpop.WrongType: "typ needs to be dpop+jwt", dpop.WrongAlgorithm: "alg is none of those accepted",
	dpop.WrongKey:       "jwk needs to be the public key that goes with alg, and nothing private",
	dpop.WrongSignature: "the signature does not fit", dpop.WrongID: "jti is needed, of 256 bytes at most", dpop.WrongMethod: "htm is another method than that of the request",
	dpop.WrongURL: "htu is not the URL of the request without query and fragment", dpop.WrongTime: "iat is too old or in the future",
	dpop.WrongToken: "ath does not go with the access token of the request",
	replayed:        "it was used before", otherKey: "it is of another key than the session's", unbound: "the session is bound to no key",
	otherCertificate: "the session is bound to a client certificate, and x5t is not its thumbprint",
	proofMissing:     "the session is bound to a key, and dpop is missing",
	tokenMissing:     "the session is bound to a key: it is used with its access_token and a proof, not by its id",
}

// proofProblem maps what is wrong with a proof to what the caller is told.
func proofProblem(r dpop.Reason) error {
	if r == dpop.WrongNonce {
		return &problem.Error{Code: problem.UseNonce, Detail: "the proof needs the nonce of the DPoP-Nonce header; make a new one with it", Err: r}
	}
	return &problem.Error{Code: problem.InvalidProof, Detail: "the proof of possession is not accepted: " + proofWords[r], Err: r}
}

// holds judges whether who shows p with a token holds the key the session is bound to. A
// session without one takes no proof either: to ignore it would be to confirm a binding
// that there is not. What is refused is on record: somebody may have stolen the token.
func (s *Service) holds(ctx context.Context, by parties.Caller, session Session, c parties.Customer, token string, p *Possession) error {
	want := session.Holder
	err := s.judge(ctx, p, token, func(h Holder) error {
		switch {
		case !want.Bound() && h.Bound():
			return proofProblem(unbound)
		case want.JKT != "" && h.JKT == "":
			return proofProblem(proofMissing)
		case want.JKT != h.JKT:
			return proofProblem(otherKey)
		case want.X5T != h.X5T:
			return proofProblem(otherCertificate)
		}
		return nil
	})
	var r dpop.Reason
	if problem.Is(err, problem.InvalidProof) && errors.As(err, &r) {
		if failed := s.refusedUse(ctx, by, session, c, string(r)); failed != nil {
			return failed
		}
	}
	return err
}

// refusedUse puts on record that a session was used without its key, as far as its pace
// goes. It is an entry aside: whoever comes back with the right proof and the same
// Idempotency-Key is served.
func (s *Service) refusedUse(ctx context.Context, by parties.Caller, session Session, c parties.Customer, why string) error {
	if s.pace.refusedUses.Take(session.ID, s.Now()) > 0 {
		return nil
	}
	_, err := s.settle(settle.Aside(ctx), nil, []audit.Event{s.sessionEvent(by, c, session, "session.refused", "refused", why)})
	return err
}

// named is the key that a log-in shall bind its session to.
func (s *Service) named(ctx context.Context, purpose Purpose, customer string, p *Possession) (Holder, error) {
	if !p.shown() {
		return Holder{}, nil
	}
	if purpose != Login || parties.IsStaff(customer) {
		field := "dpop"
		if p.DPoP == "" {
			field = "x5t"
		}
		return Holder{}, &problem.Error{Code: problem.Invalid, Detail: "no session of a customer comes of this that could be bound to a key",
			Fields: []problem.Field{{Field: field, Message: "goes with the log-in of a customer only"}}}
	}
	var h Holder
	err := s.judge(ctx, p, "", func(shown Holder) error {
		h = shown
		return nil
	})
	return h, err
}
