package fido

import "time"

// The words for what the metadata in force says of a key's model.
const (
	StandingOK      = "ok"      // it knows the proven model and reports nothing against it
	StandingWarned  = "warned"  // it reports something of it: compromised, retired, an update that is missing
	StandingUnknown = "unknown" // there is none, it is stale, it does not know the model, or the model is a claim
)

// Standing is what the metadata says of a key's model at that time. No metadata at all
// (nil) knows nothing.
func (m *Metadata) Standing(r Record, at time.Time) string {
	if m == nil {
		return StandingUnknown
	}
	var v Verdict
	if err := (Policy{}).standing(r, m.reports(r), at, &v); err != nil || len(v.Warnings) > 0 {
		return StandingWarned
	}
	if m.Stale(at) || r.Attestation.Trust != Trusted || m.entry(r) == nil {
		return StandingUnknown
	}
	return StandingOK
}
