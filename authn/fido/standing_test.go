package fido_test

import (
	"testing"
	"time"

	"mohur/authn/fido"
)

// What the metadata says of a model goes by what is in force, and an unproved model is
// never well known.
func TestTheStandingOfAModel(t *testing.T) {
	m := newMaker(t)
	rp := relyingParty(t)
	good := metadataOf(t, entryFor(m, model))
	d, text := newDevice(t, "ES256"), challenge("enrol")
	got := register(t, rp, fido.RegistrationInput{Credential: d.create(text, m.packed), Challenge: text, Metadata: good})
	if !got.OK {
		t.Fatalf("%+v", got)
	}
	proven := got.Record
	claimed := proven
	claimed.Attestation.Trust = fido.TrustNone
	other := proven
	other.AAGUID = another
	now := time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC)
	with := func(status string) *fido.Metadata {
		e := entryFor(m, model)
		e.Reports = append(e.Reports, report{Status: status, From: "2023-01-01"})
		return metadataOf(t, e)
	}
	for name, c := range map[string]struct {
		md   *fido.Metadata
		r    fido.Record
		at   time.Time
		want string
	}{
		"known and proven":     {good, proven, now, fido.StandingOK},
		"no metadata":          {nil, proven, now, fido.StandingUnknown},
		"stale":                {good, proven, now.AddDate(1, 0, 0), fido.StandingUnknown},
		"a claim":              {good, claimed, now, fido.StandingUnknown},
		"another model":        {good, other, now, fido.StandingUnknown},
		"compromised":          {with("USER_KEY_REMOTE_COMPROMISE"), proven, now, fido.StandingWarned},
		"retired":              {with("RETIRED"), proven, now, fido.StandingWarned},
		"an update is missing": {with("UPDATE_AVAILABLE"), proven, now, fido.StandingWarned},
		"of the future":        {with("NEVER_SEEN"), proven, now, fido.StandingWarned},
		"compromised, a claim": {with("REVOKED"), claimed, now, fido.StandingWarned},
	} {
		if got := c.md.Standing(c.r, c.at); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
