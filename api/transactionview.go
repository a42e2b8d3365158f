package api

import (
	"context"
	"encoding/base64"
	"time"

	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
)

type transactionOut struct {
	ID              string        `json:"id"`
	Reference       string        `json:"reference"`
	Customer        string        `json:"customer"`
	Channel         string        `json:"channel"`
	Service         string        `json:"service"`
	Decision        string        `json:"decision"`
	State           string        `json:"state"`
	Exemption       string        `json:"exemption,omitzero"`
	Amount          payment.Money `json:"amount"`
	Purpose         string        `json:"purpose"`
	Holder          string        `json:"holder,omitzero"`
	Series          string        `json:"series,omitzero"`
	Fraud           bool          `json:"fraud,omitzero"`
	Payer           partyOut      `json:"payer"`
	Payee           *partyOut     `json:"payee,omitzero"`
	Count           int           `json:"count,omitzero"` // of a batch
	Batch           []lineOut     `json:"batch,omitzero"`
	ACR             string        `json:"acr,omitzero"` // of the proof given
	Shown           string        `json:"shown,omitzero"`
	AMR             []string      `json:"amr"`
	Risk            riskOut       `json:"risk"`
	Linked          *challengeOut `json:"linked,omitzero"`
	Signatures      signatures    `json:"signatures"`
	Authentications []any         `json:"authentications"`
	Authorization   string        `json:"authorization,omitzero"`
	JTI             string        `json:"jti,omitzero"`
	Limits          limitsOut     `json:"limits"`
	Timeline        []stepOut     `json:"timeline"`
	CreatedAt       time.Time     `json:"created_at"`
	ExpiresAt       time.Time     `json:"expires_at"`
}

type partyOut struct {
	Name    string `json:"name"`
	Account string `json:"account"`
	Bank    string `json:"bank"`
	Country string `json:"country,omitzero"`
}

type lineOut struct {
	Reference string        `json:"reference,omitzero"`
	Amount    payment.Money `json:"amount"`
	Purpose   string        `json:"purpose,omitzero"`
	Payee     partyOut      `json:"payee"`
}

type signatures struct {
	Required  int            `json:"required"`
	Collected int            `json:"collected"`
	Given     []signatureOut `json:"given,omitzero"`
}

// signatureOut is one signature of a holder's payment.
type signatureOut struct {
	Customer string        `json:"customer"`
	At       time.Time     `json:"at"`
	ACR      string        `json:"acr"`
	Shown    string        `json:"shown"`
	AMR      []string      `json:"amr"`
	Linked   *challengeOut `json:"linked,omitzero"` // the text this signer proved; not in a list
	Card     bool          `json:"card"`            // a card signed it: GET …/signature?customer=
}

// attemptRef stands for an authentication where a list does not tell it whole.
type attemptRef struct {
	ID string `json:"id"`
}

// transactionOf writes a transaction with its authentications.
func (x *exchange) transactionOf(ctx context.Context, v payment.View) (transactionOut, error) {
	out := x.transactionLine(v)
	x.whole(&out, v)
	var err error
	out.Authentications, err = x.authenticationsOf(ctx, v)
	return out, err
}

// transactionLine writes a transaction as a list shows it.
func (x *exchange) transactionLine(v payment.View) transactionOut {
	t, d := v.Transaction, v.Details
	out := transactionOut{
		ID: t.ID, Reference: t.Reference, Customer: t.Customer, Channel: string(t.Channel), Service: t.Service, Decision: t.Decision,
		State: string(t.State), Exemption: t.Exemption, Amount: payment.FromMinor(t.Minor, t.Currency), Purpose: d.Purpose, Holder: d.Holder, Series: d.Series, Fraud: t.Fraudulent(),
		Payer: x.partyOf(d.Payer), Count: len(d.Batch), ACR: t.ACR, Shown: t.Shown, AMR: t.AMR,
		Risk: x.riskOf(t.Score, v.Reasons, t.Reasons, t.Policy), Signatures: signaturesOf(t), JTI: t.JTI, Timeline: x.timelineOf(t),
		Limits:    limitsOf(v.Limits, t.Limit),
		CreatedAt: t.CreatedAt.UTC(), ExpiresAt: t.ExpiresAt.UTC(),
	}
	if len(d.Batch) == 0 {
		payee := x.partyOf(d.Payee)
		out.Payee = &payee
	}
	if len(d.Linked) > 0 {
		linked := x.challengeOf(d.Linked, t.SHA256, t.ExpiresAt)
		out.Linked = &linked
	}
	if x.audits() {
		out.Purpose, out.Series = "", ""
	}
	// The authorization is an order to pay: only those who pass it on or carry it
	// out see it.
	if x.by.Has(parties.Frontend, parties.Core) {
		out.Authorization = v.Authorization
	}
	for _, id := range t.Attempts {
		out.Authentications = append(out.Authentications, attemptRef{ID: id})
	}
	return out
}

// whole adds what a list leaves out: the lines of a batch and the texts of its signers.
func (x *exchange) whole(out *transactionOut, v payment.View) {
	for _, l := range v.Details.Batch {
		line := lineOut{Reference: l.Reference, Amount: l.Amount, Purpose: l.Purpose, Payee: x.partyOf(l.Payee)}
		if x.audits() {
			line.Purpose = ""
		}
		out.Batch = append(out.Batch, line)
	}
	if x.audits() {
		return
	}
	for i, sig := range v.Transaction.Signatures {
		linked := x.challengeOf(v.Details.Texts[sig.Customer], sig.SHA256, v.Transaction.ExpiresAt)
		out.Signatures.Given[i].Linked = &linked
	}
}

// signaturesOf counts: one proof is asked for, unless the payment is exempt; of a
// holder's, as many as its rules say.
func signaturesOf(t payment.Transaction) signatures {
	s := signatures{Required: max(t.Required, 1)}
	if t.Exemption != "" {
		s.Required = 0
	}
	for _, sig := range t.Signatures {
		s.Given = append(s.Given, signatureOut{Customer: sig.Customer, At: sig.At.UTC(), ACR: sig.ACR, Shown: sig.Shown, AMR: sig.AMR, Card: len(sig.CMS) > 0})
	}
	if t.Holder != "" {
		s.Collected = len(t.Signatures)
		return s
	}
	if t.ACR != "" {
		s.Collected = 1
	}
	return s
}

// timelineOf writes the history of a transaction (clause 5.15). Only those who decide
// about payments, and auditors, are told which member of staff did what for which
// reason, and whose signature is void: that could be a warning to somebody who must not
// be warned. What the core banking system said of the execution everybody is told.
func (x *exchange) timelineOf(t payment.Transaction) []stepOut {
	out := make([]stepOut, 0, len(t.Timeline))
	for _, s := range t.Timeline {
		step := stepOut{
			At: s.At.UTC(), State: string(s.State), Reason: s.Reason, By: s.By, Event: s.Event, Authentication: s.Attempt, Methods: s.Methods,
			SHA256: base64.RawURLEncoding.EncodeToString(s.SHA256), Answers: s.Count,
		}
		if x.audits() { // it leads to the text
			step.SHA256 = ""
		}
		if !x.decides() && (s.Event == payment.EventVoid || s.Reason == payment.EventVoid) {
			step.By, step.Reason, step.Event = "", "", ""
		}
		if !x.decides() && s.By != "policy" && s.By != t.Customer && s.By != t.Client {
			step.By = ""
			if s.State != payment.Executed && s.State != payment.Failed { // what the core system said is for the customer
				step.Reason = ""
			}
		}
		out = append(out, step)
	}
	return out
}

// maxAttempts is how many authentications of a transaction are told whole, the
// last ones.
const maxAttempts = 5

// authenticationsOf writes the authentications of a transaction that the caller
// may see.
func (x *exchange) authenticationsOf(ctx context.Context, v payment.View) ([]any, error) {
	if !x.by.Has(ofSessions...) {
		return nil, nil
	}
	ids := v.Transaction.Attempts
	var out []any
	for _, id := range ids[max(0, len(ids)-maxAttempts):] {
		if v.Authentication != nil && v.Authentication.Attempt.ID == id {
			out = append(out, x.authenticationOf(*v.Authentication))
			continue
		}
		a, err := x.server.Authn.LookAttempt(ctx, x.by, id)
		if problem.Is(err, problem.NotFound) {
			continue // another's, or removed long after its end
		}
		if err != nil {
			return nil, err
		}
		out = append(out, x.authenticationOf(a))
	}
	return out, nil
}
