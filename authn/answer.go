package authn

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"mohur/audit"
	"mohur/authn/pin"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// AnswerCommand is one response to an attempt. Secret is the code or the PIN; with
// fido it is the JSON of PublicKeyCredential.toJSON, with card that of the Web eID
// token, with card-sign that of the signature.
type AnswerCommand struct {
	Caller     parties.Caller
	Attempt    string
	Method     Method
	Credential string // "" when the customer did not say which
	Secret     string
	Binding    string
	IP         string // of the customer, as the front end tells it with the answer; may be empty
	TLS        bool   // with card: Secret is a code of Present
	Possession *Possession

	card   *weighed // with a card: what the verifier found
	holder Holder   // what Possession has shown
}

// Bounds of a code or a PIN, and of a FIDO2 key's response, in bytes.
const (
	maxSecret   = 64
	MaxResponse = 16 << 10
)

// check refuses what cannot be judged.
func (cmd AnswerCommand) check() error {
	if cmd.Method.signed() && !cmd.TLS {
		if n := len(cmd.Secret); n == 0 || n > MaxResponse {
			if cmd.Method.card() {
				return &problem.Error{Code: problem.Invalid, Detail: "the answer has nothing of a card that could be judged",
					Fields: []problem.Field{{Field: "token", Message: "needs to be the token as the browser gave it, of 16 KiB at most"}}}
			}
			return &problem.Error{Code: problem.Invalid, Detail: "the answer has no response of a key that could be judged",
				Fields: []problem.Field{{Field: "credential", Message: "needs to be the credential as the browser gave it, of 16 KiB at most"}}}
		}
		return nil
	}
	if n := len(cmd.Secret); n == 0 || n > maxSecret {
		return &problem.Error{Code: problem.Invalid, Detail: "the answer has no code or PIN that could be judged",
			Fields: []problem.Field{{Field: "code", Message: "needs 1 to 64 bytes"}}}
	}
	return nil
}

// refused is the one refusal: the cause is for the audit log and the metrics.
func refused() error {
	return problem.New(problem.AuthenticationFailed, "the response was not accepted")
}

// ruling is what an answer amounts to, before it is settled.
type ruling struct {
	attempt Attempt
	effects []settle.Effect
	events  []audit.Event
	view    View
	granted bool
	by      string // credential that granted
	refused bool
	withPIN bool // a PIN was part of the verdict: the longer floor of time
	outcome string
	reason  string // of a refusal: for audit log and metrics
}

// Answer judges one response. It returns the attempt when it is pending or
// granted, and the one refusal for everything else, at the same floor of time.
func (s *Service) Answer(ctx context.Context, cmd AnswerCommand) (View, error) {
	received := s.Now()
	if err := cmd.check(); err != nil {
		return View{}, err
	}
	a, err := s.answerable(ctx, cmd)
	if err != nil {
		return View{}, err
	}
	source := s.pace.sourceOfAnswer(cmd)
	if err := s.pace.admit(a.paced(), source, received); err != nil {
		return View{}, err
	}
	if cmd.holder, err = s.named(ctx, a.Purpose, a.Customer, cmd.Possession); err != nil {
		return View{}, err
	}
	if cmd.Method.card() {
		// Nobody gets away from here on, or a nonce would be asked of many cards.
		judged, done := context.WithTimeout(context.WithoutCancel(ctx), s.Settings.JudgeTime)
		defer done()
		if cmd.card, err = s.weigh(judged, a, cmd, received); err != nil {
			return View{}, err
		}
		ctx = judged
	}
	leave, waited, err := s.queue.enter(ctx, keysOf(a, cmd)...)
	if err != nil {
		return View{}, err
	}
	first := &a
	if waited {
		first = nil // whoever was before it has changed it
	}
	// From here on the caller cannot get away: what is evaluated is counted.
	judged, done := context.WithTimeout(context.WithoutCancel(ctx), s.Settings.JudgeTime)
	defer done()
	r, err := s.rule(judged, cmd, received, first)
	leave() // the floor of time is not waited for in the queue: others need not wait with him
	if err != nil {
		return View{}, err
	}
	if r.refused {
		s.pace.failed(a.paced(), source, received)
	}
	if s.Observe != nil {
		s.Observe(r.outcome, r.reason)
	}
	switch {
	case r.withPIN:
		s.sleepUntil(ctx, received, s.Settings.FloorPIN)
	case r.refused:
		s.sleepUntil(ctx, received, s.Settings.FloorRefusal)
	}
	if r.refused {
		return View{}, refused()
	}
	return r.view, nil
}

// rule evaluates and settles until the store agrees that nothing moved between.
// first is the attempt as it was read before the queue, where nobody was in it;
// if it has moved all the same, settling says so.
func (s *Service) rule(ctx context.Context, cmd AnswerCommand, received time.Time, first *Attempt) (ruling, error) {
	over := false
	var end func()
	for range maxTries {
		a, err := s.current(ctx, cmd, first)
		if err != nil {
			return ruling{}, err
		}
		first = nil
		r, err := s.evaluate(ctx, a, cmd, received, over)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return ruling{}, err
		}
		if late, err := s.overtaken(ctx, r); late || err != nil {
			if err != nil {
				return ruling{}, err
			}
			continue // judged again, it is refused
		}
		done, err := s.settle(ctx, r.effects, r.events)
		if err != nil {
			return ruling{}, err
		}
		switch done.Outcome {
		case settle.Done:
			return r, nil
		case settle.Over:
			over = true
		}
		if end == nil && a.Purpose == Payment && s.Payments != nil { // another payment may have got in the way
			if end, err = s.Payments.Turn(ctx, a.Customer); err != nil {
				return ruling{}, err
			}
			defer end()
		}
	}
	return ruling{}, problem.Away(errors.New("authn: the credential kept changing"))
}

// current is the attempt an answer is evaluated against.
func (s *Service) current(ctx context.Context, cmd AnswerCommand, first *Attempt) (Attempt, error) {
	if first != nil {
		return *first, nil
	}
	return s.answerable(ctx, cmd)
}

// visible loads an attempt for a caller; what others began does not exist.
func (s *Service) visible(ctx context.Context, by parties.Caller, id string) (Attempt, error) {
	a, err := s.Store.Attempt(ctx, id)
	if err != nil {
		return Attempt{}, notFound(err, "authentication")
	}
	if !by.MaySee(a.Client, a.Channel) {
		return Attempt{}, problem.New(problem.NotFound, "there is no such authentication")
	}
	return a, nil
}

// answerable loads an attempt for a caller who answers it: only the client that
// began it does.
func (s *Service) answerable(ctx context.Context, cmd AnswerCommand) (Attempt, error) {
	a, err := s.visible(ctx, cmd.Caller, cmd.Attempt)
	if err != nil {
		return Attempt{}, err
	}
	if !cmd.Caller.MayAct(a.Client, a.Channel) {
		return Attempt{}, problem.New(problem.NotFound, "there is no such authentication")
	}
	return s.claimed(ctx, a, cmd)
}

// errMoved says that what was read changed while it was evaluated: read again.
var errMoved = errors.New("authn: moved")

// keysOf are the queues an answer waits in: those of every credential it may be
// judged against, decoys like real ones, and of the PIN.
func keysOf(a Attempt, cmd AnswerCommand) []string {
	keys := []string{"attempt/" + a.ID}
	if a.State != Pending {
		return keys // nothing is judged any more: no credential's queue is filled with it
	}
	if a.Purpose == Login && a.Customer != "" {
		keys = append(keys, "sessions/"+a.Customer) // which are counted when one is granted
	}
	for _, o := range a.Offers {
		for _, c := range o.Credentials {
			if cmd.Credential == "" || cmd.Credential == c.ID || cmd.Method == PIN {
				keys = append(keys, "credential/"+c.ID)
			}
		}
		if o.Method == PIN {
			keys = append(keys, "credential/"+pin.HotID(a.Customer))
		}
	}
	return keys
}

// evaluate decides what an answer amounts to against the state as it is now.
func (s *Service) evaluate(ctx context.Context, a Attempt, cmd AnswerCommand, received time.Time, over bool) (ruling, error) {
	if a.State == Expired || !received.Before(a.ExpiresAt) {
		return ruling{}, problem.New(problem.Expired, "the authentication has expired; begin a new one")
	}
	c, err := s.Store.Customer(ctx, a.Customer)
	if err != nil && !errors.Is(err, parties.ErrNotFound) {
		return ruling{}, problem.Away(err)
	}
	j := &judgement{service: s, ctx: ctx, by: cmd.Caller, customer: c, attempt: a, received: received, holder: cmd.holder, over: over, method: cmd.Method}
	j.attempt.Answers++
	j.attempt.Version++
	offer := a.offer(cmd.Method, cmd.Credential)
	switch {
	case a.State != Pending || a.Answers >= s.Settings.MaxAnswers:
		return j.closed()
	case !s.bound(a, cmd.Binding):
		return j.foreign("binding-mismatch")
	case !a.fits(cmd.holder):
		return j.foreign("key-mismatch")
	case offer == nil:
		if a.Decoy {
			return j.spend(a.Cause)
		}
		return j.spend("not-offered")
	case cmd.Method == PIN:
		return j.takePIN(cmd.Secret)
	}
	return j.takePossession(cmd)
}

// bound checks that the answer comes from where the attempt was begun.
func (s *Service) bound(a Attempt, value string) bool {
	if len(a.Binding) == 0 {
		return true
	}
	return subtle.ConstantTimeCompare(a.Binding, bindingSum(value)) == 1
}

// offer is the one an answer is to, nil if there is none.
func (a Attempt) offer(m Method, credential string) *Offer {
	i := slices.IndexFunc(a.Offers, func(o Offer) bool { return o.Method == m && o.has(credential) })
	if i < 0 {
		return nil
	}
	return &a.Offers[i]
}

func (o Offer) has(credential string) bool {
	return credential == "" || slices.ContainsFunc(o.Credentials, func(c Offered) bool { return c.ID == credential })
}

// hold seals an answer into the attempt until the other half arrives.
func (s *Service) hold(ctx context.Context, a Attempt, cmd AnswerCommand, at time.Time) (*Held, error) {
	sealed, err := s.HSM.Seal(ctx, hsm.PINSeal, holdPlace(a.ID, cmd.Method), []byte(cmd.Secret))
	if err != nil {
		return nil, problem.Away(err)
	}
	return &Held{Method: cmd.Method, Credential: cmd.Credential, Sealed: sealed, At: at.UTC(), Holder: cmd.holder}, nil
}

// unhold opens a held answer.
func (s *Service) unhold(ctx context.Context, a Attempt, h *Held) (AnswerCommand, error) {
	plain, err := s.HSM.Open(ctx, hsm.PINSeal, holdPlace(a.ID, h.Method), h.Sealed)
	if err != nil {
		return AnswerCommand{}, problem.Away(err)
	}
	return AnswerCommand{Method: h.Method, Credential: h.Credential, Secret: string(plain)}, nil
}

func holdPlace(attempt string, m Method) string { return "attempt/" + string(m) + "/" + attempt }
