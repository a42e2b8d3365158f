package enrollment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"mohur/audit"
	"mohur/authn/card"
	"mohur/ca"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// CertificateCommand asks the bank's authority to certify a key that was made on an
// E-token at the branch.
type CertificateCommand struct {
	Caller      parties.Caller
	Token       string
	Request     []byte   // PKCS#10, DER
	Attestation [][]byte // the device's own proof that it made the key, see ca.Order
}

// certifiable are the states in which a token's key is made: once it is known whose
// it will be, and until it is out of the bank's hands; and at the branch again, to
// renew it.
var certifiable = []tokens.State{tokens.Assigned, tokens.Shipped, tokens.Delivered, tokens.Active}

// IssueCertificate certifies a token's key. The certificates that the token had are
// revoked by it, but for those its customer logs in with: they give way when he has
// enrolled the new one, so that nobody of the bank takes his card from him by this. The token's record goes along, so that nothing is certified for
// one that is revoked meanwhile.
func (s *Service) IssueCertificate(ctx context.Context, cmd CertificateCommand) (ca.Certificate, error) {
	if s.CA == nil {
		return ca.Certificate{}, problem.New(problem.Forbidden, "the bank has no certificate authority of its own")
	}
	for range maxTries {
		t, err := s.Token(ctx, cmd.Token)
		if err != nil {
			return ca.Certificate{}, err
		}
		if p, ok := tokens.ProfileOf(t.Profile); !ok || !slices.Contains(p.Kinds, tokens.Card) {
			return ca.Certificate{}, problem.New(problem.Conflict, "a token of the profile "+t.Profile+" holds no certificates")
		}
		if !slices.Contains(certifiable, t.State) {
			return ca.Certificate{}, problem.New(problem.Conflict, "a token that is "+string(t.State)+" gets no certificate; assign it to a customer first")
		}
		keep, err := s.inUse(ctx, t)
		if err != nil {
			return ca.Certificate{}, err
		}
		c, effects, events, err := s.CA.Issue(ctx, ca.Order{
			Caller: cmd.Caller, Token: t.ID, Serial: t.Serial, Request: cmd.Request, Attestation: cmd.Attestation, Keep: keep,
		})
		if err != nil {
			return ca.Certificate{}, err
		}
		t.Version++
		// The entry of the certificate comes last; the first one names the command.
		slices.Reverse(events)
		r, err := s.settle(ctx, append(effects, tokens.SaveToken{Token: t}), events...)
		if err != nil {
			return ca.Certificate{}, err
		}
		if _, twice := r.Effect.(ca.SaveCertificate); r.Outcome == settle.Exists && twice {
			return ca.Certificate{}, problem.New(problem.Conflict, "this key was certified before; make a new one on the token")
		}
		if r.Outcome == settle.Done {
			return c, nil
		}
	}
	return ca.Certificate{}, errContended
}

// endCertificates are the changes that revoke a token's certificates with it, and
// their serials.
func (s *Service) endCertificates(ctx context.Context, t tokens.Token, cmd MoveCommand) ([]settle.Effect, []string, error) {
	if s.CA == nil || cmd.Move != tokens.Revoke {
		return nil, nil, nil
	}
	effects, _, err := s.CA.Revoke(ctx, cmd.Caller, t.ID, ca.CessationOfOperation)
	var serials []string
	for _, e := range effects {
		if c, is := e.(ca.SaveCertificate); is {
			serials = append(serials, c.Certificate.Serial)
		}
	}
	return effects, serials, err
}

// inUse are the serials of a token's certificates that its customer has enrolled.
func (s *Service) inUse(ctx context.Context, t tokens.Token) ([]string, error) {
	if len(t.Credentials) == 0 {
		return nil, nil
	}
	all, err := s.CA.Store.CertificatesOf(ctx, t.ID)
	if err != nil {
		return nil, problem.Away(err)
	}
	var serials []string
	for _, id := range t.Credentials {
		cred, err := s.Store.Credential(ctx, id)
		if err != nil && !errors.Is(err, parties.ErrNotFound) {
			return nil, problem.Away(err)
		}
		var r card.Record
		if err != nil || json.Unmarshal(cred.Card, &r) != nil {
			continue
		}
		for _, c := range all {
			if bytes.Equal(c.DER, r.Certificate) {
				serials = append(serials, c.Serial)
			}
		}
	}
	return serials, nil
}

// supersede are the changes, with their entries, by which a certificate that is being
// enrolled takes the place of the others that the bank's authority issued to the token.
func (s *Service) supersede(ctx context.Context, by parties.Caller, t tokens.Token, der []byte) ([]settle.Effect, []audit.Event, error) {
	if s.CA == nil {
		return nil, nil, nil
	}
	c, known, err := s.CA.Find(ctx, der)
	if err != nil || !known || c.Token != t.ID {
		return nil, nil, err
	}
	return s.CA.Revoke(ctx, by, t.ID, ca.Superseded, c.Serial)
}
