package authn

import (
	"time"

	"mohur/audit"
	"mohur/authn/lock"
	"mohur/ident"
	"mohur/incident"
	"mohur/notify"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// swapCredential signs a credential's next row and adds it to what will be
// settled; the verdict's own entry carries its pseudonym and version.
func (j *judgement) swapCredential(hot settle.Hot, c tokens.Credential, change lock.Change) error {
	j.credential, j.version = c.Pseudonym, hot.Version
	return j.swap(hot, change, "credential", c.Pseudonym)
}

// swapPIN does the same for the PIN, which has an entry of its own: its version
// moves apart from the credential's.
func (j *judgement) swapPIN(hot settle.Hot, pseudonym string, change lock.Change, outcome string) error {
	e := j.service.event(j.by, j.customer, j.attempt, "pin.judged", outcome, "", nil)
	e.Credential, e.Version = pseudonym, hot.Version
	j.events = append(j.events, e)
	return j.swap(hot, change, "pin", pseudonym)
}

func (j *judgement) swap(hot settle.Hot, change lock.Change, what, pseudonym string) error {
	signed, err := hot.Sign(j.ctx, j.service.HSM)
	if err != nil {
		return problem.Away(err)
	}
	j.effects = append(j.effects, settle.SwapHot{Hot: signed})
	if change == lock.None {
		return nil
	}
	j.attempt.LockedAt = j.received.UTC()
	kind := change.String()
	e := j.service.event(j.by, j.customer, j.attempt, what+".locked", kind, "failures", nil)
	e.Credential, e.Version = pseudonym, hot.Version
	j.events = append(j.events, e)
	// Which factor failed is for the log: who reads the notice may have stolen the telephone.
	return j.notify("credential-" + kind)
}

// notify queues a notice to the customer with the change it tells of (RTS Art.
// 4(3)(b): the user is alerted before a lock for good).
func (j *judgement) notify(kind string) error {
	n := notify.Notice{
		ID: ident.New("no"), Customer: j.customer.ID, Channel: "sms", Kind: kind,
		CreatedAt: j.received.UTC(), ExpiresAt: j.received.Add(24 * time.Hour).UTC(),
	}
	var err error
	if n.Sealed, err = j.service.Keys.Seal(j.ctx, j.customer.Key, notify.Place(n.ID), []byte(kind)); err != nil {
		return problem.Away(err)
	}
	j.effects = append(j.effects, notify.Queue{Notice: n})
	return nil
}

// quarantine takes a credential out of use whose row or record is not what was
// written: nobody is granted, an incident is opened, once.
func (j *judgement) quarantine(c *candidate) error {
	why := c.reason
	if why == "" {
		why = "record-changed"
	}
	hot, err := c.hot.Quarantined(j.ctx, j.service.HSM)
	if err != nil {
		return problem.Away(err)
	}
	c.reason = "quarantined"
	j.effects = append(j.effects, settle.Quarantine{Hot: hot})
	j.incident(c.credential.ID, c.credential.Pseudonym, hot.Version, why)
	return nil
}

// incident opens an incident about a credential or PIN and tells the log.
func (j *judgement) incident(id, pseudonym string, version uint64, why string) {
	in := incident.Incident{
		ID: ident.New("in"), Kind: "credential.quarantined", Service: string(j.attempt.Channel), Reference: "n/a",
		Cause: why, Content: "the stored state of " + id + " is not what the server wrote; it was taken out of use",
		At: j.received.UTC(), State: "open", Version: 1,
	}
	j.effects = append(j.effects, incident.Save{Incident: in})
	e := j.service.event(j.by, j.customer, j.attempt, "credential.quarantined", "quarantined", why, map[string]any{"credential": id, "incident": in.ID})
	e.Credential, e.Version = pseudonym, version
	j.events = append(j.events, e, audit.Event{
		Name: "incident.opened", Outcome: "open", Reason: in.Kind, Policy: j.service.Policy().Version, Person: person(j.customer),
		Caller: j.by.ID, Request: j.by.Request, Detail: in,
	})
}
