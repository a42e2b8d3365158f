package payment

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/incident"
	"mohur/parties"
	"mohur/problem"
)

// How long a held payment waits where the bank has set nothing else.
const (
	defaultReview   = 30 * time.Minute
	defaultHeldLife = 24 * time.Hour
)

// keepHeld keeps a payment until the bank's security has looked at it and tells the
// customer at once (clauses 5.26, 5.33). No proof approves it.
func (x *draft) keepHeld(reason string) error {
	s := x.service
	x.t.step(x.now, Held, reason, "policy")
	x.t.ExpiresAt = x.now.Add(cmp.Or(s.HeldLife, defaultHeldLife)).UTC()
	x.t.DueAt, x.t.Late = earlier(x.now.Add(cmp.Or(s.Review, defaultReview)).UTC(), x.t.ExpiresAt), false
	return x.tell("payment-held")
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// tell queues a notice about the payment. It says which one and nothing else of it.
func (x *draft) tell(kind string) error {
	told, err := x.service.notices(x.ctx, x.customer, kind, x.t.Reference)
	x.effects = append(x.effects, told...)
	return err
}

// Release lets a held payment ask for its proof again, with a new text. It never
// approves and decides nothing anew: a proof of the level that was decided is needed
// still (clause 5.26).
func (s *Service) Release(ctx context.Context, by parties.Caller, id, reason string) (View, error) {
	return s.change(ctx, by, id, "transaction.released", func(x *draft) error {
		if err := x.mayDecide(reason); err != nil {
			return err
		}
		// One from a version that kept no such moment waits for people alone.
		if !x.t.DueAt.IsZero() && !x.now.Before(x.t.ExpiresAt) {
			return problem.New(problem.Expired, "nobody decided on it in time: it can only be rejected now")
		}
		if err := x.rated(); err != nil {
			return err
		}
		x.t.Decision = "step_up"
		x.t.ExpiresAt = x.now.Add(x.t.life()).UTC()
		x.t.ReleasedAt, x.t.DueAt, x.t.Late = x.now.UTC(), time.Time{}, false
		x.d.Released = slices.Clone(x.t.Reasons)
		x.t.ACR, x.t.Shown, x.t.AMR, x.t.Signature = "", "", nil, nil // no proof of before counts
		x.unsign()
		x.inputs = map[string]any{"why": reason}
		x.t.step(x.now, PendingProof, reason, by.ID)
		if err := x.tell("payment-released"); err != nil {
			return err
		}
		return x.ask(nil)
	})
}

// Reject ends a held payment for good.
func (s *Service) Reject(ctx context.Context, by parties.Caller, id, reason string) (View, error) {
	return s.change(ctx, by, id, "transaction.rejected", func(x *draft) error {
		if err := x.mayDecide(reason); err != nil {
			return err
		}
		x.inputs = map[string]any{"why": reason}
		x.t.step(x.now, Rejected, reason, by.ID)
		return x.tell("payment-rejected")
	})
}

// mayDecide refuses what is not held, or not any more, what has no reason, and whoever
// has made the payment: the client that began it, and a member of staff who is the
// customer or signs for its holder.
func (x *draft) mayDecide(reason string) error {
	if err := x.in(Held); err != nil {
		return err
	}
	if err := needReason(reason); err != nil {
		return err
	}
	if x.by.Development {
		return nil
	}
	own, err := x.ownPayment()
	if err != nil {
		return err
	}
	if own {
		return problem.New(problem.Forbidden, "whoever made a payment does not decide on it")
	}
	return nil
}

// ownPayment reports whether the caller made the payment, or is one of those who sign for
// its holder. A member of staff is a customer if they have an id, an identification, a
// telephone or an address in common.
func (x *draft) ownPayment() (bool, error) {
	s := x.service
	if x.by.ID == x.t.Client {
		return true, nil
	}
	people, err := x.payers()
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(people, func(c parties.Customer) bool { return c.ID == x.by.ID }) {
		return true, nil
	}
	if !parties.IsStaff(x.by.ID) {
		return false, nil
	}
	person, err := s.Store.Customer(x.ctx, x.by.ID)
	if err != nil {
		return false, problem.Away(err)
	}
	own, err := s.profile(x.ctx, person)
	if err != nil {
		return false, err
	}
	for _, c := range people {
		if person.StaffID() == c.ID || person.SamePerson(c) {
			return true, nil
		}
		p, err := s.profile(x.ctx, c)
		if err != nil {
			return false, err
		}
		if sameContact(own, p) {
			return true, nil
		}
	}
	return false, nil
}

// payers are who made the payment and who signs for its holder now.
func (x *draft) payers() ([]parties.Customer, error) {
	people := []parties.Customer{x.customer}
	if x.t.Holder == "" {
		return people, nil
	}
	h, err := x.service.Store.Holder(x.ctx, x.t.Holder)
	if err != nil {
		return nil, problem.Away(err)
	}
	for _, id := range h.Signers {
		if id == x.customer.ID {
			continue
		}
		c, err := x.service.Store.Customer(x.ctx, id)
		if err != nil {
			return nil, problem.Away(err)
		}
		people = append(people, c)
	}
	return people, nil
}

// sameContact compares telephones by their digits and addresses whatever their case.
func sameContact(a, b parties.Profile) bool {
	phone, email := digits(a.Phone), strings.ToLower(strings.TrimSpace(a.Email))
	return phone != "" && phone == digits(b.Phone) || email != "" && email == strings.ToLower(strings.TrimSpace(b.Email))
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

func (s *Service) profile(ctx context.Context, c parties.Customer) (p parties.Profile, err error) {
	plain, err := s.Keys.Open(ctx, c.Key, parties.ProfilePlace(c.ID), c.Sealed)
	if err == nil {
		err = json.Unmarshal(plain, &p)
	}
	if err != nil {
		return p, problem.Away(err)
	}
	return p, nil
}

func needReason(reason string) error {
	var c problem.Check
	c.Unless(reason != "" && len(reason) <= 500, "reason", "needs 1 to 500 bytes")
	return c.Err()
}

// reviewAtOnce is how many held payments are read at a time.
const reviewAtOnce = 100

// ReviewHeld opens an incident for each held payment that nobody has decided on within
// Review, once, and rejects those that are older than HeldLife (clause 5.25). It returns
// how many wait, those that are late apart.
func (s *Service) ReviewHeld(ctx context.Context, by parties.Caller) (waiting, late int, err error) {
	var wrong []error
	for range maxTries {
		due, err := s.Store.HeldDue(ctx, s.Now(), reviewAtOnce)
		if err != nil { // of the damaged ones; it keeps nobody from the others
			wrong = append(wrong, problem.Away(err))
		}
		done := 0
		for _, t := range due {
			if err := s.review(ctx, by, t); err != nil {
				wrong = append(wrong, err)
				continue
			}
			done++
		}
		if done < reviewAtOnce || ctx.Err() != nil {
			break
		}
	}
	waiting, late, err = s.Store.HeldCount(ctx)
	return waiting, late, errors.Join(append(wrong, err)...)
}

// review does what is due about one. If somebody decides at the same moment, one of the
// two finds it changed and leaves it.
func (s *Service) review(ctx context.Context, by parties.Caller, t Transaction) error {
	c, err := s.Store.Customer(ctx, t.Customer)
	if err != nil {
		return problem.Away(err)
	}
	d, err := s.details(ctx, t, c)
	if err != nil {
		return err
	}
	x := &draft{service: s, ctx: ctx, by: by, customer: c, t: t, d: d, now: s.Now()}
	x.t.Version++
	over := !x.now.Before(t.ExpiresAt)
	if !t.Late {
		x.incident()
	}
	x.t.Late, x.t.DueAt = true, t.ExpiresAt
	name, reason := "transaction.late", "not-decided"
	if over {
		name, reason = "transaction.rejected", reviewExpired
		x.t.step(x.now, Rejected, reviewExpired, "policy")
		if err := x.tell("payment-rejected"); err != nil {
			return err
		}
	}
	if err := x.save(name, reason); err != nil {
		return err
	}
	_, err = s.settle(ctx, x.effects, x.events...)
	return err
}

// reviewExpired is the reason of a held payment that nobody decided on in time.
const reviewExpired = "review-expired"

// incident tells the bank that its security has not looked at a held payment in time.
func (x *draft) incident() {
	const kind = "payment.review-late"
	sum := sha256.Sum256([]byte(kind + "/" + x.t.ID))
	in := incident.Incident{
		ID: ident.From("in", sum[:]), Kind: kind, Service: string(x.t.Channel), Reference: x.t.Reference, Cause: "not-decided",
		Content: "nobody has decided on the held payment " + x.t.ID + " in time", At: x.now.UTC(), State: "open", Version: 1,
	}
	x.effects = append(x.effects, incident.Save{Incident: in})
	x.events = append(x.events, audit.Event{
		Name: "incident.opened", Outcome: "open", Reason: kind, Policy: x.t.Policy, Person: audit.Person{Pseudonym: x.customer.Pseudonym, Key: x.customer.Key},
		Caller: x.by.ID, Request: x.by.Request, Detail: in,
	})
}
