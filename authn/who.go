package authn

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/tokens"
)

// subject is the customer an attempt is opened for, as far as there is one, and
// what may be offered to him.
type subject struct {
	customer parties.Customer // zero when unknown
	decoy    bool
	cause    string
	offers   []Offer
	ways     [][]Method
	suites   map[string]otp.Suite // of the offered OCRA credentials
}

// who finds out what can be offered. An unknown customer, and one to whom
// nothing can be offered for a log-in, gets a decoy that is always the same for
// that id.
func (s *Service) who(ctx context.Context, o Opening) (subject, error) {
	fake, err := s.fake(ctx, o)
	if err != nil {
		return subject{}, err
	}
	c, err := s.Store.Customer(ctx, o.Customer)
	if errors.Is(err, parties.ErrNotFound) {
		fake.cause = "unknown-customer"
		return fake, nil
	}
	if err != nil {
		return subject{}, problem.Away(err)
	}
	real, err := s.offers(ctx, c, o)
	if err != nil {
		return subject{}, err
	}
	if len(real.ways) == 0 && o.Purpose != Payment {
		fake.customer, fake.cause = c, "no-suitable-credential"
		return fake, nil
	}
	if c.State != parties.CustomerActive {
		real.decoy, real.cause = true, "customer-suspended"
	} else if s.Stops.Customer(c.ID) {
		real.decoy, real.cause = true, stopReason
	}
	return real, nil
}

// offers lists what the customer holds that reaches the level. Suspended tokens
// are listed like active ones: an outsider learns nothing from a list.
func (s *Service) offers(ctx context.Context, c parties.Customer, o Opening) (subject, error) {
	out := subject{customer: c, suites: map[string]otp.Suite{}}
	held, err := s.Store.TokensOf(ctx, c.ID)
	if err != nil {
		return subject{}, problem.Away(err)
	}
	slices.SortStableFunc(held, func(a, b tokens.Token) int { return activated(b).Compare(activated(a)) })
	_, err = s.Store.PIN(ctx, c.ID)
	if err != nil && !errors.Is(err, parties.ErrNotFound) {
		return subject{}, problem.Away(err)
	}
	hasPIN := err == nil
	byMethod := map[Method]*Offer{}
	onDevice := map[Method]bool{}
	for _, t := range held {
		if t.State != tokens.Active && t.State != tokens.Suspended {
			continue
		}
		profile, ok := tokens.ProfileOf(t.Profile)
		if !ok || (!profile.PINOnDevice && !hasPIN && o.ACR.Rank() > Single.Rank()) {
			continue
		}
		for _, id := range t.Credentials {
			cred, err := s.Store.Credential(ctx, id)
			if errors.Is(err, parties.ErrNotFound) {
				// Somebody removed it: it stays offered, so that an answer finds out.
				cred = tokens.Credential{ID: id, Kind: tokens.HOTP}
				err = nil
			}
			if err != nil {
				return subject{}, problem.Away(err)
			}
			out.add(byMethod, onDevice, cred, t, profile, o.ACR)
		}
	}
	for _, m := range []Method{OTP, OCRA} {
		if offer := byMethod[m]; offer != nil {
			out.offers = append(out.offers, *offer)
			out.ways = append(out.ways, way(m, onDevice[m], o.ACR))
		}
	}
	out.offerPIN()
	return out, nil
}

// activated is when a token came to life, for the order of the list: an answer
// that names no credential is judged against the first.
func activated(t tokens.Token) (at time.Time) {
	for _, h := range t.History {
		if h.Move == tokens.Activate {
			at = h.At
		}
	}
	return at
}

// add offers one credential under its method, if its method reaches the level.
func (w *subject) add(by map[Method]*Offer, onDevice map[Method]bool, c tokens.Credential, t tokens.Token, p tokens.Profile, acr ACR) {
	m := OTP
	if c.Kind == tokens.OCRA {
		m = OCRA
		suite, err := otp.ParseSuite(c.Suite)
		if err != nil {
			return
		}
		w.suites[c.ID] = suite
	}
	if acr == Linked && m != OCRA {
		return // a TOTP or HOTP can never be bound to a payment
	}
	if by[m] == nil {
		by[m] = &Offer{Method: m}
		onDevice[m] = true
	}
	onDevice[m] = onDevice[m] && p.PINOnDevice
	by[m].Credentials = append(by[m].Credentials, Offered{ID: c.ID, Kind: string(c.Kind), Label: mask(t.Serial)})
}

// way is what must be answered along with a possession method to reach acr.
func way(m Method, pinOnDevice bool, acr ACR) []Method {
	if pinOnDevice || acr == Single {
		return []Method{m}
	}
	return []Method{m, PIN}
}

func (w *subject) offerPIN() {
	for _, ms := range w.ways {
		if len(ms) == 2 {
			w.offers = append(w.offers, Offer{Method: PIN, Credentials: []Offered{}})
			return
		}
	}
}

// mask shows enough of a serial for its owner to know which token is meant.
func mask(serial string) string {
	return "••••" + serial[max(0, len(serial)-4):]
}

// fake is the decoy of an id: a token that exists nowhere. What it can do and how
// it is labelled follows from the id, like all of it, so that it stays the same.
func (s *Service) fake(ctx context.Context, o Opening) (subject, error) {
	sum, err := s.HSM.MAC(ctx, hsm.IdempotencyMAC, "decoy/v1", []byte(o.Customer))
	if err != nil {
		return subject{}, problem.Away(err)
	}
	out := subject{decoy: true, suites: map[string]otp.Suite{}}
	label := mask(fmt.Sprintf("%04d", binary.BigEndian.Uint32(sum[16:])%10000))
	out.offers = append(out.offers, Offer{Method: OTP, Credentials: []Offered{{ID: ident.From("cr", sum[:16]), Kind: decoyKind(sum[20]), Label: label}}})
	out.ways = append(out.ways, []Method{OTP, PIN})
	if sum[21]&1 == 1 { // every other one can sign payments too, as most tokens of a bank
		id := ident.From("cr", sum[16:])
		if out.suites[id], err = otp.ParseSuite(decoySuite); err != nil {
			return subject{}, problem.Away(err)
		}
		out.offers = append(out.offers, Offer{Method: OCRA, Credentials: []Offered{{ID: id, Kind: string(tokens.OCRA), Label: label}}})
		out.ways = append(out.ways, []Method{OCRA, PIN})
	}
	out.offerPIN()
	return out, nil
}

// decoySuite is the suite of the tokens a bank hands out.
const decoySuite = "OCRA-1:HOTP-SHA256-8:C-QN08"

func decoyKind(b byte) string {
	if b&1 == 0 {
		return string(tokens.TOTP)
	}
	return string(tokens.HOTP)
}

// maxNonces is how often a challenge is made again because its OCRA question is
// the question of another open attempt of the customer.
const maxNonces = 50

// challenge makes the text, and the question each offered OCRA suite derives
// from it. Two open attempts of one customer never share a question: an answer
// to one would be an answer to the other.
func (w subject) challenge(o Opening, open []Attempt) (Challenge, string, error) {
	taken := map[string]bool{}
	for _, a := range open {
		for _, offer := range a.Offers {
			taken[offer.Question] = offer.Question != ""
		}
	}
	for range maxNonces {
		c, err := o.Challenge()
		if err != nil {
			return Challenge{}, "", problem.Away(err)
		}
		question := ""
		for _, suite := range w.suites {
			question = suite.Derive(c.SHA256[:])
		}
		if !taken[question] {
			return c, question, nil
		}
	}
	return Challenge{}, "", problem.Away(errors.New("authn: no free OCRA question"))
}

// attempt is the record to store.
func (w subject) attempt(o Opening, c Challenge, question string, now time.Time) Attempt {
	offers := w.offers
	for i := range offers {
		if offers[i].Method == OCRA {
			offers[i].Question = question
		}
	}
	a := Attempt{
		ID: ident.New("at"), Customer: o.Customer, Decoy: w.decoy, Cause: w.cause, Client: o.Caller.ID, Channel: o.Channel,
		Purpose: o.Purpose, Action: o.Action, Transaction: o.Transaction, Session: o.Session, ACR: o.ACR, Shown: "none",
		Offers: offers, Ways: w.ways, SHA256: c.SHA256[:], State: Pending, Score: o.Score,
		CreatedAt: now.UTC(), ExpiresAt: o.ExpiresAt, Version: 1,
	}
	for _, r := range w.reasons(o) {
		a.Reasons = append(a.Reasons, r.Code)
	}
	return a
}

// reasons are those of the risk and, for a payment nobody can prove, that.
func (w subject) reasons(o Opening) []risk.Reason {
	if o.Purpose == Payment && len(w.ways) == 0 {
		return append(o.Reasons, risk.Reason{Code: "no-suitable-credential", Text: "the customer holds nothing that reaches " + string(o.ACR)})
	}
	return o.Reasons
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
