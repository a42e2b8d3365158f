package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"mohur/canonical"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/problem"
	"mohur/stoplist"
)

// Routes marked anyHour take something out of use, and nothing else. They answer
// while HSM or store is away (clauses 5.17.3, 5.30): first they do what they do
// every day, within a time that leaves room for the other way; where a part is
// away, the report goes to the stop-list, which is obeyed from the acknowledgement
// on. A part that was only slow may have done its work all the same: then the
// report is settled twice, which suspends nothing twice.

// reportWaits are how long the everyday way gets: for who calls, and for each half
// of the rest. Together they stay below a second.
const (
	identifyWithin = 300 * time.Millisecond
	settleWithin   = 300 * time.Millisecond
)

type reportedOut struct {
	Ack       string    `json:"ack"`
	At        time.Time `json:"at"`
	Suspended []string  `json:"suspended"`
}

type customerReportIn struct {
	Customer    string `json:"customer"`
	Kind        string `json:"kind"`
	Channel     string `json:"channel"`
	Details     string `json:"details"`
	Token       string `json:"token"`
	Transaction string `json:"transaction"`
}

// maxDetails bounds what is told, in bytes.
const maxDetails = 2000

// fileCustomerReport writes a report down and refuses what cannot be one.
func (x *exchange) fileCustomerReport(in customerReportIn) (stoplist.Report, error) {
	var c problem.Check
	c.Unless(slices.Contains(stoplist.Kinds(), in.Kind), "kind", "needs to be unauthorised, error, suspected_access, technical, lost or stolen")
	c.Unless(slices.Contains(stoplist.Channels(), in.Channel), "channel", "needs to be phone, mobile or internet")
	c.Unless(in.Details != "" && len(in.Details) <= maxDetails, "details", "needs 1 to 2000 bytes")
	c.Unless(in.Customer == "" || parties.ValidName(in.Customer), "customer", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	c.Unless(in.Token == "" || possibleID(in.Token), "token", "is none")
	c.Unless(in.Transaction == "" || possibleID(in.Transaction), "transaction", "is none")
	r := stoplist.New(stoplist.CustomerReport, x.server.Now())
	r.Kind, r.Channel, r.Customer, r.Token = in.Kind, in.Channel, in.Customer, in.Token
	named := in.Customer != "" || in.Token != "" || in.Kind == "unauthorised" && in.Transaction != ""
	c.Unless(!r.Stops() || named, "customer", "or token is needed: somebody or something has to be stopped")
	r.Words.Details, r.Words.Transaction = in.Details, in.Transaction
	return r, c.Err()
}

// takeCustomerReport registers what a customer told (clauses 4.4, 5.9, 5.30).
func (x *exchange) takeCustomerReport(ctx context.Context, _ customerReportIn) (reply, error) {
	out, err := x.server.Enrollment.Take(ctx, x.filed)
	if err != nil {
		return reply{}, err
	}
	return created(reportedOut{Ack: x.filed.Ack, At: x.filed.At, Suspended: out})
}

func (x *exchange) fileTokenReport(in reportIn) (stoplist.Report, error) {
	var c problem.Check
	c.Unless(slices.Contains(enrollment.ReportKinds(), in.Kind), "kind", "needs to be lost, stolen, damaged or suspected")
	c.Unless(len(in.Details) <= maxDetails, "details", "is too long")
	r := stoplist.New(stoplist.TokenReport, x.server.Now())
	r.Kind, r.Token, r.Words.Details = in.Kind, x.id("ref"), in.Details
	return r, c.Err()
}

func (x *exchange) fileTokenSuspension(in reasonIn) (stoplist.Report, error) {
	var c problem.Check
	c.Unless(in.Reason != "" && len(in.Reason) <= maxFact, "reason", "needs 1 to 500 bytes")
	c.Unless(len(in.Note) <= maxDetails, "note", "is too long")
	r := stoplist.New(stoplist.TokenSuspend, x.server.Now())
	r.Token, r.Words.Details = x.id("ref"), in.Reason
	if in.Note != "" {
		r.Words.Details += "\n" + in.Note
	}
	return r, c.Err()
}

// fileCustomerSuspension: the stop-list knows customers, not their channels. While a part
// is away, whoever is to be stopped on one of them is stopped as a whole.
func (x *exchange) fileCustomerSuspension(in stateIn) (stoplist.Report, error) {
	r := stoplist.New(stoplist.CustomerSuspend, x.server.Now())
	if err := in.halt().Check(parties.CustomerSuspended); err != nil {
		return r, err
	}
	var c problem.Check
	c.Unless(parties.ValidName(x.id("id")), "id", "is none of a customer")
	r.Customer, r.Words.Details, r.Quiet = x.id("id"), in.Reason, in.Notify != nil && !*in.Notify
	if in.Class != "" {
		r.Words.Details = in.Class + ": " + in.Reason
	}
	return r, c.Err()
}

// atAnyHour adds to the description of a route what it answers from the stop-list.
func atAnyHour(o operation) operation {
	o.out = append(o.out, gives[reportedOut](201, "On the stop-list and obeyed; it is settled when HSM and store are back."))
	return o
}

// anyHour serves a report by f, and by the stop-list where f cannot.
func anyHour[In any](f func(*exchange, context.Context, In) (reply, error), file func(*exchange, In) (stoplist.Report, error)) endpoint {
	return func(x *exchange, ctx context.Context) (reply, error) {
		in, err := receive[In](x)
		if err != nil {
			return reply{}, err
		}
		if x.filed, err = file(x, in); err != nil {
			return reply{}, err
		}
		x.filed.Caller, x.filed.Request, x.filed.Words.By, x.filed.Words.Source = x.by.ID, x.by.Request, x.by.Name, x.by.Source
		daily := plain(func(x *exchange, ctx context.Context) (reply, error) { return f(x, ctx, in) })
		if x.server.Stops == nil {
			return x.once(ctx, x.raw, func(ctx context.Context) (reply, error) { return daily(x, ctx) })
		}
		return x.report(ctx, daily)
	}
}

func (x *exchange) report(ctx context.Context, daily endpoint) (reply, error) {
	as, err := x.repeat()
	if err != nil {
		return reply{}, err
	}
	switch was, found, conflict := x.server.Stops.Repeated(as); {
	case conflict:
		return reply{}, errKeyReused
	case found:
		return x.listed(was)
	}
	if !x.remembered { // else a part is away, as was just seen
		soon, cancel := context.WithTimeout(ctx, settleWithin)
		defer cancel()
		out, err := x.once(soon, x.raw, func(ctx context.Context) (reply, error) {
			soon, cancel := context.WithTimeout(ctx, settleWithin)
			defer cancel()
			return daily(x, soon)
		})
		if err == nil || asProblem(err).Code != problem.Unavailable {
			return out, err
		}
		x.server.Logger.WarnContext(ctx, "a report goes to the stop-list", "request", x.by.Request, "ack", x.filed.Ack, "error", err)
	}
	was, err := x.server.Stops.Append(x.filed, as)
	switch {
	case errors.Is(err, stoplist.ErrRepeat):
		return reply{}, errKeyReused
	case err != nil:
		return reply{}, problem.Away(err)
	}
	return x.listed(was)
}

var errKeyReused = problem.New(problem.IdempotencyConflict, "the Idempotency-Key was used with another body; take a new one")

// listed acknowledges a report that is on the stop-list, with what it names.
func (x *exchange) listed(r stoplist.Report) (reply, error) {
	if r.Ack != x.filed.Ack {
		x.w.Header().Set("Idempotency-Replayed", "true")
	}
	return created(reportedOut{Ack: r.Ack, At: r.At, Suspended: r.Targets()})
}

// repeat is what tells this request from others, if it has an Idempotency-Key.
// The stop-list remembers it under a salt, since the HSM's key is away.
func (x *exchange) repeat() (stoplist.Repeat, error) {
	key, err := x.idempotencyKey()
	if err != nil || key == "" {
		return stoplist.Repeat{}, err
	}
	text, err := canonical.Bytes(x.raw)
	if err != nil {
		return stoplist.Repeat{}, &problem.Error{Code: problem.Invalid, Detail: "the body has no canonical form (RFC 8785)", Err: err}
	}
	path := x.route.path
	for _, p := range x.params {
		path += "\x00" + p.Value
	}
	return stoplist.Repeat{Caller: x.by.ID, Method: x.route.method, Path: path, Key: key, Body: text}, nil
}

// identify finds out who calls. For a report at any hour a client is also believed
// to be who it was within the last day, when its record cannot be verified now.
func (x *exchange) identify(ctx context.Context, identify Identify) (parties.Caller, error) {
	if !x.route.anyHour || x.server.Stops == nil {
		return identify(ctx, x.r)
	}
	soon, cancel := context.WithTimeout(ctx, identifyWithin)
	defer cancel()
	by, err := identify(soon, x.r)
	if err == nil || asProblem(err).Code != problem.Unavailable {
		return by, err
	}
	if key, ok := bearer(x.r.Header); ok && strings.HasPrefix(key, "mk_") {
		if by, err := x.server.Parties.Remembered(key); !problem.Is(err, problem.Unavailable) {
			x.remembered = err == nil
			return by, err
		}
	}
	return identify(ctx, x.r) // nobody knows it: wait as long as anybody does
}
