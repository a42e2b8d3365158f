package storecheck

import (
	"context"
	"fmt"
	"math"

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
	return fmt.Errorf("%s could not be put in quarantine: it moves faster than it can be read", f.ID)
}

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
	row, version := read.Hot, read.Indexed
	if intact {
		version = row.Version
	}
	if t := c.log.trails[f.pseudonym]; t != nil {
		version = max(version, t.version)
	}
	if version < math.MaxUint64 {
		version++
	}
	row.Version, row.State = version, settle.HotQuarantined
	return row.Sign(ctx, c.HSM)
}
