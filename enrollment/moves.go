package enrollment

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// MoveCommand is one step of a token's life, by staff or for them.
type MoveCommand struct {
	Caller   parties.Caller
	Token    string
	Move     tokens.Move
	Customer string // assign, reserve; the subject of a member of staff with Staff
	Staff    bool   // assign: it is for a member of staff
	Branch   string // reserve
	Reason   string
	Note     string
	Detail   map[string]any // carrier, tracking, receipt: for the evidence
	// Lifts is, of a resumption that was asked for earlier, what it was to lift; nil:
	// whatever there is now.
	Lifts []parties.Suspended

	require *parties.RequireCustomer // the customer as he was when the move was found right
	report  bool                     // it follows from one: the customer's enrolments end
}

// hotAfter is the condition of a token's credentials after a move, for the moves
// that change it.
var hotAfter = map[tokens.Move]settle.HotState{
	tokens.Suspend: settle.HotSuspended,
	tokens.Resume:  settle.HotLive,
	tokens.Revoke:  settle.HotRevoked,
	tokens.Expire:  settle.HotRevoked,
}

// needReason are the moves whose evidence is worthless without a reason.
var needReason = []tokens.Move{tokens.Suspend, tokens.Resume, tokens.Revoke, tokens.Return, tokens.Wipe, tokens.Destroy}

// toOthers are the moves that a member of staff makes for others only.
var toOthers = []tokens.Move{tokens.Assign, tokens.Ship, tokens.Deliver, tokens.Resume}

// Move makes one legal step, with its credentials' condition and its evidence.
func (s *Service) Move(ctx context.Context, cmd MoveCommand) (tokens.Token, error) {
	var c problem.Check
	c.Unless(cmd.Reason != "" || !slices.Contains(needReason, cmd.Move), "reason", "is needed")
	c.Unless(len(cmd.Reason) <= 500 && len(cmd.Note) <= 2000, "reason", "is too long")
	c.Unless(cmd.Customer != "" || cmd.Move != tokens.Assign, "customer", "is needed")
	if err := c.Err(); err != nil {
		return tokens.Token{}, err
	}
	for range maxTries {
		t, err := s.Token(ctx, cmd.Token)
		if err != nil {
			return tokens.Token{}, err
		}
		var ended []settle.Effect
		var told []audit.Event
		if cmd.report {
			t.Pending = nil
			if ended, told, _, err = s.endEnrolments(ctx, cmd.Caller, t.Customer, []tokens.Token{t}, cmd.Reason); err != nil {
				return tokens.Token{}, err
			}
		}
		next, effects, err := s.moved(ctx, t, cmd)
		if err != nil {
			return tokens.Token{}, err
		}
		event, err := s.moveEvent(ctx, t, next, cmd)
		if err != nil {
			return tokens.Token{}, err
		}
		r, err := s.settle(ctx, append(effects, ended...), append([]audit.Event{event}, told...)...)
		if err != nil {
			return tokens.Token{}, err
		}
		if r.Outcome == settle.Done {
			return next, nil
		}
	}
	return tokens.Token{}, errContended
}

// moved is the token after the move and everything that changes with it.
func (s *Service) moved(ctx context.Context, t tokens.Token, cmd MoveCommand) (tokens.Token, []settle.Effect, error) {
	if cmd.Move == tokens.Resume && (s.Stops.Token(t.ID, t.Serial) || s.Stops.Customer(t.Customer)) {
		return tokens.Token{}, nil, problem.New(problem.Conflict, "a report about the token is being settled; try again")
	}
	next, err := t.Apply(cmd.Move, s.Now(), cmd.Reason, cmd.Caller.ID)
	if err != nil {
		return tokens.Token{}, nil, problem.New(problem.Conflict, err.Error())
	}
	if cmd.Move == tokens.Resume {
		if cmd.Lifts != nil && !parties.SameSuspended(cmd.Lifts, suspended(t)) {
			return tokens.Token{}, nil, problem.New(problem.Conflict, "the token was suspended anew since this was asked for; look and ask anew")
		}
		if err := s.mayReturn(ctx, t); err != nil {
			return tokens.Token{}, nil, err
		}
	}
	if err := s.parties(ctx, t, &next, &cmd); err != nil {
		return tokens.Token{}, nil, err
	}
	effects := []settle.Effect{tokens.SaveToken{Token: next}}
	if cmd.require != nil {
		effects = append(effects, *cmd.require)
	}
	ended, _, err := s.endCertificates(ctx, t, cmd)
	if err != nil {
		return tokens.Token{}, nil, err
	}
	effects = append(effects, ended...)
	state, changes := hotAfter[cmd.Move]
	if !changes {
		return next, effects, nil
	}
	rows, intact, err := s.hotRows(ctx, t)
	if err != nil {
		return tokens.Token{}, nil, err
	}
	for i, row := range rows {
		changes, err := s.hotMove(ctx, row, intact[i], state)
		if err != nil {
			return tokens.Token{}, nil, err
		}
		effects = append(effects, changes...)
	}
	return next, effects, nil
}

// Lifted is what bringing a token back would lift now, or its refusal where it would
// change nothing.
func (s *Service) Lifted(ctx context.Context, ref string) ([]parties.Suspended, error) {
	t, err := s.Token(ctx, ref)
	if err != nil {
		return nil, err
	}
	if _, err := t.Apply(tokens.Resume, s.Now(), "", ""); err != nil {
		return nil, problem.New(problem.Conflict, err.Error())
	}
	return suspended(t), nil
}

// suspended is the suspension of a token: its last change.
func suspended(t tokens.Token) []parties.Suspended {
	if len(t.History) == 0 {
		return []parties.Suspended{{}}
	}
	last := t.History[len(t.History)-1]
	return []parties.Suspended{{Since: last.At, Reason: last.Reason}}
}

// hotMove changes a row's condition. A row that was tampered with, or is in
// quarantine, never comes back to life by a move.
func (s *Service) hotMove(ctx context.Context, row settle.Hot, intact bool, to settle.HotState) ([]settle.Effect, error) {
	next := row.Next()
	sound := intact && row.State != settle.HotQuarantined
	if to == settle.HotLive && (!sound || row.State != settle.HotSuspended) {
		return nil, problem.New(problem.Conflict, "a credential of this token is "+row.State.String()+" or was tampered with; revoke the token")
	}
	switch {
	case !intact:
		return s.tampered(ctx, row, "row-changed", s.Now())
	case sound:
		next.State = to
	}
	signed, err := next.Sign(ctx, s.HSM)
	if err != nil {
		return nil, problem.Away(err)
	}
	return []settle.Effect{settle.SwapHot{Hot: signed}}, nil
}

// parties sets whose the token is after the move.
func (s *Service) parties(ctx context.Context, was tokens.Token, next *tokens.Token, cmd *MoveCommand) error {
	if parties.IsStaff(cmd.Caller.ID) && cmd.Caller.ID == cmp.Or(cmd.Customer, was.Customer) && slices.Contains(toOthers, cmd.Move) {
		return problem.New(problem.Forbidden, "nobody hands a token to himself, or brings his own back to life: a colleague does")
	}
	switch cmd.Move {
	case tokens.Reserve:
		next.Customer, next.Branch = cmd.Customer, cmp.Or(cmd.Branch, was.Branch)
	case tokens.Assign:
		if was.State == tokens.Reserved && was.Customer != "" && was.Customer != cmd.Customer {
			return problem.New(problem.Conflict, "the token is reserved for another customer")
		}
		next.Customer = cmd.Customer
	case tokens.Wipe, tokens.Destroy:
		next.Customer = ""
	}
	if cmd.Customer == "" || (cmd.Move != tokens.Reserve && cmd.Move != tokens.Assign) {
		return nil
	}
	c, err := s.Store.Customer(ctx, cmd.Customer)
	field, who := "customer", "customer"
	if cmd.Staff {
		field, who = "staff", "member of staff"
	}
	if errors.Is(err, parties.ErrNotFound) || parties.IsStaff(cmd.Customer) != (cmd.Staff && cmd.Move == tokens.Assign) {
		return &problem.Error{Code: problem.Invalid, Detail: "there is no such " + who, Fields: []problem.Field{{Field: field, Message: "there is no such " + who}}}
	}
	if err != nil {
		return problem.Away(err)
	}
	if c.State != parties.CustomerActive {
		return problem.New(problem.Conflict, "the "+who+" is suspended")
	}
	cmd.require = &parties.RequireCustomer{ID: c.ID, Version: c.Version}
	return nil
}

func (s *Service) moveEvent(ctx context.Context, was, t tokens.Token, cmd MoveCommand) (audit.Event, error) {
	customer := cmp.Or(t.Customer, was.Customer)
	who := s.person(ctx, customer)
	_, ended, err := s.endCertificates(ctx, was, cmd)
	if err != nil {
		return audit.Event{}, err
	}
	return audit.Event{
		Name: "token." + string(cmd.Move), Outcome: string(t.State), Person: who, Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
		Detail: map[string]any{
			"token": t.ID, "serial": t.Serial, "customer": customer, "from": was.State, "to": t.State,
			"reason": cmd.Reason, "note": cmd.Note, "more": cmd.Detail, "certificates_revoked": ended, "by": cmd.Caller.Name, "source": cmd.Caller.Source,
		},
	}, nil
}

// ReportKinds are the kinds of a report about a token.
func ReportKinds() []string { return []string{"lost", "stolen", damaged, "suspected"} }

// Report takes a token out of use at once: an active one is suspended, one that
// is on its way or not yet activated is revoked (clause 5.17.3).
func (s *Service) Report(ctx context.Context, by parties.Caller, ref, kind, details string) (tokens.Token, error) {
	var c problem.Check
	c.Unless(slices.Contains(ReportKinds(), kind), "kind", "needs to be lost, stolen, damaged or suspected")
	c.Unless(len(details) <= 2000, "details", "is too long")
	if err := c.Err(); err != nil {
		return tokens.Token{}, err
	}
	for range maxTries {
		t, err := s.Token(ctx, ref)
		if err != nil {
			return tokens.Token{}, err
		}
		if by.Only() && slices.Contains([]tokens.State{tokens.InStock, tokens.Reserved, tokens.Wiped, tokens.Destroyed}, t.State) {
			// A front end speaks for customers; what is in the bank's hands is not theirs.
			return tokens.Token{}, problem.New(problem.NotFound, "there is no such token")
		}
		move := tokens.Revoke
		switch t.State {
		case tokens.Active:
			move = tokens.Suspend
		case tokens.Suspended, tokens.Revoked, tokens.Returned, tokens.Wiped, tokens.Destroyed:
			return t, s.reported(ctx, by, t, kind, details)
		}
		t, err = s.Move(ctx, MoveCommand{
			Caller: by, Token: t.ID, Move: move, Reason: "reported " + kind, Detail: map[string]any{"kind": kind, "details": details},
			report: kind != damaged,
		})
		if !problem.Is(err, problem.Conflict) {
			return t, err
		}
		// It moved between reading and moving: a report is never lost to that.
	}
	return tokens.Token{}, errContended
}

// reported records a report about a token that is out of use already.
func (s *Service) reported(ctx context.Context, by parties.Caller, t tokens.Token, kind, details string) error {
	who := s.person(ctx, t.Customer)
	for range maxTries {
		var effects []settle.Effect
		var told []audit.Event
		if kind != damaged && t.Customer != "" {
			var err error
			if effects, told, _, err = s.endEnrolments(ctx, by, t.Customer, []tokens.Token{t}, "reported "+kind); err != nil {
				return err
			}
		}
		r, err := s.settle(ctx, effects, append([]audit.Event{{
			Name: "token.reported", Outcome: string(t.State), Reason: kind, Person: who, Caller: by.ID, Request: by.Request,
			Detail: map[string]any{"token": t.ID, "serial": t.Serial, "kind": kind, "details": details, "by": by.Name},
		}}, told...)...)
		if err != nil || r.Outcome == settle.Done {
			return err
		}
	}
	return errContended
}
