package authn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"mohur/authn/card"
	"mohur/authn/revocation"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// Cards is how cards are judged.
type Cards struct {
	Verifier *card.Verifier
	// Origin is the page that offers tell front ends to ask a card at: the first of
	// those that the verifier takes.
	Origin string
	// Codes keeps what the client-certificate listener has seen, for codeLife.
	Codes settle.Memories
}

// OfferedCard is a certificate that may answer.
type OfferedCard struct {
	Credential string `json:"credential"` // our id
	SHA256     []byte `json:"sha256"`     // of the certificate
}

// card reports whether a card answers by the method. Its nonce serves one answer,
// right or wrong.
func (m Method) card() bool { return m == Card || m == CardSign }

// nonce is the form in which a card takes a challenge: standard base64 of its hash.
func nonce(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// offerCard is what a certificate can do for an opening. One for signing documents
// confirms payments and nothing else, and proves to nobody that its text was seen. A
// card asked to log in shows as much as what asks it: only the answer says who that
// was, so it is offered where policy wants the agent, and the verdict finds out.
func (s *Service) offerCard(g group, c tokens.Credential, o Opening) (group, bool, bool) {
	var r card.Record
	if s.Cards == nil || json.Unmarshal(c.Card, &r) != nil {
		return g, false, false
	}
	g.Method = Card
	if c.CardUse == tokens.UseSign {
		g.Method = CardSign
		if o.Purpose != Payment || o.seen(g.Shown) {
			return g, false, false
		}
	}
	sum := sha256.Sum256(r.Certificate)
	g.Cards = []OfferedCard{{Credential: c.ID, SHA256: sum[:]}}
	if o.Digest {
		return g, false, !o.seen(tokens.ShownNone)
	}
	return g, false, !o.seen(tokens.ShownAgent)
}

// card is the certificate that an answer comes from, the first one offered when it
// cannot be told; nil when none was offered.
func (a Attempt) card(cmd AnswerCommand, certificate []byte) *OfferedCard {
	offer := a.offer(cmd.Method, cmd.Credential)
	if offer == nil || len(offer.Cards) == 0 {
		return nil
	}
	sum := sha256.Sum256(certificate)
	i := slices.IndexFunc(offer.Cards, func(c OfferedCard) bool {
		if cmd.Credential != "" {
			return c.Credential == cmd.Credential
		}
		return bytes.Equal(c.SHA256, sum[:])
	})
	return &offer.Cards[max(0, i)]
}

// weighed is what the verifier found of a card's answer.
type weighed struct {
	credential string // against which it was judged
	record     []byte // as it was read then; nil when there was none
	verdict    card.Verdict
	why        string          // it counts for nothing whatever the verdict
	spend      *settle.Reserve // the code of the listener: it serves once
}

// maxWeighed is how many cards are judged at once: each may wait for a responder.
const maxWeighed = 64

// weigh has the verifier judge a card's answer before it waits in any queue and
// outside of every write: an issuer may have to be asked whether he revoked the
// certificate. It depends on the answer and the record alone. What is no customer's is judged like
// what is, so that neither time nor a responder's log tells them apart.
func (s *Service) weigh(ctx context.Context, a Attempt, cmd AnswerCommand, received time.Time) (*weighed, error) {
	if s.Cards == nil || a.State != Pending || !received.Before(a.ExpiresAt) || !s.bound(a, cmd.Binding) || !a.Holder.fits(cmd.holder) || a.offer(cmd.Method, cmd.Credential) == nil {
		return nil, nil // nothing is judged
	}
	select {
	case s.weighing <- struct{}{}:
		defer func() { <-s.weighing }()
	default:
		return nil, &problem.Error{Code: problem.TooMany, Detail: "too many cards at once; try again", RetryAfter: time.Second, Limit: "cards"}
	}
	if cmd.TLS {
		return s.weighCode(ctx, a, cmd, received)
	}
	certificate := offeredCertificate(cmd)
	w, stored, err := s.storedCard(ctx, a, cmd, certificate)
	if err != nil {
		return nil, err
	}
	if cmd.Method == CardSign {
		text, err := s.text(ctx, a)
		if err != nil {
			return nil, err
		}
		w.verdict = s.Cards.Verifier.VerifySignature(ctx, card.SignatureInput{Response: []byte(cmd.Secret), Text: text, At: received, Stored: stored})
	} else {
		w.verdict = s.Cards.Verifier.VerifyToken(ctx, card.TokenInput{Token: []byte(cmd.Secret), Nonce: nonce(a.SHA256), At: received, Stored: stored})
	}
	return w, nil
}

// offeredCertificate is what an answer brings, unverified.
func offeredCertificate(cmd AnswerCommand) []byte {
	if cmd.Method == Card {
		certificate, _ := card.Peek([]byte(cmd.Secret))
		return certificate
	}
	var in struct {
		Certificate []byte `json:"certificate"`
	}
	if json.Unmarshal([]byte(cmd.Secret), &in) != nil {
		return nil
	}
	return in.Certificate
}

// storedCard finds the record an answer is judged against. There is none in a
// decoy, nor for a certificate that is not the offered one.
func (s *Service) storedCard(ctx context.Context, a Attempt, cmd AnswerCommand, certificate []byte) (*weighed, *card.Record, error) {
	w := &weighed{}
	offered := a.card(cmd, certificate)
	if offered == nil {
		return w, nil, nil
	}
	w.credential = offered.Credential
	c, err := s.Store.Credential(ctx, offered.Credential)
	if err != nil && !errors.Is(err, parties.ErrNotFound) {
		return nil, nil, problem.Away(err)
	}
	var r card.Record
	if err != nil || json.Unmarshal(c.Card, &r) != nil || !bytes.Equal(r.Certificate, certificate) {
		w.why = string(card.WrongCertificate)
		w.record = c.Card
		return w, nil, nil
	}
	w.record = c.Card
	return w, &r, nil
}

// verifyCard takes over what the verifier found, if it was about this record.
func (j *judgement) verifyCard(cmd AnswerCommand) func(*candidate) error {
	return func(c *candidate) error {
		w := cmd.card
		var r card.Record
		switch {
		case c.credential.Kind != tokens.Card || json.Unmarshal(c.credential.Card, &r) != nil:
			c.evidence.broken = true
			return nil
		case w == nil || w.credential != c.credential.ID || !bytes.Equal(w.record, c.credential.Card):
			return errMoved
		}
		v := w.verdict
		if j.attempt.Purpose == Action || j.attempt.Digest { // the agent shows a name or a sum, and a fingerprint of the rest
			v.Shown = tokens.ShownNone
		}
		why := string(v.Reason)
		switch {
		case !v.OK:
		case w.why != "":
			why = w.why
		case !bytes.Equal(v.Record.Certificate, r.Certificate):
			why = string(card.WrongCertificate)
		case cmd.TLS && j.attempt.Purpose != Login:
			why = "tls-is-for-login"
		case cmd.TLS && j.over:
			why = "code-used"
		case !tokens.ShowsEnough(v.Shown, j.attempt.Shown):
			why = "not-shown"
		}
		c.card = v
		c.evidence = evidence{right: v.OK && why == "", why: why, next: c.hot.Counter + 1}
		// One that the bank itself replaced is refused, and that is all.
		replaced := v.Status.Source == revocation.SourceOwn && v.Status.RevocationReason == revocation.Superseded
		if w.why == "" && v.Status.State == revocation.Revoked && !replaced {
			c.revoked = true
		}
		return nil
	}
}

// cardDetail is what the log is told of a card's answer.
func cardDetail(cmd AnswerCommand) map[string]any {
	w := cmd.card
	if w == nil {
		return nil
	}
	d := verdictDetail(w.verdict)
	d["tls"] = cmd.TLS
	return map[string]any{"card": d}
}

func verdictDetail(v card.Verdict) map[string]any {
	d := map[string]any{"seen": v.Seen, "told": v.Detail}
	if v.OK {
		d["certificate"], d["issuer"], d["algorithm"], d["format_shown"], d["app"] = v.Record.Serial, v.Record.Issuer, v.Algorithm, v.Shown, v.AppVersion
		d["origin"] = v.Origin
	}
	if st := v.Status; st.State != "" {
		d["status"], d["status_source"], d["status_at"], d["status_of"] = st.State, st.Source, st.CheckedAt.UTC(), st.ThisUpdate.UTC()
		d["status_reason"], d["status_from_cache"], d["status_in_grace"] = st.Reason, st.FromCache, st.InGrace
	}
	return d
}

// revokedCard refuses a certificate that its issuer has revoked, and suspends it
// here: whoever revoked it knows why.
func (j *judgement) revokedCard(c candidate) (ruling, error) {
	st := c.card.Status
	return j.suspend(c, "credential.revoked",
		"the issuer revoked the certificate of the card "+c.credential.ID+"; it was suspended",
		map[string]any{"source": st.Source, "revoked_at": st.RevokedAt.UTC(), "revocation_reason": st.RevocationReason})
}

// spendNonce takes a card's offers out of an attempt whose nonce was answered
// wrongly: another answer needs another nonce, so another attempt. Other methods stay.
func (a *Attempt) spendNonce() {
	asked := len(a.Ways)
	a.Offers = slices.DeleteFunc(slices.Clone(a.Offers), func(o Offer) bool { return o.Method.card() })
	a.Ways = slices.DeleteFunc(slices.Clone(a.Ways), func(w []Method) bool { return w[0].card() })
	if asked > 0 && len(a.Ways) == 0 {
		a.State = Denied
	}
}

// amrCard are the RFC 8176 values of a card: a key in hardware that its PIN frees.
func amrCard() []string { return []string{"hwk", "mfa", "pin", "sc"} }

// fakeCard gives a decoy a card that exists nowhere. All of it follows from the sum
// over the id.
func fakeCard(out *subject, sum []byte) {
	more := sha256.Sum256(append([]byte("decoy-card/v1\x00"), sum...))
	certificate := sha256.Sum256(more[:])
	credential := ident.From("cr", more[8:24])
	out.add(group{Offer: Offer{Method: Card, Shown: tokens.ShownNone,
		Credentials: []Offered{{ID: credential, Kind: string(tokens.Card), Label: mask(fakeSerial(tokens.CardSerial(more[24:29]), more[2:6]))}},
		Cards:       []OfferedCard{{Credential: credential, SHA256: certificate[:]}},
	}})
	out.ways = append(out.ways, []Method{Card})
}
