package api

import (
	"context"
	"net/http"
	"time"

	"mohur/parties"
	"mohur/payment"
)

type partyIn struct {
	Name    string `json:"name"`
	Account string `json:"account"`
	Bank    string `json:"bank"`
	Country string `json:"country"`
}

func (p partyIn) party() payment.Party {
	return payment.Party{Name: p.Name, Account: p.Account, Bank: p.Bank, Country: p.Country}
}

type moneyIn struct {
	Value    string `json:"value"`
	Currency string `json:"currency"`
}

type lineIn struct {
	Reference string  `json:"reference"`
	Amount    moneyIn `json:"amount"`
	Purpose   string  `json:"purpose"`
	Payee     partyIn `json:"payee"`
}

// linesOf keeps apart a batch without lines and none at all.
func linesOf(in []lineIn) []payment.Line {
	if in == nil {
		return nil
	}
	out := make([]payment.Line, len(in))
	for i, l := range in {
		out[i] = payment.Line{Reference: l.Reference, Amount: payment.Money{Value: l.Amount.Value, Currency: l.Amount.Currency}, Purpose: l.Purpose, Payee: l.Payee.party()}
	}
	return out
}

type transactionIn struct {
	AccessToken string     `json:"access_token"`
	Session     string     `json:"session"`
	Binding     string     `json:"binding"`
	DPoP        *string    `json:"dpop"`
	HTM         *string    `json:"htm"`
	HTU         *string    `json:"htu"`
	X5T         *string    `json:"x5t"`
	Reference   string     `json:"reference"`
	Channel     string     `json:"channel"`
	Service     string     `json:"service"`
	Amount      moneyIn    `json:"amount"`
	Purpose     string     `json:"purpose"`
	Holder      string     `json:"holder"`
	Series      string     `json:"series"`
	Payer       partyIn    `json:"payer"`
	Payee       partyIn    `json:"payee"`
	Batch       []lineIn   `json:"batch"`
	Context     *contextIn `json:"context"`
}

// createTransaction begins a payment.
func (x *exchange) createTransaction(ctx context.Context, in transactionIn) (reply, error) {
	shown, err := x.possession(ctx, possessionIn{in.DPoP, in.HTM, in.HTU, in.X5T})
	if err != nil {
		return reply{}, err
	}
	v, err := x.server.Payments.Create(ctx, payment.CreateCommand{
		Caller: x.by, AccessToken: in.AccessToken, Session: in.Session, Possession: shown, Binding: in.Binding, Reference: in.Reference, Channel: parties.Channel(in.Channel),
		Service: in.Service, Amount: payment.Money{Value: in.Amount.Value, Currency: in.Amount.Currency}, Purpose: in.Purpose, Holder: in.Holder, Series: in.Series,
		Payer: in.Payer.party(), Payee: in.Payee.party(), Batch: linesOf(in.Batch), Signals: in.Context.signals(),
	})
	if err != nil {
		return reply{}, err
	}
	out, err := x.transactionOf(ctx, v)
	if err != nil {
		return reply{}, settled(err)
	}
	return created(out)
}

// getTransaction returns one transaction.
func (x *exchange) getTransaction(ctx context.Context) (reply, error) {
	v, err := x.server.Payments.Get(ctx, x.by, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	out, err := x.transactionOf(ctx, v)
	if err != nil {
		return reply{}, err
	}
	return ok(out)
}

// getSignature returns what the customer's certificate signed, for whoever has to prove
// it elsewhere: openssl cms -verify -binary -content TEXT.
func (x *exchange) getSignature(ctx context.Context) (reply, error) {
	f := x.filter()
	cms, err := x.server.Payments.Signature(ctx, x.by, x.id("id"), f.text("customer"))
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, kind: "application/cms", raw: cms}, nil
}

// changed answers with the transaction as f has left it.
func (x *exchange) changed(ctx context.Context, f func(id string) (payment.View, error)) (reply, error) {
	v, err := f(x.id("id"))
	if err != nil {
		return reply{}, err
	}
	out, err := x.transactionOf(ctx, v)
	if err != nil {
		return reply{}, settled(err)
	}
	return ok(out)
}

// listTransactions lists what passes the filter, newest first.
func (x *exchange) listTransactions(ctx context.Context) (reply, error) {
	f := x.filter()
	want := payment.Filter{
		Customer: f.text("customer"), State: among(f, "state", transactionStates), Decision: among(f, "decision", decisions),
		From: f.moment("from"), To: f.moment("to"),
	}
	limit := f.limit()
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	items, next, err := x.server.Payments.List(ctx, x.by, want, f.cursor(), limit)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(items, next, x.transactionLine))
}

var transactionStates = []payment.State{
	payment.PendingProof, payment.Held, payment.Approved, payment.Denied, payment.Rejected, payment.Expired, payment.Cancelled, payment.Executed, payment.Failed,
}

var decisions = []string{"approved", "step_up", "held", "rejected"}

type askIn struct {
	AccessToken string     `json:"access_token"`
	Binding     string     `json:"binding"`
	DPoP        *string    `json:"dpop"`
	HTM         *string    `json:"htm"`
	HTU         *string    `json:"htu"`
	X5T         *string    `json:"x5t"`
	Context     *contextIn `json:"context"`
}

// askAgain opens a further authentication of a transaction.
func (x *exchange) askAgain(ctx context.Context, in askIn) (reply, error) {
	if in.AccessToken == "" {
		return reply{}, invalid("access_token", "is needed")
	}
	shown, err := x.possession(ctx, possessionIn{in.DPoP, in.HTM, in.HTU, in.X5T})
	if err != nil {
		return reply{}, err
	}
	v, err := x.server.Payments.Ask(ctx, x.by, x.id("id"), in.AccessToken, shown, in.Binding)
	if err != nil {
		return reply{}, err
	}
	out, err := x.transactionOf(ctx, v)
	if err != nil {
		return reply{}, settled(err)
	}
	return created(out)
}

func (x *exchange) cancelTransaction(ctx context.Context, _ nothing) (reply, error) {
	return x.changed(ctx, func(id string) (payment.View, error) { return x.server.Payments.Cancel(ctx, x.by, id) })
}

// releaseTransaction lets a held payment ask for its proof again (clause 5.26).
func (x *exchange) releaseTransaction(ctx context.Context, in whyIn) (reply, error) {
	return x.changed(ctx, func(id string) (payment.View, error) { return x.server.Payments.Release(ctx, x.by, id, in.Reason) })
}

func (x *exchange) rejectTransaction(ctx context.Context, in whyIn) (reply, error) {
	return x.changed(ctx, func(id string) (payment.View, error) { return x.server.Payments.Reject(ctx, x.by, id, in.Reason) })
}

type whyIn struct {
	Reason string `json:"reason"`
}

type statusIn struct {
	JTI    string `json:"jti"`
	State  string `json:"state"`
	Detail string `json:"detail"`
}

// reportTransaction records what the core banking system did with an
// authorization.
func (x *exchange) reportTransaction(ctx context.Context, in statusIn) (reply, error) {
	return x.changed(ctx, func(id string) (payment.View, error) {
		return x.server.Payments.Report(ctx, x.by, id, in.JTI, payment.State(in.State), in.Detail)
	})
}

type stepOut struct {
	At     time.Time `json:"at"`
	State  string    `json:"state"`
	Reason string    `json:"reason,omitzero"`
	By     string    `json:"by,omitzero"`

	Event          string   `json:"event"`
	Authentication string   `json:"authentication,omitzero"`
	Methods        []string `json:"methods,omitzero"`
	SHA256         string   `json:"sha256,omitzero"`
	Answers        int      `json:"answers,omitzero"`
}
