package fido

import (
	"iter"
	"slices"
	"strings"
	"time"
)

// Verdict is what a policy says of a key. The zero value is a refusal.
type Verdict struct {
	OK     bool
	Reason Reason // "" when OK
	Detail string // for the audit log
	// Serial is the device's, as the policy writes it, from a trusted attestation;
	// "" when there is none. The caller compares it with the stock.
	Serial string
	// Warnings are for the operator: stale metadata, an update that is available,
	// statuses not known here.
	Warnings []string
}

// Judge holds a key against the policy and the metadata at that time (section
// 7.1 step 24). The record must come from VerifyRegistration; what its
// attestation is worth was found there.
func (p Policy) Judge(r Record, m *Metadata, at time.Time) Verdict {
	var v Verdict
	refused, err := guarded(func() error { return p.judge(r, m, at, &v) })
	switch {
	case err != nil: // judge knows refusals only
		return Verdict{Reason: LibraryFault, Detail: clip(err.Error())}
	case refused != nil:
		v.Reason, v.Detail = refused.reason, refused.detail
		return v
	}
	v.OK = true
	return v
}

func (p Policy) judge(r Record, m *Metadata, at time.Time, v *Verdict) error {
	a, e := r.Attestation, m.entry(r)
	// What would suspend an enrolled key comes first, so that nothing hides it.
	if lists(p.DenyAAGUIDs, r.AAGUID) {
		return refuse(AAGUIDDenied, "%s", r.AAGUID)
	}
	if err := p.standing(r, m.reports(r), at, v); err != nil {
		return err
	}
	if a.Trust != TrustNone && a.Trust != TrustSelf && len(p.Formats) != 0 && !slices.Contains(p.Formats, a.Format) {
		return refuse(AttestationFormat, "%s is not one of the policy's formats", a.Format)
	}
	if r.BackupEligible && !p.AllowSynced {
		return refuse(Synced, "BE is set")
	}
	if a.Trust != Trusted {
		return p.unproved(a)
	}
	if err := p.fresh(m, at, v); err != nil {
		return err
	}
	if err := p.model(r, e, at); err != nil {
		return err
	}
	v.Serial = p.Enterprise.serial(a)
	if p.Enterprise.Required && v.Serial == "" {
		return refuse(SerialMissing, "sernum %q, certificate %q", a.DeviceSerial, a.CertificateSerial)
	}
	return nil
}

func lists(list []string, a AAGUID) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, a.String()) })
}

// unproved: the attestation is not trusted. It is enough only where the policy
// says so and asks for nothing that it would have to show.
func (p Policy) unproved(a Attestation) error {
	accepted, reason := false, AttestationUntrusted
	switch a.Trust {
	case TrustNone:
		accepted, reason = p.AllowNone, AttestationNone
	case TrustSelf:
		accepted, reason = p.AllowSelf, AttestationSelf
	case TrustUntrusted:
		accepted = p.AllowUntrusted
		if a.Doubt != "" {
			reason = a.Doubt
		}
	}
	if asks := p.proof(); !accepted || asks != "" {
		return refuse(reason, "%s: %s", a.Format, reason.Text())
	}
	return nil
}

// fresh: what the metadata vouches for, it vouches for until its next update, and
// the policy's days beyond.
func (p Policy) fresh(m *Metadata, at time.Time, v *Verdict) error {
	switch {
	case m == nil:
		return refuse(MetadataMissing, "%s", MetadataMissing.Text())
	case !m.Stale(at):
		return nil
	case at.Before(m.NextUpdate.AddDate(0, 0, p.StaleDays)):
		v.Warnings = append(v.Warnings, "the metadata is stale since "+m.NextUpdate.Format(time.DateOnly))
		return nil
	}
	return refuse(MetadataStale, "number %d is stale since %s", m.Number.No, m.NextUpdate.Format(time.DateOnly))
}

// model holds a proved model against what the policy asks of models.
func (p Policy) model(r Record, e *Entry, at time.Time) error {
	if len(p.AllowAAGUIDs) != 0 && !lists(p.AllowAAGUIDs, r.AAGUID) {
		return refuse(AAGUIDNotAllowed, "%s", r.AAGUID)
	}
	if e == nil || e.Fault == faultReports {
		return refuse(ModelUnknown, "%s", r.AAGUID)
	}
	if level := e.level(at); level < rank(p.MinimumLevel) {
		return refuse(CertificationLevel, "%s, where %s is asked", levelName(level), p.MinimumLevel)
	}
	inHardware := slices.Contains(e.KeyProtection, protectionHardware) && !slices.Contains(e.KeyProtection, protectionSoftware)
	inElement := inHardware && slices.Contains(e.KeyProtection, protectionElement)
	if p.HardwareOnly && !inHardware || p.KeyProtection == protectionHardware && !inHardware ||
		p.KeyProtection == protectionElement && !inElement {
		return refuse(KeyProtection, "the model's keys are in %q", e.KeyProtection)
	}
	return nil
}

// standing: no report in force says that the model, or the batch this key is of,
// is revoked or compromised. A later report takes nothing back, only a sunset
// date does. For keys of unproved models it goes by their claim.
func (p Policy) standing(r Record, reports []StatusReport, at time.Time, v *Verdict) error {
	var retired error
	for _, s := range reports {
		switch {
		case !s.in(at) || !s.about(r.Attestation.Chain):
		case slices.Contains(denied, s.Status) || slices.Contains(p.DenyStatuses, s.Status):
			return refuse(ModelCompromised, "%s of the model %s", s.Status, r.AAGUID)
		case s.Status == "RETIRED":
			retired = refuse(ModelRetired, "%s", r.AAGUID)
		case s.Status == "UPDATE_AVAILABLE" || !knownStatus(s.Status):
			v.Warnings = append(v.Warnings, "the metadata reports "+s.Status+" of the model")
		}
	}
	return retired
}

func knownStatus(s string) bool {
	return statusRank(s) >= 0 || strings.HasPrefix(s, "FIPS140_CERTIFIED_")
}

// level returns the rank of the certification in force: that of the latest date,
// and of two on one date the higher. Not certified on that date is 0.
func (e *Entry) level(at time.Time) int {
	best, since := 0, time.Time{}
	for _, s := range e.Reports {
		rank := statusRank(s.Status)
		if rank < 0 || !s.in(at) || s.badDate || len(s.Certificates) != 0 {
			continue
		}
		switch {
		case s.From.Before(since):
		case s.From.Equal(since):
			best = max(best, rank)
		default:
			best, since = rank, s.From
		}
	}
	return best
}

// statusRank returns 1 and up for a certification, 0 for the lack of one, -1 for
// what is no word on certification.
func statusRank(status string) int {
	for i, l := range levels {
		if l.status == status {
			return i + 1
		}
	}
	if status == "NOT_FIDO_CERTIFIED" || status == "SELF_ASSERTION_SUBMITTED" {
		return 0
	}
	return -1
}

func levelName(rank int) string {
	if rank <= 0 {
		return "not certified"
	}
	return levels[rank-1].name
}

// Finding is an enrolled key that a new BLOB or a new policy speaks against.
type Finding struct {
	ID     string // the caller's own, as it came with the record
	Reason Reason
	Detail string
	// Suspend says that the key must not be used until somebody has decided:
	// its model is revoked, compromised or denied. Otherwise it is one that would
	// not be enrolled today.
	Suspend bool
}

// Recheck goes over enrolled keys and yields those that the metadata or the
// policy speaks against now. A key enrolled under a looser policy, without a
// trusted attestation, is judged by the model it claims. Without metadata only
// the policy's lists speak; nothing is found for a model because its entry is gone.
func (p Policy) Recheck(records iter.Seq2[string, Record], m *Metadata, at time.Time) iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		for id, r := range records {
			v := p.Judge(r, m, at)
			if v.OK || !lasting(v.Reason) {
				continue
			}
			suspend := v.Reason == ModelCompromised || v.Reason == AAGUIDDenied || v.Reason == LibraryFault
			if !yield(Finding{id, v.Reason, v.Detail, suspend}) {
				return
			}
		}
	}
}

// lasting tells reasons that speak against a key from those that speak of the
// metadata's own state.
func lasting(r Reason) bool {
	return r != MetadataMissing && r != MetadataStale && r != ModelUnknown
}
