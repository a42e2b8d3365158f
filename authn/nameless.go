package authn

import (
	"context"
	"errors"
	"slices"

	"mohur/authn/fido"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens"
)

// nameless is what is offered to somebody who does not say who he is: any FIDO2 key
// that keeps its account itself, and that verifies him.
func (s *Service) nameless() subject {
	offer := Offer{Method: FIDO, Shown: tokens.ShownNone, Credentials: []Offered{}}
	return subject{keys: s.FIDO, offers: []group{{Offer: offer}}, ways: [][]Method{{FIDO}}}
}

// nobodyMark begins what stands for the holder of a key that is nobody's; no subject
// has it.
const nobodyMark = "#"

// claimed is an attempt as one response to it is judged. One that was opened without a
// name is that of the customer whose key the response says it is from: he has to prove
// it like everybody, and only a grant makes it his. A response from a key that is
// nobody's is judged like one to a decoy. Staff do not log in so: a page for customers
// would be given a session of theirs when the wrong one of two accounts is chosen.
func (s *Service) claimed(ctx context.Context, a Attempt, cmd AnswerCommand) (Attempt, error) {
	if !a.Nameless || a.Customer != "" {
		return a, nil
	}
	var id []byte
	if cmd.Method == FIDO {
		id, _, _ = fido.Peek([]byte(cmd.Secret))
	}
	name := tokens.FIDOKeyID(id)
	offer := a.Offers[0]
	rejected := a.Decoy // by the policy, when it was begun
	a.Decoy, a.Cause = true, "unknown-credential"
	offer.Credentials = []Offered{{ID: nobodyMark + name, Kind: string(tokens.FIDO)}}
	c, t, err := s.keyNamed(ctx, name)
	switch {
	case errors.Is(err, parties.ErrNotFound):
	case err != nil:
		return a, problem.Away(err)
	case parties.IsStaff(t.Customer):
		a.Cause = "staff-without-name"
	case t.Customer != "" && slices.Contains(t.Credentials, c.ID):
		a.Customer, a.Decoy, a.Cause = t.Customer, false, ""
		offer.Credentials[0].ID = c.ID
		offer.Keys = []OfferedKey{{Credential: c.ID, ID: id, Verifies: true}}
	}
	if rejected {
		a.Decoy, a.Cause = true, rejectedCause
	}
	a.Offers = []Offer{offer}
	return a, nil
}

// keyNamed returns the credential with that FIDOKeyID, and its token.
func (s *Service) keyNamed(ctx context.Context, name string) (c tokens.Credential, t tokens.Token, err error) {
	if c, err = s.Store.CredentialByKey(ctx, tokens.FIDOMaker, "", name); err == nil {
		t, err = s.Store.Token(ctx, c.Token)
	}
	return c, t, err
}

// unclaimed is the attempt as it is stored after a response: nobody's until a grant.
func (a Attempt) unclaimed() Attempt {
	if !a.Nameless {
		return a
	}
	offer := a.Offers[0]
	offer.Credentials, offer.Keys = []Offered{}, nil
	a.Offers = []Offer{offer}
	if a.State != Granted {
		rejected := a.Cause == rejectedCause
		a.Customer, a.Decoy, a.Cause = "", rejected, ""
		if rejected {
			a.Cause = rejectedCause
		}
	}
	return a
}

// paced is who a response counts for: the customer, or what stands for the holder of
// a key that is nobody's.
func (a Attempt) paced() string {
	if a.Nameless && a.Customer == "" {
		return a.Offers[0].Credentials[0].ID
	}
	return a.Customer
}
