package api

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/canonical"
	"mohur/parties"
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
	Class           string    `json:"class,omitzero"`
	Suspended       []barOut  `json:"suspended_channels,omitzero"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

// barOut is a channel that is stopped for a customer.
type barOut struct {
	Channel string    `json:"channel"`
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason,omitzero"`
	Class   string    `json:"class,omitzero"`
}

// customerOf writes a customer. Why one is suspended is for those who decide about it.
// At a counter nobody is told of any: where no reason stands would be whom not to tip off.
func (x *exchange) customerOf(c parties.Customer) customerOut {
	out := customerOut{
		ID: c.ID, Locale: c.Locale, Segment: c.Segment, ContractRef: c.ContractRef, ContractVersion: c.ContractVersion, KYCRef: c.KYCRef,
		State: string(c.State), Reason: c.Reason, Class: string(c.Class), CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
	}
	if !x.decides() {
		out.Reason, out.Class = "", ""
	}
	for _, b := range c.Bars {
		if !b.Stopped {
			continue
		}
		bar := barOut{Channel: string(b.Channel), Since: b.Since.UTC(), Reason: b.Reason, Class: string(b.Class)}
		if !x.decides() {
			bar.Reason, bar.Class = "", ""
		}
		out.Suspended = append(out.Suspended, bar)
	}
	return out
}

// decides reports whether the caller is one of those who decide about customers and
// payments, or watch over them: others could warn somebody who must not be warned.
func (x *exchange) decides() bool {
	return x.by.Has(parties.Supervisor, parties.Security, parties.Auditor)
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
	out := reply{status: http.StatusOK, body: x.customerOf(c).named(cmd.Profile)}
	if fresh {
		out.status = http.StatusCreated
	}
	return out, nil
}

// contactsProof checks the proof for a change of contacts: one that the customer
// gave for exactly this request. It returns what consumes it, nil where there is
// none.
func (x *exchange) contactsProof(ctx context.Context, p *proof) ([]settle.Effect, error) {
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
		return ok(x.customerOf(c))
	}
	p, err := x.server.Parties.Profile(ctx, c)
	if err != nil {
		return reply{}, err
	}
	return ok(x.customerOf(c).named(p))
}

type stateIn struct {
	Reason   string   `json:"reason"`
	Class    string   `json:"class"` // with a suspension
	Channels []string `json:"channels"`
	Notify   *bool    `json:"notify"` // not there: see parties.Halt
}

func (in stateIn) halt() parties.Halt {
	h := parties.Halt{Reason: in.Reason, Class: parties.Class(in.Class), Tell: in.Notify}
	for _, ch := range in.Channels {
		h.Channels = append(h.Channels, parties.Channel(ch))
	}
	return h
}

// check refuses a resumption before anybody is asked to decide it.
func (in stateIn) check(*exchange, bool) error { return in.halt().Check(parties.CustomerActive) }

func (x *exchange) suspendCustomer(ctx context.Context, in stateIn) (reply, error) {
	c, err := x.server.Parties.Suspend(ctx, x.by, x.id("id"), in.halt())
	if err != nil {
		return reply{}, err
	}
	out := x.customerOf(c)
	if len(in.Channels) == 0 {
		out.Reason, out.Class = in.Reason, in.Class // his own words
	}
	return ok(out)
}

func (x *exchange) resumeCustomer(ctx context.Context, in stateIn) (reply, error) {
	h := in.halt()
	h.Lifts = x.lifts
	c, err := x.server.Parties.Resume(ctx, x.by, x.id("id"), h)
	if err != nil {
		return reply{}, err
	}
	return ok(x.customerOf(c))
}
