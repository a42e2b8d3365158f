package storecheck

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"mohur/audit"
	"mohur/ident"
	"mohur/incident"
	"mohur/settle"
)

// quarantine takes a credential or PIN out of use, with an incident and the audit
// entries. The new version is above the row's, the index's and the log's, so that
// the log goes on rising and the next check finds the matter closed.
func (c *Check) quarantine(ctx context.Context, f *Finding) error {
	for range maxTries {
		row, err := c.quarantined(ctx, f)
		if err != nil {
			return err
		}
		in := incident.Incident{
			ID: ident.New("in"), Kind: "credential.quarantined", Service: "n/a", Reference: "n/a", Cause: f.cause,
			Content: f.Part + " " + f.ID + ": " + f.Text, At: c.Now().UTC(), Measures: "taken out of use by a check of the store", State: "open", Version: 1,
		}
		r, err := settle.Write(ctx, c.Settler, c.Audit, []settle.Effect{settle.Quarantine{Hot: row}, incident.Save{Incident: in}}, []audit.Event{
			{
				Name: "credential.quarantined", Outcome: "quarantined", Reason: f.cause, Credential: f.pseudonym, Version: row.Version,
				Caller: c.By.ID, Request: c.By.Request, Detail: map[string]any{"credential": row.ID, "incident": in.ID, "found": f.Text, "by": c.By.Name},
			},
			{Name: "incident.opened", Outcome: "open", Reason: in.Kind, Caller: c.By.ID, Request: c.By.Request, Detail: in},
		})
		if err != nil {
			return err
		}
		if r.Outcome == settle.Done {
			return nil
		}
	}
	return fmt.Errorf("%s %s could not be put in quarantine: it moves faster than it can be read", f.Part, ident.Digest(f.ID))
}

// quarantined is the row that takes the finding's out of use, above every version
// that anything tells of.
func (c *Check) quarantined(ctx context.Context, f *Finding) (settle.Hot, error) {
	reads, err := c.Store.Hot(ctx, f.row)
	if err != nil {
		return settle.Hot{}, err
	}
	read := reads[0]
	read.Hot.ID = f.row
	intact, err := read.Intact(ctx, c.HSM)
	if err != nil {
		return settle.Hot{}, err
	}
	row := read.Hot
	if !intact { // nothing of it is believed
		row.Version = read.Indexed
	}
	row.Version = max(row.Version, c.log.trails[nameOf(f.pseudonym)].version)
	return row.Quarantined(ctx, c.HSM)
}

// open makes an incident of a finding that takes nothing out of use. Its name
// follows from what was found, so that the next check does not open another.
func (c *Check) open(ctx context.Context, f Finding) error {
	sum := sha256.Sum256([]byte(strings.Join([]string{"storecheck", string(f.Kind), f.Part, f.ID, f.Text}, "\x00")))
	in := incident.Incident{
		ID: ident.From("in", sum[:]), Kind: "store.finding", Service: "n/a", Reference: "n/a", Cause: string(f.Kind),
		Content: f.Part + " " + f.ID + ": " + f.Text, At: c.Now().UTC(), Measures: f.Do, State: "open", Version: 1,
	}
	_, err := settle.Write(ctx, c.Settler, c.Audit, []settle.Effect{incident.Save{Incident: in}}, []audit.Event{
		{Name: "incident.opened", Outcome: "open", Reason: in.Kind, Caller: c.By.ID, Request: c.By.Request, Detail: in},
	})
	return err
}
