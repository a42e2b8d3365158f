package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/approval"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// deed is an act that takes two people: a maker with one of the roles asks for it,
// a supervisor decides.
type deed struct {
	roles []parties.Role // of which the maker needs one, also when it is carried out
	needs func(*exchange, context.Context) (bool, error)
	do    func(*exchange, context.Context, []byte) (reply, error)
}

// deeds is the whole list. Each is one write, which its approval goes along with.
// Cancelling takes two people by clause 4.6, reinstating by 4.7, unlocking by RTS
// Art. 4(3)(b), destroying and seeds in the clear by 5.20, who the staff are by 5.3.6,
// and a policy by 5.2.
var deeds = map[string]deed{
	"POST /v1/customers/:id/resume":     twoPeople(supervisor, outsideDevelopment, (*exchange).resumeCustomer),
	"PUT /v1/holders/:id":               twoPeople(operator, outsideDevelopment, (*exchange).putHolder),
	"POST /v1/tokens/:ref/resume":       twoPeople(supervisor, outsideDevelopment, (*exchange).resumeToken),
	"POST /v1/tokens/:ref/unlock":       twoPeople(supervisor, outsideDevelopment, (*exchange).unlockToken),
	"POST /v1/tokens/:ref/revoke":       twoPeople(supervisor, outsideDevelopment, (*exchange).revokeToken),
	"POST /v1/tokens/:ref/destroy":      twoPeople(supervisor, outsideDevelopment, (*exchange).destroyToken),
	"PUT /v1/customers/:id/accounts":    twoPeople(operator, outsideDevelopment, (*exchange).putAccounts),
	"POST /v1/transactions/:id/fraud":   twoPeople(security, unfraud, (*exchange).markFraud),
	"POST /v1/exemptions/tra/give-back": twoPeople(security, outsideDevelopment, (*exchange).giveBack),
	"PUT /v1/compromised":               twoPeople(security, (*exchange).takesOff, (*exchange).putCompromised),
	"POST /v1/token-imports":            twoPeople(operator, outsideDevelopment, (*exchange).permitImport),
	"POST /v1/staff":                    twoPeople(admin, (*exchange).supervised, (*exchange).postStaff),
	"PUT /v1/staff/:id/roles":           twoPeople(admin, (*exchange).supervised, (*exchange).putRoles),
	"POST /v1/staff/:id/resume":         twoPeople(admin, (*exchange).supervised, (*exchange).resumeStaff),
	"POST /v1/staff/:id/invitations":    twoPeople(admin, (*exchange).standing, (*exchange).inviteStaff),
	"PUT /v1/policy":                    twoPeople(security, outsideDevelopment, (*exchange).putPolicy),
	"PUT /v1/rates":                     twoPeople(core, (*exchange).ratesJump, (*exchange).putRates),
}

func twoPeople[In any](roles []parties.Role, needs func(*exchange, context.Context) (bool, error), f func(*exchange, context.Context, In) (reply, error)) deed {
	return deed{roles: roles, needs: needs, do: func(x *exchange, ctx context.Context, raw []byte) (reply, error) {
		in, err := decode[In](raw)
		if err != nil {
			return reply{}, err
		}
		return f(x, ctx, in)
	}}
}

// outsideDevelopment: a bank's own store always takes two.
func outsideDevelopment(x *exchange, _ context.Context) (bool, error) {
	return !x.server.Development, nil
}

// supervised: from the second supervisor on, and from the first who can decide.
func (x *exchange) supervised(ctx context.Context) (bool, error) {
	have, err := x.server.Enrollment.Supervision(ctx)
	return have.Standing || have.Supervisors >= 2, err
}

// standing: as long as nobody can decide, whoever was invited and did not come in
// time is invited again. Otherwise the bank would be locked out of its first day.
func (x *exchange) standing(ctx context.Context) (bool, error) {
	have, err := x.server.Enrollment.Supervision(ctx)
	return have.Standing, err
}

// checked is a request that can be refused before anybody is asked to decide it;
// waits says that somebody will be.
type checked interface {
	check(x *exchange, waits bool) error
}

// fourEyes serves a deed: it is done, or waits for its second person.
func fourEyes[In any](f func(*exchange, context.Context, In) (reply, error)) endpoint {
	return take(func(x *exchange, ctx context.Context, in In) (reply, error) {
		act := x.route.method + " " + x.route.path
		needs, err := deeds[act].needs(x, ctx)
		if err != nil {
			return reply{}, err
		}
		if c, is := any(in).(checked); is {
			if err := c.check(x, needs); err != nil {
				return reply{}, err
			}
		}
		if !needs {
			return f(x, ctx, in)
		}
		r := approval.Request{Act: act, Path: map[string]string{}, Body: orEmpty(x.raw)}
		for _, p := range x.params {
			r.Path[p.Key] = p.Value
		}
		if strings.HasPrefix(x.route.path, "/v1/staff/:id/") {
			r.About = parties.Subject(x.id("id"))
		}
		if r.About == "" && slices.Contains(returning, x.route.path) {
			if r.About, err = x.staffHolder(ctx); err != nil {
				return reply{}, err
			}
		}
		if r.Lifts, err = x.lifted(ctx, act, r.Body); err != nil {
			return reply{}, err
		}
		a, err := x.server.Approvals.Ask(ctx, x.by, r)
		if err != nil {
			return reply{}, err
		}
		return waiting(a)
	})
}

// returning brings a token back to whoever has it.
var returning = []string{"/v1/tokens/:ref/resume", "/v1/tokens/:ref/unlock"}

// staffHolder is the member of staff whose token the path names, "" for every other
// token.
func (x *exchange) staffHolder(ctx context.Context) (string, error) {
	t, err := x.server.Enrollment.Token(ctx, x.id("ref"))
	switch {
	case problem.Is(err, problem.NotFound), err == nil && !parties.IsStaff(t.Customer):
		return "", nil
	case err != nil:
		return "", err
	}
	return t.Customer, nil
}

// orEmpty is a body that may be left out.
func orEmpty(raw []byte) []byte {
	if len(raw) == 0 {
		return []byte("{}")
	}
	return raw
}

// waiting is the answer to an act that waits.
func waiting(a approval.Approval) (reply, error) {
	return accepted(waitsOut{Approval: waitingRef{ID: a.ID, ExpiresAt: a.ExpiresAt.UTC()}})
}

// waitsOut is the answer to an act that waits for its second person.
type waitsOut struct {
	Approval waitingRef `json:"approval"`
}

type waitingRef struct {
	ID        string    `json:"id"`
	ExpiresAt time.Time `json:"expires_at"`
}

type approvalOut struct {
	ID        string         `json:"id"`
	Act       string         `json:"act"`
	State     string         `json:"state"`
	Request   *askedOut      `json:"request,omitzero"`
	SHA256    string         `json:"sha256"`
	Maker     string         `json:"maker"`
	MakerName string         `json:"maker_name"`
	MadeAt    time.Time      `json:"made_at"`
	ExpiresAt time.Time      `json:"expires_at"`
	Checker   string         `json:"checker,omitzero"`
	DecidedAt *time.Time     `json:"decided_at,omitzero"`
	Reason    string         `json:"reason,omitzero"`
	Result    jsontext.Value `json:"result,omitzero"`
}

type askedOut struct {
	Path map[string]string `json:"path,omitzero"`
	Body jsontext.Value    `json:"body"`
	// Of a resumption: what was suspended when it was asked for, and what it lifts.
	Lifts []liftedOut `json:"lifts,omitzero"`
}

func approvalOf(a approval.Approval) approvalOut {
	out := approvalOut{
		ID: a.ID, Act: a.Act, State: string(a.State), SHA256: a.Hash(), Maker: a.Maker.ID, MakerName: a.Maker.Name,
		MadeAt: a.MadeAt.UTC(), ExpiresAt: a.ExpiresAt.UTC(), Checker: a.Checker, Reason: a.Reason,
	}
	if !a.DecidedAt.IsZero() {
		at := a.DecidedAt.UTC()
		out.DecidedAt = &at
	}
	return out
}

// sees reports whether an approval concerns the caller: whoever decides, watches
// over it, or may ask for the same.
func (x *exchange) sees(a approval.Approval) bool {
	return x.by.Has(with(deeds[a.Act].roles, parties.Supervisor, parties.Security, parties.Auditor)...)
}

// told is an approval with its request, which an auditor does not see: it names
// people.
func (x *exchange) told(ctx context.Context, a approval.Approval) (approvalOut, error) {
	out := approvalOf(a)
	if x.audits() {
		return out, nil
	}
	r, err := x.server.Approvals.Request(ctx, a)
	if err != nil {
		return out, err
	}
	out.Request = &askedOut{Path: r.Path, Body: jsontext.Value(r.Body), Lifts: liftedOf(r.Lifts)}
	return out, nil
}

// listApprovals lists what waits for its second person, or waited.
func (x *exchange) listApprovals(ctx context.Context) (reply, error) {
	f := x.filter()
	limit := f.limit()
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	all, next, err := x.server.Approvals.List(ctx, f.cursor(), limit)
	if err != nil {
		return reply{}, err
	}
	out := page[approvalOut]{Items: []approvalOut{}, NextCursor: next}
	for _, a := range all {
		if !x.sees(a) {
			continue
		}
		told, err := x.told(ctx, a)
		if err != nil {
			return reply{}, err
		}
		out.Items = append(out.Items, told)
	}
	return ok(out)
}

// getApproval returns one.
func (x *exchange) getApproval(ctx context.Context) (reply, error) {
	a, err := x.server.Approvals.Get(ctx, x.id("id"))
	if err == nil && !x.sees(a) {
		err = problem.New(problem.NotFound, "there is no such approval")
	}
	if err != nil {
		return reply{}, err
	}
	out, err := x.told(ctx, a)
	if err != nil {
		return reply{}, err
	}
	return ok(out)
}

type approveIn struct {
	Authentication string `json:"authentication"`
}

type rejectIn struct {
	Authentication string `json:"authentication"`
	Reason         string `json:"reason"`
}

// proven is what consumes the checker's proof and holds him still until the
// decision is settled: a person who is suspended meanwhile decides nothing.
func (x *exchange) proven(ctx context.Context, a approval.Approval, authentication string) ([]settle.Effect, error) {
	if x.by.Kind != "staff" {
		return nil, nil // development: ToDecide let nobody else in
	}
	if authentication == "" {
		return nil, problem.New(problem.ProofRequired, "this needs a proof of the person who decides: an authentication of purpose action, approval, over the hash of the request")
	}
	data, err := a.Data()
	if err != nil {
		return nil, err
	}
	spent, err := x.server.Authn.Spend(ctx, x.by, authentication, x.by.ID, "approval", data)
	if err != nil {
		return nil, err
	}
	now, still, err := x.server.Parties.Present(ctx, x.by)
	if err != nil {
		return nil, err
	}
	if !now.Has(parties.Supervisor) {
		return nil, problem.New(problem.Forbidden, "the roles of this caller do not allow it")
	}
	return append(spent, still), nil
}

// approve carries the act out: as it was asked for, by whom it was asked for, with
// the rights he has now. The decision and the act are one write.
func (x *exchange) approve(ctx context.Context, in approveIn) (reply, error) {
	a, request, err := x.server.Approvals.ToDecide(ctx, x.by, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	proven, err := x.proven(ctx, a, in.Authentication)
	if err != nil {
		return reply{}, err
	}
	out, ride, done, err := x.carryOut(ctx, a, request, proven)
	switch {
	case ride.Done(): // whatever became of its answer
		told := approvalOf(done)
		if err == nil {
			if told.Result, err = resultOf(out); err != nil {
				return reply{}, settled(err)
			}
		}
		return ok(told)
	case ride.Overtaken():
		return reply{}, approval.Overtaken()
	case err == nil:
		return reply{}, &problem.Error{Code: problem.Internal, Err: errors.New("api: an act was done without its approval: " + a.Act)}
	case lasting(err):
		return reply{}, x.failed(ctx, a, proven, err)
	}
	return reply{}, err
}

// carryOut does the act in the maker's name, the decision along with it.
func (x *exchange) carryOut(ctx context.Context, a approval.Approval, request approval.Request, proven []settle.Effect) (reply, *settle.Ride, approval.Approval, error) {
	done, effects, events := x.server.Approvals.Decided(a, x.by, approval.Executed, "")
	effects = append(effects, proven...)
	d, known := deeds[request.Act]
	if !known || request.Act != a.Act {
		return reply{}, nil, done, problem.New(problem.Conflict, "this version of the server knows no such act")
	}
	if err := stillLifts(request); err != nil {
		return reply{}, nil, done, err
	}
	maker, still, err := x.server.Parties.Present(ctx, a.Maker.Caller())
	if err != nil {
		return reply{}, nil, done, err
	}
	if !maker.Has(d.roles...) {
		return reply{}, nil, done, problem.New(problem.Forbidden, "who asked for it does not have the role for it any more")
	}
	if still != nil {
		effects = append(effects, still)
	}
	maker.Request, maker.Source = x.by.Request, x.by.Source
	inner := &exchange{server: x.server, by: maker, route: x.route, raw: request.Body, w: x.w, r: x.r, approved: true, approval: a.ID, checker: x.by.ID, lifts: request.Lifts}
	for name, value := range request.Path {
		inner.params = append(inner.params, gin.Param{Key: name, Value: value})
	}
	ctx, ride := settle.Along(ctx, effects, events)
	out, err := d.do(inner, ctx, request.Body)
	return out, ride, done, err
}

// lasting reports whether an act can never be done as it was asked for, unlike one
// that a part was away for.
func lasting(err error) bool {
	code := asProblem(err).Code
	return slices.Contains([]problem.Code{problem.Conflict, problem.NotFound, problem.Forbidden, problem.Invalid, problem.Expired}, code)
}

// failed settles that an act was approved and was not possible any more. The
// checker is told as of a refusal: nothing was done.
func (x *exchange) failed(ctx context.Context, a approval.Approval, proven []settle.Effect, cause error) error {
	p := asProblem(cause)
	_, effects, events := x.server.Approvals.Decided(a, x.by, approval.Failed, string(p.Code)+": "+p.Detail)
	if err := x.server.Approvals.Settle(ctx, append(effects, proven...), events); err != nil {
		return err
	}
	return problem.New(problem.Conflict, "approved, and not possible any more: "+p.Detail)
}

// resultOf is what the act answered.
func resultOf(out reply) (jsontext.Value, error) {
	if out.body == nil {
		return nil, nil
	}
	return json.Marshal(out.body, json.Deterministic(true))
}

// reject ends an approval without the act.
func (x *exchange) reject(ctx context.Context, in rejectIn) (reply, error) {
	var c problem.Check
	c.Unless(in.Reason != "" && len(in.Reason) <= maxFact, "reason", "needs 1 to 500 bytes")
	if err := c.Err(); err != nil {
		return reply{}, err
	}
	a, _, err := x.server.Approvals.ToDecide(ctx, x.by, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	proven, err := x.proven(ctx, a, in.Authentication)
	if err != nil {
		return reply{}, err
	}
	done, effects, events := x.server.Approvals.Decided(a, x.by, approval.Rejected, in.Reason)
	if err := x.server.Approvals.Settle(ctx, append(effects, proven...), events); err != nil {
		return reply{}, err
	}
	return ok(approvalOf(done))
}
