package enrollment

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/incident"
	"mohur/notify"
	"mohur/parties"
	"mohur/problem"
	"mohur/seal"
	"mohur/settle"
	"mohur/stoplist"
	"mohur/tokens"
)

// Take settles a report: what it names is out of use, the customer is told, an
// incident with the six facts of clause 5.9 is in the register and its entry in
// the log, all in one write. It returns the tokens and customers that are out of
// use now. A report that was taken before, by its acknowledgement, changes
// nothing again: not even when what it stopped has been resumed since.
//
// Whatever the customer has begun to enrol ends. Lost, stolen, suspected_access and
// unauthorised stop the token named; where none
// is named, or one that is not this customer's, they stop every active token of
// the customer, which also ends his sessions. Which of his tokens a stranger has
// cannot be known then, and a token too many is resumed with one call.
func (s *Service) Take(ctx context.Context, r stoplist.Report) ([]string, error) {
	for range maxTries {
		x := &taking{service: s, ctx: ctx, report: r, out: []string{}}
		if err := x.prepare(); err != nil {
			return nil, err
		}
		done, err := s.settle(ctx, x.effects, x.events...)
		switch {
		case err != nil:
			return nil, err
		case done.Outcome == settle.Done:
			return x.out, nil
		case done.Effect != nil && done.Effect.EffectKey() == x.register.EffectKey():
			return x.out, nil // taken before
		}
	}
	return nil, errContended
}

// taking is one report on its way to being settled.
type taking struct {
	service  *Service
	ctx      context.Context
	report   stoplist.Report
	target   target
	out      []string
	moved    []tokens.Token
	ended    []string // enrolments
	effects  []settle.Effect
	events   []audit.Event
	register incident.Save
}

func (x *taking) by() parties.Caller {
	return parties.Caller{Kind: "client", ID: x.report.Caller, Name: x.report.Words.By, Source: x.report.Words.Source, Request: x.report.Request}
}

// facts go into the evidence of everything that follows from the report.
func (x *taking) facts() map[string]any {
	r := x.report
	return map[string]any{
		"ack": r.Ack, "reported_at": r.At, "act": r.Act, "kind": r.Kind, "channel": r.Channel, "details": r.Words.Details,
		"transaction": r.Words.Transaction, "customer": r.Customer, "token": r.Token, "changed_in_file": r.Changed,
	}
}

func (x *taking) prepare() error {
	var err error
	if x.target, err = x.service.target(x.ctx, x.report); err != nil {
		return err
	}
	if x.report.Act == stoplist.CustomerSuspend {
		err = x.suspendCustomer()
	} else {
		err = x.stopTokens()
	}
	if err != nil {
		return err
	}
	return x.enter()
}

// stopTokens takes the tokens out of use: an active one is suspended, one that is
// not in use yet is revoked, as in Report.
func (x *taking) stopTokens() error {
	for _, t := range x.target.tokens {
		move := tokens.Revoke
		switch t.State {
		case tokens.Active:
			move = tokens.Suspend
		case tokens.Suspended, tokens.Revoked, tokens.Returned, tokens.Wiped, tokens.Destroyed:
			x.out = append(x.out, t.ID) // out of use already
			continue
		}
		t.Pending = nil // an enrolment on it ends with it
		cmd := MoveCommand{Caller: x.by(), Token: t.ID, Move: move, Reason: strings.TrimSpace("reported " + x.report.Kind), Detail: x.facts()}
		next, effects, err := x.service.moved(x.ctx, t, cmd)
		if err != nil {
			return err
		}
		event, err := x.service.moveEvent(x.ctx, t, next, cmd)
		if err != nil {
			return err
		}
		x.effects, x.events = append(x.effects, effects...), append(x.events, event)
		x.moved, x.out = append(x.moved, next), append(x.out, t.ID)
	}
	if err := x.endEnrolments(); err != nil {
		return err
	}
	if len(x.moved) == 0 {
		return nil
	}
	return x.tell()
}

// endEnrolments ends what the customer has begun to enrol, whichever token is named.
func (x *taking) endEnrolments() error {
	c, r := x.target.customer, x.report
	if c == nil || !r.Stops() || r.Act == stoplist.TokenSuspend || r.Kind == damaged {
		return nil
	}
	effects, events, ended, err := x.service.endEnrolments(x.ctx, x.by(), c.ID, x.target.tokens, "reported "+r.Kind)
	x.effects, x.events, x.ended = append(x.effects, effects...), append(x.events, events...), ended
	return err
}

// tell queues the notice of it twice: what was stolen may be the telephone.
func (x *taking) tell() error {
	c := x.target.customer
	if c == nil {
		return nil
	}
	now := x.service.Now().UTC()
	for _, channel := range []string{"sms", "email"} {
		n := notify.Notice{ID: ident.New("no"), Customer: c.ID, Channel: channel, Kind: "token-suspended", CreatedAt: now, ExpiresAt: now.Add(noticeLife)}
		var err error
		if n.Sealed, err = x.service.Keys.Seal(x.ctx, c.Key, notify.Place(n.ID), []byte(x.report.Ack)); err != nil {
			return problem.Away(err)
		}
		x.effects = append(x.effects, notify.Queue{Notice: n})
	}
	return nil
}

// noticeLife is how long a notice of a suspension is worth sending.
const noticeLife = 7 * 24 * time.Hour

func (x *taking) suspendCustomer() error {
	c := x.target.customer
	switch {
	case c == nil:
		return nil
	case c.State == parties.CustomerSuspended:
		x.out = append(x.out, c.ID)
		return nil
	}
	effects, event, err := x.service.Parties.Suspension(x.ctx, x.by(), *c, x.report.Words.Details, !x.report.Quiet, x.facts())
	if err != nil {
		return err
	}
	x.effects, x.events, x.out = append(x.effects, effects...), append(x.events, event), append(x.out, c.ID)
	return nil
}

// enter writes the register and the log. The incident's name follows from the
// acknowledgement: its being there is what makes a second try change nothing.
func (x *taking) enter() error {
	r := x.report
	in := incident.Incident{
		ID: r.Name("in"), Kind: x.kind(), Service: x.usedService(), Reference: "n/a", Cause: x.cause(), Content: x.content(), At: r.At,
		Measures: x.measures(), State: "open", Version: 1,
	}
	if r.Words.Transaction != "" {
		in.Reference = r.Words.Transaction
	}
	var who audit.Person
	key := x.service.Audit.Bank
	if c := x.target.customer; c != nil {
		who, key, in.Customer = audit.Person{Pseudonym: c.Pseudonym, Key: c.Key}, c.Key, c.ID
	}
	var err error
	if in.Details, err = sealDetails(x.ctx, x.service.Keys, key, in.ID, r); err != nil {
		return err
	}
	x.register = incident.Save{Incident: in}
	outcome := "registered"
	switch {
	case x.target.fault != "":
		outcome = "unmatched"
	case len(x.out) > 0:
		outcome = "suspended"
	}
	facts := x.facts()
	facts["suspended"], facts["enrolments_ended"], facts["incident"] = x.out, x.ended, in.ID
	x.effects = append(x.effects, x.register)
	x.events = append(x.events,
		audit.Event{Name: "report.taken", Outcome: outcome, Reason: x.cause(), Person: who, Caller: r.Caller, Request: r.Request, Detail: facts},
		audit.Event{Name: "incident.opened", Outcome: in.State, Reason: in.Kind, Person: who, Caller: r.Caller, Request: r.Request, Detail: in})
	return nil
}

func (x *taking) kind() string {
	switch {
	case x.report.Act == stoplist.Damaged || x.report.Changed:
		return "stop-list.damaged"
	case x.target.fault != "":
		return "report.unmatched"
	}
	return string(x.report.Act)
}

func (x *taking) cause() string {
	switch {
	case x.report.Kind != "":
		return x.report.Kind
	case x.report.Act == stoplist.Damaged:
		return "line-damaged"
	}
	return "ordered"
}

// usedService is the service it concerns, as far as the way it was reported says.
func (x *taking) usedService() string {
	switch x.report.Channel {
	case "mobile", "internet":
		return x.report.Channel
	}
	return "n/a"
}

// content says what happened without saying anything of a person.
func (x *taking) content() string {
	r := x.report
	text := "reported by " + string(r.Act) + " " + r.Ack
	if r.Channel != "" {
		text = "reported by " + r.Channel + ", acknowledged as " + r.Ack
	}
	if x.target.fault != "" {
		text += "; " + x.target.fault + ": somebody has to find out what was meant"
	}
	if r.Changed {
		text += "; the report was edited in the stop-list after it was taken"
	}
	return text + "; the details are sealed"
}

func (x *taking) measures() string {
	switch {
	case len(x.out) == 0:
		return "none yet"
	case x.report.Act == stoplist.CustomerSuspend:
		return "the customer was suspended"
	}
	return "taken out of use: " + strings.Join(x.out, ", ")
}

// sealDetails seals what was said, by whom and of what.
func sealDetails(ctx context.Context, keys *seal.Keyring, key seal.Key, id string, r stoplist.Report) ([]byte, error) {
	text, err := json.Marshal(Details{Text: r.Words.Details, Customer: r.Customer, Token: r.Token, Transaction: r.Words.Transaction, By: r.Words.By})
	if err != nil {
		return nil, err
	}
	box, err := keys.Seal(ctx, key, incident.DetailsPlace(id), text)
	if err != nil {
		return nil, problem.Away(err)
	}
	return box, nil
}
