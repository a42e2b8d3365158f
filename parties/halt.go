package parties

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"mohur/audit"
	"mohur/problem"
	"mohur/settle"
)

// Class is why a service is stopped, as clause 4.6 tells the cases apart.
type Class string

// The classes of clause 4.6.
const (
	Breach    Class = "breach"    // 4.6.1: the rules or the contract were broken
	Technical Class = "technical" // 4.6.2: it is technically impossible
	Legal     Class = "legal"     // 4.6.3: another case that the law names
)

// Classes are all of them.
func Classes() []Class { return []Class{Breach, Technical, Legal} }

// Halt is how a customer, or some of his channels, are stopped or let back.
type Halt struct {
	Reason   string
	Class    Class     // of a suspension; "" where nobody said it
	Channels []Channel // only these; none: the customer as a whole
	// Tell says whether he is told. nil: he is, unless he is let back from a suspension
	// that he was not told of, or would learn of a channel while he does not know that he
	// is suspended.
	Tell *bool
	// Lifts is, of a resumption that was asked for earlier, what it was to lift; it lifts
	// nothing else. nil: whatever there is now.
	Lifts []Suspended
}

// Suspended is a suspension as it stands: of a person, of a channel of his, of a token.
type Suspended struct {
	Channel Channel   `json:"channel,omitempty"`
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason,omitempty"`
	Class   Class     `json:"class,omitempty"`
	Quiet   bool      `json:"quiet,omitempty"` // he was not told
}

// SameSuspended reports whether both are the same suspensions, in the same order.
func SameSuspended(a, b []Suspended) bool {
	return slices.EqualFunc(a, b, func(a, b Suspended) bool { return a.Channel == b.Channel && a.Since.Equal(b.Since) })
}

// Bar is a channel that was stopped for a customer. It stays when the channel is let
// back: what was begun before Since is dead for good.
type Bar struct {
	Channel Channel   `json:"channel"`
	Stopped bool      `json:"stopped,omitempty"`
	Since   time.Time `json:"since"` // of the last change
	Reason  string    `json:"reason"`
	Class   Class     `json:"class,omitempty"`
	Quiet   bool      `json:"quiet,omitempty"` // he was not told
}

// bar is that of a channel, zero if it was never stopped.
func (c Customer) bar(ch Channel) Bar {
	i := slices.IndexFunc(c.Bars, func(b Bar) bool { return b.Channel == ch })
	if i < 0 {
		return Bar{Channel: ch}
	}
	return c.Bars[i]
}

// Stopped reports whether nothing is granted to the customer over a channel now.
func (c Customer) Stopped(ch Channel) bool { return c.bar(ch).Stopped }

// Serves reports whether what was begun over a channel at a time may go on: the
// customer and the channel were active ever since.
func (c Customer) Serves(ch Channel, begun time.Time) bool {
	b := c.bar(ch)
	return c.State == CustomerActive && !begun.Before(c.Since) && !b.Stopped && !begun.Before(b.Since)
}

// Check refuses, in a field's words, what can never be done.
func (h Halt) Check(to CustomerState) error {
	var c problem.Check
	c.Unless(h.Reason != "" && len(h.Reason) <= 500, "reason", "needs 1 to 500 bytes")
	c.Unless(h.Class == "" || to == CustomerSuspended, "class", "goes with a suspension only")
	c.Unless(h.Class == "" || slices.Contains(Classes(), h.Class), "class", "needs to be breach, technical or legal")
	for i, ch := range h.Channels {
		c.Unless(slices.Contains(Channels(), ch) && !slices.Contains(h.Channels[:i], ch), "channels", "needs each of pc, internet and mobile at most once")
	}
	return c.Err()
}

// Suspend stops a customer or some of his channels (clause 4.6). What lives on them
// dies with it: every use of a session or an attempt reads the customer.
func (s *Service) Suspend(ctx context.Context, by Caller, id string, h Halt) (Customer, error) {
	return s.halt(ctx, by, id, CustomerSuspended, h)
}

// Lifted is what a resumption would lift now, or its refusal where it would change
// nothing.
func (h Halt) Lifted(c Customer) ([]Suspended, error) {
	if err := h.fits(Caller{}, c, CustomerActive); err != nil {
		return nil, err
	}
	return h.standing(c), nil
}

// standing are the suspensions that a halt concerns.
func (h Halt) standing(c Customer) (out []Suspended) {
	if len(h.Channels) == 0 && c.State == CustomerSuspended {
		return []Suspended{{Since: c.Since, Reason: c.Reason, Class: c.Class, Quiet: c.Quiet}}
	}
	for _, ch := range h.Channels {
		if b := c.bar(ch); b.Stopped {
			out = append(out, Suspended{Channel: ch, Since: b.Since, Reason: b.Reason, Class: b.Class, Quiet: b.Quiet})
		}
	}
	return out
}

// Resume lets a customer or some of his channels back (clause 4.7). What was begun
// before stays dead.
func (s *Service) Resume(ctx context.Context, by Caller, id string, h Halt) (Customer, error) {
	return s.halt(ctx, by, id, CustomerActive, h)
}

func (s *Service) halt(ctx context.Context, by Caller, id string, to CustomerState, h Halt) (Customer, error) {
	if IsStaff(id) {
		return Customer{}, problem.New(problem.NotFound, "there is no such customer")
	}
	return s.setState(ctx, by, id, to, h)
}

func (s *Service) setState(ctx context.Context, by Caller, id string, to CustomerState, h Halt) (Customer, error) {
	if err := h.Check(to); err != nil {
		return Customer{}, err
	}
	for range 16 {
		c, err := s.Get(ctx, id)
		if err != nil {
			return Customer{}, err
		}
		if err := h.fits(by, c, to); err != nil {
			return Customer{}, err
		}
		c, effects, event, err := s.moved(ctx, by, c, to, h, nil)
		if err != nil {
			return Customer{}, err
		}
		r, err := s.settle(ctx, effects, event)
		if err != nil {
			return Customer{}, err
		}
		if r.Outcome == settle.Done {
			return c, nil
		}
	}
	return Customer{}, problem.New(problem.Conflict, "the customer is being changed by somebody else")
}

// fits refuses what would change nothing, and a resumption of what is suspended anew
// since it was asked for.
func (h Halt) fits(by Caller, c Customer, to CustomerState) error {
	if h.replaces(by, c, to) {
		return nil
	}
	if to == CustomerActive && h.Lifts != nil && !SameSuspended(h.Lifts, h.standing(c)) {
		return problem.New(problem.Conflict, "what is suspended is not what it was when this was asked for; look and ask anew")
	}
	if len(h.Channels) > 0 {
		if !slices.ContainsFunc(h.Channels, func(ch Channel) bool { return c.Stopped(ch) != (to == CustomerSuspended) }) {
			return problem.New(problem.Conflict, "the channels are "+string(to)+" already")
		}
		return nil
	}
	if c.State == to {
		who := "the customer"
		if IsStaff(c.ID) {
			who = "the member of staff"
		}
		text := who + " is " + string(to) + " already"
		if slices.ContainsFunc(c.Bars, func(b Bar) bool { return b.Stopped }) && to == CustomerActive {
			text += "; name in channels the ones that are to be let back"
		}
		return problem.New(problem.Conflict, text)
	}
	return nil
}

// replaces reports whether a suspension that stands gets another reason, class or
// silence: the bank's security finds out more than who stopped him knew.
func (h Halt) replaces(by Caller, c Customer, to CustomerState) bool {
	return to == CustomerSuspended && by.Has(Security) && !IsStaff(c.ID) && slices.ContainsFunc(h.standing(c), h.differs)
}

func (h Halt) differs(was Suspended) bool {
	return was.Reason != h.Reason || was.Class != h.Class || was.Quiet != h.quiet(was.Quiet)
}

// quiet reports whether he does not know of a suspension afterwards, where was holds
// unless somebody says so.
func (h Halt) quiet(was bool) bool {
	if h.Tell != nil {
		return !*h.Tell
	}
	return was
}

// moved is the customer in another state, with what is settled for it.
//
// He is told, unless the law forbids to tip him off: a notice that is held back is
// itself evidence (clauses 4.3.5, 4.7).
func (s *Service) moved(ctx context.Context, by Caller, c Customer, to CustomerState, h Halt, more map[string]any) (Customer, []settle.Effect, audit.Event, error) {
	now := s.Now().UTC()
	var was []Suspended
	if h.replaces(by, c, to) {
		was = h.standing(c)
	}
	moved, quiet, news := []Channel(nil), c.Quiet, c.State != to
	if len(h.Channels) > 0 {
		c.Bars, moved, quiet, news = h.barred(by, c, to, now)
	} else {
		c.State, c.Reason, c.Class, c.Quiet, c.Since = to, h.Reason, h.Class, to == CustomerSuspended && h.quiet(quiet), now
	}
	tell := !h.quiet(quiet || !news)
	c.UpdatedAt, c.Version = now, c.Version+1
	name := map[CustomerState]string{CustomerActive: "customer.resumed", CustomerSuspended: "customer.suspended"}[to]
	if IsStaff(c.ID) {
		name = "staff" + strings.TrimPrefix(name, "customer")
	}
	detail := map[string]any{"reason": h.Reason, "notice_suppressed": !tell}
	if h.Class != "" {
		detail["class"] = h.Class
	}
	if len(was) > 0 {
		detail["replaces"] = was
	}
	kind := "customer-" + string(to)
	if len(moved) > 0 {
		detail["channels"], kind = moved, "channel-"+string(to)
	}
	effects := []settle.Effect{SaveCustomer{c}}
	if tell {
		n := s.notice(c, kind)
		n.DueAt = n.CreatedAt.Add(s.due(to))
		notice, err := s.sealed(ctx, c, n, kind, "")
		if err != nil {
			return Customer{}, nil, audit.Event{}, err
		}
		effects, detail["notice_due"] = append(effects, notice), n.DueAt
	}
	maps.Copy(detail, more)
	return c, effects, s.event(by, c, name, string(to), "", detail), nil
}

// barred are the bars after a halt, and the channels that it changes; quiet says that
// the customer does not know that he, or one of those that are let back, is suspended,
// news that one is stopped or let back.
func (h Halt) barred(by Caller, c Customer, to CustomerState, now time.Time) (bars []Bar, moved []Channel, quiet, news bool) {
	stop := to == CustomerSuspended
	bars, quiet = slices.Clone(c.Bars), c.Quiet
	for _, ch := range h.Channels {
		was := c.bar(ch)
		one := h
		one.Channels = []Channel{ch}
		if was.Stopped == stop && !one.replaces(by, c, to) {
			continue
		}
		silent := c.Quiet
		if was.Stopped {
			silent = was.Quiet
		}
		moved, quiet, news = append(moved, ch), quiet || !stop && was.Quiet, news || was.Stopped != stop
		bars = slices.DeleteFunc(bars, func(b Bar) bool { return b.Channel == ch })
		bars = append(bars, Bar{Channel: ch, Stopped: stop, Since: now, Reason: h.Reason, Class: h.Class, Quiet: stop && h.quiet(silent)})
	}
	slices.SortFunc(bars, func(a, b Bar) int { return cmp.Compare(a.Channel, b.Channel) })
	return bars, moved, quiet, news
}

// DefaultDue is within what time a customer is told of a suspension or its end, where
// the contract says nothing else (clauses 4.3.5, 4.7).
const DefaultDue = 24 * time.Hour

func (s *Service) due(to CustomerState) time.Duration {
	if to == CustomerSuspended {
		return cmp.Or(s.SuspensionDue, DefaultDue)
	}
	return cmp.Or(s.ResumptionDue, DefaultDue)
}

// Suspension is what suspending an active customer changes and tells, for whoever
// settles it together with more; more goes into the evidence.
func (s *Service) Suspension(ctx context.Context, by Caller, c Customer, reason string, tell bool, more map[string]any) ([]settle.Effect, audit.Event, error) {
	_, effects, event, err := s.moved(ctx, by, c, CustomerSuspended, Halt{Reason: reason, Tell: &tell}, more)
	return effects, event, err
}
