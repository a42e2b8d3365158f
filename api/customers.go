package api

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/canonical"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/settle"
)

// contacts are where a customer is reached.
type contacts struct {
	Phone string `json:"phone"`
	Email string `json:"email"`
}

// proof is what entitles a customer to an act about himself.
type proof struct {
	Authentication   string `json:"authentication"`
	ActivationSecret string `json:"activation_secret"`
	Approval         string `json:"approval"`
}

type customerIn struct {
	Name            string   `json:"name"`
	Locale          string   `json:"locale"`
	Contacts        contacts `json:"contacts"`
	Segment         string   `json:"segment"`
	ContractRef     string   `json:"contract_ref"`
	ContractVersion string   `json:"contract_version"`
	KYCRef          string   `json:"kyc_ref"`
	Proof           *proof   `json:"proof"`
}

type customerOut struct {
	ID              string    `json:"id"`
	Name            string    `json:"name,omitzero"`
	Locale          string    `json:"locale"`
	Contacts        *contacts `json:"contacts,omitzero"`
	Segment         string    `json:"segment"`
	ContractRef     string    `json:"contract_ref"`
	ContractVersion string    `json:"contract_version"`
	KYCRef          string    `json:"kyc_ref"`
	State           string    `json:"state"`
	Reason          string    `json:"reason,omitzero"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

func customerOf(c parties.Customer) customerOut {
	return customerOut{
		ID: c.ID, Locale: c.Locale, Segment: c.Segment, ContractRef: c.ContractRef, ContractVersion: c.ContractVersion, KYCRef: c.KYCRef,
		State: string(c.State), Reason: c.Reason, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
	}
}

func (o customerOut) named(p parties.Profile) customerOut {
	o.Name, o.Contacts = p.Name, &contacts{Phone: p.Phone, Email: p.Email}
	return o
}

// putCustomer creates or changes a customer.
func (x *exchange) putCustomer(ctx context.Context, in customerIn) (reply, error) {
	spent, err := x.contactsProof(ctx, in.Proof)
	if err != nil {
		return reply{}, err
	}
	cmd := parties.PutCommand{
		Caller: x.by, ID: x.id("id"), Profile: parties.Profile{Name: in.Name, Phone: in.Contacts.Phone, Email: in.Contacts.Email},
		Locale: in.Locale, Segment: in.Segment, ContractRef: in.ContractRef, ContractVersion: in.ContractVersion, KYCRef: in.KYCRef,
	}
	c, fresh, err := x.server.Parties.Put(ctx, cmd, spent)
	if err != nil {
		return reply{}, err
	}
	out := reply{status: http.StatusOK, body: customerOf(c).named(cmd.Profile)}
	if fresh {
		out.status = http.StatusCreated
	}
	return out, nil
}

// contactsProof checks the proof for a change of contacts: one that the customer
// gave for exactly this request. It returns what consumes it, nil where there is
// none.
func (x *exchange) contactsProof(ctx context.Context, p *proof) (settle.Effect, error) {
	switch {
	case p == nil:
		return nil, nil
	case p.Approval != "":
		return nil, later("proof.approval")
	case p.Authentication == "" || p.ActivationSecret != "":
		return nil, problem.New(problem.ProofRequired, "a change of contacts needs the proof of an authentication")
	}
	data, err := withoutProof(x.raw)
	if err != nil {
		return nil, err
	}
	return x.server.Authn.Spend(ctx, x.by, p.Authentication, x.id("id"), "customer.contacts", data)
}

// withoutProof is the canonical request without its proof: what the proof was
// given for.
func withoutProof(raw []byte) ([]byte, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, decodeFault(err)
	}
	delete(members, "proof")
	text, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return canonical.Bytes(text)
}

// getCustomer returns a customer. An auditor sees that he exists and on what
// contract, not who he is.
func (x *exchange) getCustomer(ctx context.Context) (reply, error) {
	c, err := x.server.Parties.Get(ctx, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	if !x.by.Has(parties.Helpdesk, parties.Operator, parties.Supervisor, parties.Security) {
		return ok(customerOf(c))
	}
	p, err := x.server.Parties.Profile(ctx, c)
	if err != nil {
		return reply{}, err
	}
	return ok(customerOf(c).named(p))
}

type stateIn struct {
	Reason string `json:"reason"`
	Notify *bool  `json:"notify"` // not there: true
}

func (x *exchange) suspendCustomer(ctx context.Context, in stateIn) (reply, error) {
	return x.setCustomer(ctx, in, parties.CustomerSuspended)
}

func (x *exchange) resumeCustomer(ctx context.Context, in stateIn) (reply, error) {
	return x.setCustomer(ctx, in, parties.CustomerActive)
}

func (x *exchange) setCustomer(ctx context.Context, in stateIn, to parties.CustomerState) (reply, error) {
	c, err := x.server.Parties.SetState(ctx, x.by, x.id("id"), to, in.Reason, in.Notify == nil || *in.Notify)
	if err != nil {
		return reply{}, err
	}
	return ok(customerOf(c))
}

// limitsOut are the limits of a customer's day and what of them is used up.
type limitsOut struct {
	Daily dailyLimit `json:"daily"`
}

type dailyLimit struct {
	Limit payment.Money `json:"limit"`
	Used  payment.Money `json:"used"`
}

// getLimits returns the limits of a customer (clause 5.32). A front end sees
// those of the customers who are logged in with it.
func (x *exchange) getLimits(ctx context.Context) (reply, error) {
	id := x.id("id")
	if _, err := x.server.Parties.Get(ctx, id); err != nil {
		return reply{}, err
	}
	if x.by.Only() {
		live, err := x.liveSessions(ctx, id)
		if err != nil {
			return reply{}, err
		}
		if len(live) == 0 {
			return reply{}, problem.New(problem.NotFound, "there is no such customer")
		}
	}
	used, limit, err := x.server.Payments.Day(ctx, id)
	if err != nil {
		return reply{}, err
	}
	return ok(limitsOut{Daily: dailyLimit{Limit: payment.FromMinor(limit, "AZN"), Used: payment.FromMinor(used, "AZN")}})
}
