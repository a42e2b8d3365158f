package bolt

import (
	"errors"
	"slices"

	"mohur/settle"
	"mohur/tokens"
)

var errFirstHot = errors.New("store: a new credential comes with the first version of its own hot row")

// addCredential adds the record, its first hot row and its claim to the
// manufacturer's name for it, which passes on from one that it replaces and from
// no other.
func addCredential(a tokens.AddCredential) (change, error) {
	if a.Hot.ID != a.Credential.ID || a.Hot.Version != 1 {
		return nil, errFirstHot
	}
	record, err := credentials.save(&a.Credential)
	if err != nil {
		return nil, err
	}
	row, err := swapHot(a.Hot)
	if err != nil {
		return nil, err
	}
	return func(w *writing) (settle.Outcome, error) {
		if outcome, err := record(w); outcome != settle.Done || err != nil {
			return outcome, err
		}
		if outcome, err := row(w); outcome != settle.Done || err != nil {
			return settle.Exists, err // a row of that id: the id is taken
		}
		return claimKeyID(w, a)
	}, nil
}

func claimKeyID(w *writing, a tokens.AddCredential) (settle.Outcome, error) {
	if a.Serial == "" && a.Credential.KeyID == "" {
		return settle.Done, nil // nothing names it but its own id
	}
	name := joined(a.Manufacturer, a.Serial, a.Credential.KeyID)
	if owner := w.get(keyIDs, name); owner != nil && slices.Contains(a.Replaces, string(owner)) {
		return settle.Done, w.put(keyIDs, name, []byte(a.Credential.ID))
	}
	mine, err := w.putOnce(keyIDs, name, a.Credential.ID)
	if err != nil || mine {
		return settle.Done, err
	}
	return settle.Exists, nil
}
