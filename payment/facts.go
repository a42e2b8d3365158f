package payment

import (
	"errors"
	"slices"
	"time"

	"mohur/authn"
	"mohur/compromised"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/store"
)

// facts fills in what the server knows of a payment beside amount and signals. What
// it does not know is left out, which raises the risk. What is read is bounded by what
// the customer holds, never by what he has paid.
func (x *draft) facts(in *risk.Payment, cmd CreateCommand, session authn.Session) error {
	f := risk.Facts{"service": cmd.Service, "channel": string(cmd.Channel), "payees": int64(len(cmd.Parts()))}
	in.Facts = f
	x.placed(f, cmd, session)
	age(f, "session_age", x.now, session.AuthTime)
	if at, ok := authn.IssuedAt(cmd.AccessToken); ok {
		age(f, "token_age", x.now, at)
	}
	age(f, "contacts_age", x.now, x.customer.ContactsAt)
	for _, look := range []func(risk.Facts, CreateCommand, authn.Session) error{x.past, x.exposed, x.activity} {
		if err := look(f, cmd, session); err != nil {
			return err
		}
	}
	return nil
}

// missing leaves facts out because their part has failed, and counts it. A record that
// was changed or damaged is such a part; a store or an HSM that is away is an outage.
func (x *draft) missing(err error, names ...string) error {
	if !errors.Is(err, parties.ErrTampered) && !errors.Is(err, store.ErrDamaged) && !errors.Is(err, parties.ErrNotFound) {
		return problem.Away(err)
	}
	if s := x.service; s.Missing != nil {
		for _, name := range names {
			s.Missing(name)
		}
	}
	return nil
}

// age writes down how many seconds ago something was; what has no time, or one to come,
// has no age.
func age(f risk.Facts, name string, now, at time.Time) {
	if d := now.Sub(at); !at.IsZero() && d >= 0 {
		f[name] = int64(d / time.Second)
	}
}

// placed fills in where the payment goes and where it comes from. A country that the
// payee's own IBAN contradicts is not known.
func (x *draft) placed(f risk.Facts, cmd CreateCommand, session authn.Session) {
	if c, _ := ibanCountry(cmd.Payer.Account); c != "" {
		f["payer_country"] = c
	}
	if c := countryOf(cmd.Parts()); c != "" {
		f["payee_country"] = c
	}
	here, then := authn.SurroundingsOf(cmd.Signals), session.From
	if here.Network != "" && then.Network != "" {
		f["network_changed"] = here.Network != then.Network
	}
	if here.Country != "" && then.Country != "" {
		f["country_changed"] = here.Country != then.Country
	}
}

// countryOf is the country of all payees; "" where they differ, or where an account says
// another one than the front end, or begins as an IBAN and is none.
func countryOf(parts []Part) string {
	country := ""
	for i, p := range parts {
		own, is := ibanCountry(p.Payee.Account)
		if is && own != p.Payee.Country || i > 0 && p.Payee.Country != country {
			return ""
		}
		country = p.Payee.Country
	}
	return country
}

// past fills in what the customer has paid before: in the last hour, in the bank's day,
// and to these payees.
func (x *draft) past(f risk.Facts, cmd CreateCommand, _ authn.Session) error {
	if err := x.recall(cmd.Parts()); err != nil {
		return err
	}
	x.habits.facts(f, x.now, x.service.Zone)
	return nil
}

// exposed fills in whether anything of the payment is known to be in wrong hands.
func (x *draft) exposed(f risk.Facts, cmd CreateCommand, _ authn.Session) error {
	if on, known := x.listedAsCompromised(append(accounts(cmd.Payer, cmd.Parts()), around(cmd.Signals)...)); known {
		f["compromised"] = on
	}
	return nil
}

// maxAround is a byte more than the list takes of a value: what is longer is as unknown
// to it when it is cut.
const maxAround = 201

// around are the customer's surroundings that the front end told of, as the list knows
// them.
func around(s risk.Signals) (items []compromised.Item) {
	for _, i := range []compromised.Item{{Kind: compromised.Device, Value: s.DeviceID}, {Kind: compromised.IP, Value: s.IP}, {Kind: compromised.Country, Value: s.Country}} {
		if i.Value != "" {
			i.Value = i.Value[:min(len(i.Value), maxAround)]
			items = append(items, i)
		}
	}
	return items
}

// listedAsCompromised asks the bank's list. A bank that keeps none knows nothing.
func (x *draft) listedAsCompromised(items []compromised.Item) (on, known bool) {
	l := x.service.Compromised
	if l == nil {
		return false, false
	}
	if on, known = l.Holds(items...); !known && x.service.Missing != nil {
		x.service.Missing("compromised")
	}
	return on, known
}

// accounts are the accounts and countries of a payment, as the list knows them.
func accounts(payer Party, parts []Part) []compromised.Item {
	items := []compromised.Item{{Kind: compromised.Account, Value: payer.Account}, {Kind: compromised.Country, Value: payer.Country}}
	for _, p := range parts {
		items = append(items, compromised.Item{Kind: compromised.Account, Value: p.Payee.Account}, compromised.Item{Kind: compromised.Country, Value: p.Payee.Country})
	}
	return items
}

// failuresFor is how long a refused answer to a log-in counts.
const failuresFor = 24 * time.Hour

// activity fills in what is known of the customer's log-ins and of his credentials.
func (x *draft) activity(f risk.Facts, cmd CreateCommand, session authn.Session) error {
	a, err := x.standing(f, x.customer.ID, session.Credential)
	if sum := authn.DeviceOf(cmd.Signals.DeviceID); a != nil && sum != "" {
		f["device_known"] = known(*a, sum, session.AuthTime)
	}
	return err
}

// standing fills in what is known of a credential and of the answers that stand against
// its customer. It returns his log-ins, nil where they are not known.
func (x *draft) standing(f risk.Facts, customer, credential string) (*authn.Activity, error) {
	c, err := x.service.Authn.Standing(x.ctx, customer, credential)
	if err != nil {
		if err := x.missing(err, "credential_age", "mds_status", "failed_attempts"); err != nil {
			return nil, err
		}
	} else {
		age(f, "credential_age", x.now, c.Since)
		f["mds_status"] = c.Model
	}
	a, err := x.service.Authn.Habits(x.ctx, customer)
	if err != nil {
		return nil, x.missing(err, "device_known", "failed_attempts")
	}
	if c.Whole {
		f["failed_attempts"] = int64(c.Refused + a.FailedSince(x.now.Add(-failuresFor)))
	}
	return &a, nil
}

// known reports whether a device was seen before a log-in. The one it came from is not
// known by that: somebody else's may have been the first time.
func known(a authn.Activity, sum string, login time.Time) bool {
	return slices.ContainsFunc(a.Devices, func(d authn.Device) bool { return d.Sum == sum && d.First.Before(login.Truncate(time.Second)) })
}

// needs is the level a transaction's proof must reach: what was decided, and never
// less than the policy in force.
func (s *Service) needs(t Transaction) authn.ACR {
	decided, now := authn.ACR(t.NeedACR), authn.ACR(s.Policy().PaymentACR)
	if decided.Rank() < now.Rank() {
		return now
	}
	return decided
}

// shows is what the proof must have shown the customer, in the same way.
func (s *Service) shows(t Transaction) string {
	if seen[t.NeedShown] < seen[s.Policy().PaymentShown] {
		return s.Policy().PaymentShown
	}
	return t.NeedShown
}
