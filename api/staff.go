package api

import (
	"context"
	"net/url"
	"strings"
	"time"

	"mohur/enrollment"
	"mohur/parties"
	"mohur/problem"
)

type staffIn struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Roles    []parties.Role `json:"roles"`
	Contacts contacts       `json:"contacts"`
}

func (in staffIn) command(x *exchange) parties.StaffCommand {
	return parties.StaffCommand{
		Caller: x.by, ID: in.ID, Roles: in.Roles, Profile: parties.Profile{Name: in.Name, Phone: in.Contacts.Phone, Email: in.Contacts.Email},
	}
}

// An invitation that waits for a second person is told to nobody but its owner.
func (in staffIn) check(x *exchange, waits bool) error {
	if err := in.command(x).Check(); err != nil {
		return err
	}
	var c problem.Check
	c.Unless(!waits || strings.Contains(in.Contacts.Email, "@"), "contacts.email", "is needed: the invitation goes there")
	return c.Err()
}

type staffOut struct {
	ID         string         `json:"id"`
	Name       string         `json:"name,omitzero"`
	Roles      []parties.Role `json:"roles"`
	Contacts   *contacts      `json:"contacts,omitzero"`
	State      string         `json:"state"`
	Reason     string         `json:"reason,omitzero"`
	CreatedAt  time.Time      `json:"created_at"`
	UpdatedAt  time.Time      `json:"updated_at"`
	Invitation *invitationOut `json:"invitation,omitzero"`
}

// invitationOut is shown once, and only while nobody else has to decide: after
// that it goes to the person himself.
type invitationOut struct {
	Link      string    `json:"link,omitzero"`
	Secret    string    `json:"secret,omitzero"`
	SentTo    string    `json:"sent_to,omitzero"`
	ExpiresAt time.Time `json:"expires_at"`
}

func staffOf(c parties.Customer) staffOut {
	return staffOut{
		ID: c.StaffID(), Roles: c.Roles, State: string(c.State), Reason: c.Reason, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
	}
}

func (o staffOut) named(p parties.Profile) staffOut {
	o.Name, o.Contacts = p.Name, &contacts{Phone: p.Phone, Email: p.Email}
	return o
}

// invitation writes a link. The secret stands behind the #, which no browser sends
// to a server.
func (x *exchange) invitation(id string, l enrollment.Link) *invitationOut {
	out := &invitationOut{Secret: l.Text, SentTo: l.SentTo, ExpiresAt: l.ExpiresAt.UTC()}
	if l.Text != "" {
		out.Link = x.server.Issuer + "/console/enroll#" + url.QueryEscape(id) + "." + l.Text
	}
	return out
}

// postStaff makes a member of staff.
func (x *exchange) postStaff(ctx context.Context, in staffIn) (reply, error) {
	cmd := in.command(x)
	c, link, err := x.server.Enrollment.Invite(ctx, cmd, x.approved)
	if err != nil {
		return reply{}, err
	}
	out := staffOf(c).named(cmd.Profile)
	out.Invitation = x.invitation(in.ID, link)
	return created(out)
}

// inviteStaff makes a further link for a member of staff.
func (x *exchange) inviteStaff(ctx context.Context, _ nothing) (reply, error) {
	c, link, err := x.server.Enrollment.NewLink(ctx, x.by, x.id("id"), x.approved)
	if err != nil {
		return reply{}, err
	}
	out := staffOf(c)
	out.Invitation = x.invitation(c.StaffID(), link)
	return created(out)
}

// listStaff lists the members of staff, all of them.
func (x *exchange) listStaff(ctx context.Context) (reply, error) {
	all, err := x.server.Parties.AllStaff(ctx)
	if err != nil {
		return reply{}, err
	}
	out := page[staffOut]{Items: []staffOut{}}
	for _, c := range all {
		one := staffOf(c)
		if !x.audits() {
			p, err := x.server.Parties.Profile(ctx, c)
			if err != nil {
				return reply{}, err
			}
			one = one.named(p)
		}
		out.Items = append(out.Items, one)
	}
	return ok(out)
}

type staffReasonIn struct {
	Reason string `json:"reason"`
}

func (in staffReasonIn) check(*exchange, bool) error {
	var c problem.Check
	c.Unless(in.Reason != "" && len(in.Reason) <= maxFact, "reason", "needs 1 to 500 bytes")
	return c.Err()
}

// suspendStaff takes a member of staff out at once: one person is enough.
func (x *exchange) suspendStaff(ctx context.Context, in staffReasonIn) (reply, error) {
	return x.setStaff(ctx, in, parties.CustomerSuspended)
}

// resumeStaff lets him back.
func (x *exchange) resumeStaff(ctx context.Context, in staffReasonIn) (reply, error) {
	return x.setStaff(ctx, in, parties.CustomerActive)
}

func (x *exchange) setStaff(ctx context.Context, in staffReasonIn, to parties.CustomerState) (reply, error) {
	c, err := x.server.Parties.SetStaffState(ctx, x.by, x.id("id"), to, in.Reason, x.lifts...)
	if err != nil {
		return reply{}, err
	}
	return ok(staffOf(c))
}

type rolesIn struct {
	Roles []parties.Role `json:"roles"`
}

func (in rolesIn) check(*exchange, bool) error {
	var c problem.Check
	parties.CheckRoles(&c, in.Roles)
	return c.Err()
}

// putRoles gives a member of staff other roles.
func (x *exchange) putRoles(ctx context.Context, in rolesIn) (reply, error) {
	c, err := x.server.Parties.SetRoles(ctx, x.by, x.id("id"), in.Roles)
	if err != nil {
		return reply{}, err
	}
	return ok(staffOf(c))
}

// putStaffPIN sets the PIN a member of staff has chosen, as putPIN a customer's.
func (x *exchange) putStaffPIN(ctx context.Context, in pinIn) (reply, error) {
	cmd := enrollment.PINCommand{Caller: x.by, Customer: parties.Subject(x.id("id")), PIN: in.PIN}
	var err error
	if cmd.Proof, err = in.Proof.given(); err != nil {
		return reply{}, err
	}
	if err := x.server.Enrollment.SetPIN(ctx, cmd); err != nil {
		return reply{}, err
	}
	return done()
}

// id is the subject of an authentication.
func (s subjectIn) id(c *problem.Check) string {
	c.Unless(s.Kind == "customer" || s.Kind == "staff", "subject.kind", "needs to be customer or staff")
	c.Unless(parties.ValidName(s.ID), "subject.id", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	if s.Kind == "staff" {
		return parties.Subject(s.ID)
	}
	return s.ID
}

// named puts the member of staff whose enrolment it is in the customer's place.
func (in *enrollmentIn) named() (err error) {
	in.Customer, err = holderOf(in.Customer, in.Staff)
	return err
}

// holderOf is whose a token is or will be: a customer, or a member of staff, who is
// named without his mark.
func holderOf(customer, staff string) (string, error) {
	var c problem.Check
	c.Unless(!parties.IsStaff(customer), "customer", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	c.Unless(customer == "" || staff == "", "staff", "goes without customer")
	c.Unless(staff == "" || parties.ValidName(staff), "staff", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	if staff != "" {
		customer = parties.Subject(staff)
	}
	return customer, c.Err()
}
