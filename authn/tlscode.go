package authn

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"mohur/audit"
	"mohur/authn/card"
	"mohur/parties"
	"mohur/problem"
	"mohur/seal"
	"mohur/settle"
)

// codeLife is how long a code of the client-certificate listener is good.
const codeLife = time.Minute

// Code is what a browser with a client certificate is given. It carries it to the
// front end, which answers its own attempt with it.
type Code struct {
	Text      string // 128 random bits, base64url
	ExpiresAt time.Time
}

// presented is what lies behind a code, sealed.
type presented struct {
	Certificate []byte    `json:"certificate"` // DER
	ExpiresAt   time.Time `json:"expires_at"`
}

// codeScope is under what a code's certificate is remembered; the code itself is
// kept nowhere.
func codeScope(text string) string {
	sum := sha256.Sum256([]byte("tls-code/v1\x00" + text))
	return "tls-code/" + hex.EncodeToString(sum[:])
}

func codePlace(scope string) string { return "authn/" + scope }

// Present turns the certificate of a finished TLS handshake, in which its holder
// has proven the key, into a code. It grants nothing: no attempt is named here, so a
// page that makes a stranger's browser come here completes nothing with it. A
// certificate that could not log in gets the one refusal, and the log an entry with the
// reason: at a pace, since anybody can come here with a certificate of his own making.
func (s *Service) Present(ctx context.Context, by parties.Caller, chain []*x509.Certificate) (Code, error) {
	if s.Cards == nil || len(chain) == 0 {
		return Code{}, refused()
	}
	select {
	case s.weighing <- struct{}{}:
		defer func() { <-s.weighing }()
	default:
		return Code{}, &problem.Error{Code: problem.TooMany, Detail: "too many cards at once; try again", RetryAfter: time.Second, Limit: "cards"}
	}
	now := s.Now()
	v := s.Cards.Verifier.VerifyClient(ctx, card.ClientInput{Chain: chain, At: now})
	if s.Observe != nil {
		s.Observe(map[bool]string{true: "presented", false: "not-presented"}[v.OK], string(v.Reason))
	}
	if !v.OK {
		return Code{}, s.notPresented(ctx, by, v)
	}
	b := make([]byte, 16)
	rand.Read(b)
	out := Code{Text: base64.RawURLEncoding.EncodeToString(b), ExpiresAt: now.Add(codeLife).UTC()}
	plain, err := json.Marshal(presented{Certificate: chain[0].Raw, ExpiresAt: out.ExpiresAt})
	if err != nil {
		return Code{}, err
	}
	scope := codeScope(out.Text)
	sealed, err := s.Keys.Seal(ctx, s.Bank, codePlace(scope), plain)
	if err != nil {
		return Code{}, problem.Away(err)
	}
	if err := s.Cards.Codes.Conclude(ctx, settle.Remember{Scope: scope, Until: out.ExpiresAt}, sealed); err != nil {
		return Code{}, problem.Away(err)
	}
	return out, nil
}

// notPresented is the refusal of a certificate at the listener, with its entry.
func (s *Service) notPresented(ctx context.Context, by parties.Caller, v card.Verdict) error {
	if s.pace.notPresented.Take("", s.Now()) > 0 {
		return refused()
	}
	detail := verdictDetail(v)
	detail["source"] = by.Source
	e := audit.Event{Name: "certificate.presented", Outcome: "refused", Reason: string(v.Reason), Caller: by.ID, Request: by.Request, Detail: detail}
	if _, err := s.settle(ctx, nil, []audit.Event{e}); err != nil {
		return err
	}
	return refused()
}

// weighCode judges the certificate behind a code. The code serves once, on every
// node, whatever comes of the answer.
func (s *Service) weighCode(ctx context.Context, a Attempt, cmd AnswerCommand, received time.Time) (*weighed, error) {
	p, spend, err := s.behind(ctx, cmd.Secret, received)
	if err != nil {
		return nil, err
	}
	w, stored, err := s.storedCard(ctx, a, cmd, p.Certificate)
	if err != nil {
		return nil, err
	}
	w.spend = spend
	leaf, err := x509.ParseCertificate(p.Certificate)
	if spend == nil || err != nil {
		w.verdict = card.Verdict{Reason: "code-unknown"}
		return w, nil
	}
	w.verdict = s.Cards.Verifier.VerifyClient(ctx, card.ClientInput{Chain: []*x509.Certificate{leaf}, At: received, Stored: stored})
	return w, nil
}

// behind returns what a code stands for and how it is used up; nil when it stands
// for nothing.
func (s *Service) behind(ctx context.Context, text string, at time.Time) (presented, *settle.Reserve, error) {
	scope := codeScope(text)
	m, found, err := s.Cards.Codes.Memory(ctx, scope)
	if err != nil {
		return presented{}, nil, problem.Away(err)
	}
	if !found {
		return presented{}, nil, nil
	}
	plain, err := s.Keys.Open(ctx, s.Bank, codePlace(scope), m.Answer)
	if errors.Is(err, seal.ErrOpen) {
		return presented{}, nil, nil // not what the server wrote
	}
	if err != nil {
		return presented{}, nil, problem.Away(err)
	}
	var p presented
	if err := json.Unmarshal(plain, &p); err != nil || !at.Before(p.ExpiresAt) {
		return presented{}, nil, nil
	}
	return p, &settle.Reserve{Key: scope, Amount: 1, Ceiling: 1, Until: p.ExpiresAt.Add(codeLife)}, nil
}
