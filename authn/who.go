package authn

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"mohur/authn/fido"
	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/tokens"
	"mohur/tokens/ocra"
)

// subject is the customer an attempt is opened for, as far as there is one, and
// what may be offered to him.
type subject struct {
	customer parties.Customer // zero when unknown
	decoy    bool
	cause    string
	offers   []group
	ways     [][]Method
	keys     *fido.RelyingParty // nil: none are offered
	cards    *Cards             // the same
}

// group is what one question, or none, is asked of: credentials of one method,
// those of OCRA of one suite and one form of the question.
type group struct {
	Offer
	suite *ocra.Suite // nil unless OCRA
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
	} else if c.Stopped(o.Channel) {
		real.decoy, real.cause = true, "channel-suspended"
	} else if s.Stops.Customer(c.ID) {
		real.decoy, real.cause = true, stopReason
	}
	return real, nil
}

// offers lists what the customer holds that reaches the level. Suspended tokens
// are listed like active ones: an outsider learns nothing from a list.
func (s *Service) offers(ctx context.Context, c parties.Customer, o Opening) (subject, error) {
	out := subject{customer: c, keys: s.FIDO, cards: s.Cards}
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
	needs, alone := map[Method]bool{}, map[Method]bool{} // a PIN of the server's, beside this method
	for _, t := range held {
		if t.State != tokens.Active && t.State != tokens.Suspended {
			continue
		}
		profile, ok := tokens.ProfileOf(t.Profile)
		if !ok {
			continue
		}
		for _, id := range t.Credentials {
			cred, err := s.Store.Credential(ctx, id)
			if errors.Is(err, parties.ErrNotFound) {
				if profile.Bare() {
					continue // nobody knows any more what to ask for
				}
				// Somebody removed it: it stays offered, so that an answer finds out.
				cred = tokens.Credential{ID: id, Kind: tokens.HOTP}
				err = nil
			}
			if err != nil {
				return subject{}, problem.Away(err)
			}
			g, needsPIN, ok := s.offer(cred, t, profile, o)
			if !ok || needsPIN && !hasPIN {
				continue
			}
			out.add(g)
			needs[g.Method], alone[g.Method] = needs[g.Method] || needsPIN, alone[g.Method] || !needsPIN
		}
	}
	slices.SortStableFunc(out.offers, func(a, b group) int { return cmp.Compare(order[a.Method], order[b.Method]) })
	for _, g := range out.offers {
		if slices.ContainsFunc(out.ways, func(w []Method) bool { return w[0] == g.Method }) {
			continue
		}
		if g.Method == FIDO && alone[FIDO] && needs[FIDO] { // each key says for itself
			out.ways = append(out.ways, way(FIDO, false))
		}
		out.ways = append(out.ways, way(g.Method, needs[g.Method]))
	}
	out.offerPIN()
	return out, nil
}

// order is in which methods are listed.
var order = map[Method]int{OTP: 1, OCRA: 2, FIDO: 3, Card: 4, CardSign: 5}

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

// offer is what one credential can do for an opening, and whether it takes the
// PIN kept by the server to do it; ok is false when it cannot reach the level.
func (s *Service) offer(c tokens.Credential, t tokens.Token, p tokens.Profile, o Opening) (g group, needsPIN, ok bool) {
	g.Offer = Offer{Method: OTP, Shown: tokens.ShownNone, Credentials: []Offered{{ID: c.ID, Kind: string(c.Kind), Label: mask(t.Serial)}}}
	needsPIN = !p.PINOnDevice && o.ACR.Rank() > Single.Rank()
	switch c.Kind {
	case tokens.FIDO:
		return s.offerKey(g, c, o)
	case tokens.Card:
		return s.offerCard(g, c, o)
	}
	if c.Kind != tokens.OCRA {
		// A TOTP or HOTP can never be bound to a payment.
		return g, needsPIN, o.ACR != Linked && !o.seen(g.Shown)
	}
	suite, err := ocra.ParseSuite(c.Suite)
	if err != nil || o.ACR == Linked && !p.Binds {
		return g, false, false
	}
	g.Method, g.suite = OCRA, &suite
	if p.Shown == tokens.ShownDevice {
		// What is typed on such a key is a payment and never anything else: a question
		// that is a number without meaning could be a thief's payment.
		if o.Pay == nil {
			return g, false, false
		}
		if g.Question, g.Typed, err = suite.Typed(o.Pay.Minor, o.Pay.Account); err != nil {
			return g, false, false
		}
		g.Shown = p.Shown
	}
	return g, needsPIN || suite.PINHash != 0, !o.seen(g.Shown)
}

// seen reports whether the opening asks for more to be seen than that.
func (o Opening) seen(shown string) bool { return !tokens.ShowsEnough(shown, o.Shown) }

// add puts a credential into the group of those that answer the same question.
func (w *subject) add(g group) {
	i := slices.IndexFunc(w.offers, func(have group) bool {
		return have.Method == g.Method && have.Question == g.Question && (g.suite == nil || have.suite.Text == g.suite.Text)
	})
	if i < 0 {
		w.offers = append(w.offers, g)
		return
	}
	w.offers[i].Credentials = append(w.offers[i].Credentials, g.Credentials...)
	w.offers[i].Keys = append(w.offers[i].Keys, g.Keys...)
	w.offers[i].Cards = append(w.offers[i].Cards, g.Cards...)
}

// way is what must be answered along with a possession method.
func way(m Method, needsPIN bool) []Method {
	if !needsPIN {
		return []Method{m}
	}
	return []Method{m, PIN}
}

func (w *subject) offerPIN() {
	for _, ms := range w.ways {
		if len(ms) == 2 {
			w.offers = append(w.offers, group{Offer: Offer{Method: PIN, Credentials: []Offered{}}})
			return
		}
	}
}

// mask shows enough of a serial for its owner to know which token is meant.
func mask(serial string) string {
	return "••••" + serial[max(0, len(serial)-4):]
}

// digits is the end of the serial of a device from stock, from 4 bytes.
func digits(b []byte) string { return fmt.Sprintf("%04d", binary.BigEndian.Uint32(b)%10000) }

// fakeSerial ends like what the bank made up itself, or like that of a device from
// stock: by a bit of 4 bytes, whose others make the digits.
func fakeSerial(own string, b []byte) string {
	if b[0]&1 == 0 {
		return own
	}
	return digits(b)
}

// fake is the decoy of an id: a token that exists nowhere. What it can do and how
// it is labelled follows from the id, like all of it, so that it stays the same.
func (s *Service) fake(ctx context.Context, o Opening) (subject, error) {
	sum, err := s.HSM.MAC(ctx, hsm.RowMAC, "decoy/v1", []byte(o.Customer))
	if err != nil {
		return subject{}, problem.Away(err)
	}
	out := subject{decoy: true, keys: s.FIDO, cards: s.Cards}
	if s.FIDO != nil && sum[22]%4 == 1 { // a key and nothing else
		fakeKey(&out, sum)
		return out, nil
	}
	if s.Cards != nil && sum[23]%4 == 1 { // a card and nothing else
		fakeCard(&out, sum)
		return out, nil
	}
	label := mask(digits(sum[16:]))
	out.add(group{Offer: Offer{Method: OTP, Shown: tokens.ShownNone, Credentials: []Offered{{ID: ident.From("cr", sum[:16]), Kind: decoyKind(sum[20]), Label: label}}}})
	needsPIN := o.ACR.Rank() > Single.Rank()
	out.ways = append(out.ways, way(OTP, needsPIN))
	if sum[21]&1 == 1 { // every other one can sign payments too, as most tokens of a bank
		suite, err := ocra.ParseSuite(decoySuite)
		if err != nil {
			return subject{}, problem.Away(err)
		}
		out.add(group{suite: &suite, Offer: Offer{Method: OCRA, Shown: tokens.ShownNone,
			Credentials: []Offered{{ID: ident.From("cr", sum[16:]), Kind: string(tokens.OCRA), Label: label}}}})
		out.ways = append(out.ways, way(OCRA, needsPIN))
	}
	if s.FIDO != nil && sum[22]%8 == 0 { // a key beside
		fakeKey(&out, sum)
	}
	if s.Cards != nil && sum[23]%8 == 0 { // a card beside
		fakeCard(&out, sum)
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

// challenge makes the text, and the question each group of credentials derives
// from it. Two open attempts of one customer never share a question: an answer
// to one would be an answer to the other.
func (w subject) challenge(o Opening, open []Attempt) (Challenge, []Offer, error) {
	taken := map[string]bool{}
	for _, a := range open {
		for _, offer := range a.Offers {
			taken[offer.Question] = offer.Question != ""
		}
	}
	if slices.ContainsFunc(w.offers, func(g group) bool { return len(g.Typed) > 0 && taken[g.Question] }) {
		return Challenge{}, nil, problem.New(problem.Conflict, "a payment with this amount and payee waits for its proof already; prove or cancel that one first")
	}
	for range maxNonces {
		c, err := o.Challenge()
		if err != nil {
			return Challenge{}, nil, problem.Away(err)
		}
		offers, free, err := w.ask(c, o.ACR, taken)
		if err != nil {
			return Challenge{}, nil, problem.Away(err)
		}
		if free {
			return c, offers, nil
		}
	}
	return Challenge{}, nil, problem.Away(errors.New("authn: no free OCRA question"))
}

// ask derives the questions; free is false when one of them is taken.
func (w subject) ask(c Challenge, level ACR, taken map[string]bool) (offers []Offer, free bool, err error) {
	for _, g := range w.offers {
		if g.suite != nil && g.Question == "" {
			g.Question = g.suite.Derive(c.SHA256[:])
			if taken[g.Question] {
				return nil, false, nil
			}
		}
		if g.Method == FIDO {
			if g.Options, err = askKeys(w.keys, c, level, g.Keys); err != nil {
				return nil, false, err
			}
		}
		if g.Method.card() {
			g.Nonce, g.Origin = nonce(c.SHA256[:]), w.cards.Origin
		}
		offers = append(offers, g.Offer)
	}
	return offers, true, nil
}

// attempt is the record to store.
func (w subject) attempt(o Opening, c Challenge, offers []Offer, now time.Time) Attempt {
	a := Attempt{
		ID: ident.New("at"), Customer: o.Customer, Nameless: o.Customer == "", Decoy: w.decoy, Cause: w.cause, Client: o.Caller.ID, Channel: o.Channel,
		Purpose: o.Purpose, Action: o.Action, Transaction: o.Transaction, Session: o.Session, Digest: o.Digest, ACR: o.ACR, Shown: cmp.Or(o.Shown, tokens.ShownNone),
		Offers: offers, Ways: w.ways, SHA256: c.SHA256[:], State: Pending, Score: o.Score,
		CreatedAt: now.UTC(), ExpiresAt: o.ExpiresAt, Holder: o.Holder, From: o.From, Version: 1,
	}
	if a.offer(CardSign, "") != nil { // a card signs the hash that goes with its key
		longer, longest := sha512.Sum384(c.Text), sha512.Sum512(c.Text)
		a.Longer = [][]byte{longer[:], longest[:]}
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
