package fido_test

import (
	"encoding/base64"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"mohur/authn/fido"
)

// policyCase is a registration that a policy judges.
type policyCase struct {
	name   string
	reason fido.Reason // "" accepted
	policy fido.Policy
	attest func(m *maker) attester // by the maker's packed attestation when nil
	bend   func(*device)
	entry  func(*entry) // what the metadata says
	at     time.Time
	absent bool // no metadata at all
}

func by(a attester) func(*maker) attester { return func(*maker) attester { return a } }

func aaguids(list ...fido.AAGUID) (out []string) {
	for _, a := range list {
		out = append(out, strings.ToUpper(a.String()))
	}
	return out
}

var synced = func(d *device) { d.flags |= be }

var policyCases = []policyCase{
	{name: "the strictest, attested"},
	{name: "the strictest, none", reason: fido.AttestationNone, attest: by(none)},
	{name: "the strictest, self", reason: fido.AttestationSelf, attest: by(self)},
	{name: "none allowed", policy: fido.Policy{AllowNone: true}, attest: by(none)},
	{name: "none allowed is not self", reason: fido.AttestationSelf, policy: fido.Policy{AllowNone: true}, attest: by(self)},
	{name: "self allowed", policy: fido.Policy{AllowSelf: true}, attest: by(self)},
	{name: "self allowed is not none", reason: fido.AttestationNone, policy: fido.Policy{AllowSelf: true}, attest: by(none)},
	{name: "none and self allowed are not untrusted", reason: fido.MetadataMissing, policy: fido.Policy{AllowNone: true, AllowSelf: true}, absent: true},
	{name: "untrusted allowed", policy: fido.Policy{AllowUntrusted: true}, absent: true},
	{name: "none allowed, no metadata", policy: fido.Policy{AllowNone: true}, attest: by(none), absent: true},

	{name: "no metadata", reason: fido.MetadataMissing, absent: true},
	{name: "stale", reason: fido.MetadataStale, at: time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC)},
	{name: "on its last day", at: time.Date(2026, 4, 1, 23, 59, 59, 0, time.UTC)},
	{name: "stale within the days", policy: fido.Policy{StaleDays: 10}, at: time.Date(2026, 4, 11, 23, 0, 0, 0, time.UTC)},
	{name: "stale beyond the days", reason: fido.MetadataStale, policy: fido.Policy{StaleDays: 10}, at: time.Date(2026, 4, 12, 0, 0, 0, 0, time.UTC)},
	{name: "an unknown model", reason: fido.ModelUnknown, entry: func(e *entry) { e.AAGUID = another.String() }},
	{name: "another maker's root", reason: fido.AttestationUntrusted, entry: func(e *entry) { e.Statement.Roots = nil; e.Statement.Roots = []string{stranger()} }},

	{name: "a format that is listed", policy: fido.Policy{Formats: []string{"tpm", "packed"}}},
	{name: "a format that is not", reason: fido.AttestationFormat, policy: fido.Policy{Formats: []string{"tpm"}}},
	{name: "model allowed", policy: fido.Policy{AllowAAGUIDs: aaguids(another, model)}},
	{name: "model not allowed", reason: fido.AAGUIDNotAllowed, policy: fido.Policy{AllowAAGUIDs: aaguids(another)}},
	{name: "model denied", reason: fido.AAGUIDDenied, policy: fido.Policy{DenyAAGUIDs: aaguids(model)}},
	{name: "model denied that is only claimed", reason: fido.AAGUIDDenied, policy: fido.Policy{AllowNone: true, DenyAAGUIDs: aaguids(model)}, attest: by(none)},

	{name: "synced", reason: fido.Synced, bend: synced},
	{name: "synced allowed", policy: fido.Policy{AllowSynced: true}, bend: synced},

	{name: "level reached", policy: fido.Policy{MinimumLevel: "L2"}},
	{name: "level not reached", reason: fido.CertificationLevel, policy: fido.Policy{MinimumLevel: "L2plus"}},
	{name: "level not yet in force", reason: fido.CertificationLevel, policy: fido.Policy{MinimumLevel: "L2"},
		entry: func(e *entry) { e.Reports[1].From = "2026-03-11" }},
	{name: "level lost", reason: fido.CertificationLevel, policy: fido.Policy{MinimumLevel: "certified"},
		entry: status(report{Status: "NOT_FIDO_CERTIFIED", From: "2023-01-01"})},
	{name: "level run out", reason: fido.CertificationLevel, policy: fido.Policy{MinimumLevel: "L2"}, entry: func(e *entry) { e.Reports[1].Until = "2026-01-01" }},
	{name: "level with a date that is none", reason: fido.CertificationLevel, policy: fido.Policy{MinimumLevel: "L2"}, entry: func(e *entry) { e.Reports[1].From = "soon" }},
	{name: "the only level with such a date", reason: fido.CertificationLevel, policy: fido.Policy{MinimumLevel: "L2"}, entry: func(e *entry) { e.Reports = []report{{Status: "FIDO_CERTIFIED_L2", From: "soon"}} }},
	{name: "level of one certificate", reason: fido.CertificationLevel, policy: fido.Policy{MinimumLevel: "L2"}, entry: func(e *entry) { e.Reports = []report{{Status: "FIDO_CERTIFIED_L2", Batch: stranger()}} }},
	{name: "functional only", policy: fido.Policy{MinimumLevel: "certified"}, entry: func(e *entry) { e.Reports = []report{{Status: "FIDO_CERTIFIED"}} }},
	{name: "functional is not L1", reason: fido.CertificationLevel, policy: fido.Policy{MinimumLevel: "L1"}, entry: func(e *entry) { e.Reports = []report{{Status: "FIDO_CERTIFIED"}} }},
	{name: "no reports", reason: fido.CertificationLevel, policy: fido.Policy{MinimumLevel: "certified"}, entry: func(e *entry) { e.Reports = []report{} }},

	{name: "in hardware", policy: fido.Policy{KeyProtection: "hardware"}},
	{name: "in a secure element", policy: fido.Policy{KeyProtection: "secure_element", HardwareOnly: true}},
	{name: "in a TEE", reason: fido.KeyProtection, policy: fido.Policy{KeyProtection: "secure_element"}, entry: func(e *entry) { e.Statement.KeyProtection = []string{"hardware", "tee"} }},
	{name: "in software", reason: fido.KeyProtection, policy: fido.Policy{KeyProtection: "hardware"}, entry: func(e *entry) { e.Statement.KeyProtection = []string{"software"} }},
	{name: "in either", reason: fido.KeyProtection, policy: fido.Policy{HardwareOnly: true}, entry: func(e *entry) { e.Statement.KeyProtection = []string{"hardware", "software"} }},

	{name: "revoked", reason: fido.ModelCompromised, entry: status(report{Status: "REVOKED", From: "2026-03-10"})},
	{name: "revoked tomorrow", entry: status(report{Status: "REVOKED", From: "2026-03-11"})},
	{name: "revoked once, until yesterday", entry: status(report{Status: "REVOKED", From: "2026-01-01", Until: "2026-03-09"})},
	{name: "verification bypassed, certified since", reason: fido.ModelCompromised, entry: func(e *entry) {
		e.Reports = append([]report{{Status: "USER_VERIFICATION_BYPASS", From: "2019-01-01"}}, e.Reports...)
	}},
	{name: "attestation key out", reason: fido.ModelCompromised, entry: status(report{Status: "ATTESTATION_KEY_COMPROMISE"})},
	{name: "keys out remotely", reason: fido.ModelCompromised, entry: status(report{Status: "USER_KEY_REMOTE_COMPROMISE", From: "never"})},
	{name: "keys out physically", reason: fido.ModelCompromised, entry: status(report{Status: "USER_KEY_PHYSICAL_COMPROMISE"})},
	{name: "compromised, only claimed", reason: fido.ModelCompromised, policy: fido.Policy{AllowNone: true}, attest: by(none), entry: status(report{Status: "REVOKED"})},
	{name: "another batch's key out", entry: status(report{Status: "ATTESTATION_KEY_COMPROMISE", Batch: stranger()})},
	{name: "a batch nobody can read", reason: fido.ModelCompromised, entry: status(report{Status: "ATTESTATION_KEY_COMPROMISE", Batch: "AAAA"})},
	{name: "a certificate and a batch nobody can read", reason: fido.ModelCompromised, entry: status(report{Status: "ATTESTATION_KEY_COMPROMISE", Cert: stranger(), Batch: "AAAA"})},
	{name: "a status of the bank's own list", reason: fido.ModelCompromised, policy: fido.Policy{DenyStatuses: []string{"UPDATE_AVAILABLE"}}, entry: status(report{Status: "UPDATE_AVAILABLE"})},
	{name: "update available", entry: status(report{Status: "UPDATE_AVAILABLE"})},
	{name: "a status of the future", entry: status(report{Status: "PERFECTLY_FINE"})},
	{name: "retired", reason: fido.ModelRetired, entry: status(report{Status: "RETIRED"})},
	{name: "no serial", reason: fido.SerialMissing, policy: fido.Policy{Enterprise: fido.Enterprise{Required: true}}},
}

var strangerCert string

// stranger is the certificate of somebody else.
func stranger() string {
	if strangerCert == "" {
		t := discard{}
		strangerCert = base64.StdEncoding.EncodeToString(newAuthority(t, "Stranger", nil).cert.Raw)
	}
	return strangerCert
}

// TestClause5_18: how strong a key is, the policy decides and the metadata
// proves.
func TestClause5_18_AttestationPolicies(t *testing.T) {
	m := newMaker(t)
	rp := relyingParty(t)
	for _, c := range policyCases {
		t.Run(c.name, func(t *testing.T) {
			e := entryFor(m, model)
			if c.entry != nil {
				c.entry(&e)
			}
			in := fido.RegistrationInput{Challenge: challenge("enrol"), Policy: c.policy, At: c.at}
			if !c.absent {
				in.Metadata = metadataOf(t, e)
			}
			d := newDevice(t, "ES256")
			if c.bend != nil {
				c.bend(d)
			}
			attest := m.packed
			if c.attest != nil {
				attest = c.attest(m)
			}
			in.Credential = d.create(in.Challenge, attest)
			got := register(t, rp, in)
			if got.Reason != c.reason || got.Verdict.Reason != c.reason || got.Verdict.OK != got.OK {
				t.Fatalf("%q: %s, want %q", got.Reason, got.Detail, c.reason)
			}
			warned := strings.Contains(c.name, "update available") || strings.Contains(c.name, "of the future") || c.name == "stale within the days"
			if got.OK && warned != (len(got.Verdict.Warnings) == 1) {
				t.Errorf("warnings %q", got.Verdict.Warnings)
			}
		})
	}
}

func TestEnterpriseSerials(t *testing.T) {
	serial := []byte("00012345")
	m := newMaker(t, extensions(octets(oidAAGUID, model[:]), octets(oidSernum, serial)))
	certificate := m.x5c[0].SerialNumber
	for _, c := range []struct {
		e    fido.Enterprise
		want string
	}{
		{fido.Enterprise{Required: true}, "3030303132333435"},
		{fido.Enterprise{Required: true, As: "text"}, "00012345"},
		{fido.Enterprise{As: "text"}, "00012345"},
		{fido.Enterprise{Required: true, As: "decimal"}, "3472328300556399669"},
		{fido.Enterprise{Required: true, From: "certificate", As: "decimal"}, certificate.String()},
	} {
		got := attested(t, m, fido.RegistrationInput{Policy: fido.Policy{Enterprise: c.e}})
		if !got.OK || got.Verdict.Serial != c.want {
			t.Errorf("%+v: %+v", c.e, got.Verdict)
		}
	}
	// A serial that is no text, and one from a certificate that nobody vouches for.
	m = newMaker(t, extensions(octets(oidAAGUID, model[:]), octets(oidSernum, []byte{1, 2})))
	text := fido.Policy{Enterprise: fido.Enterprise{Required: true, As: "text"}}
	if got := attested(t, m, fido.RegistrationInput{Policy: text}); got.Reason != fido.SerialMissing {
		t.Errorf("%+v", got)
	}
	loose := fido.Policy{AllowUntrusted: true}
	if got := attested(t, m, fido.RegistrationInput{Policy: loose, Metadata: metadataOf(t, entryFor(newMaker(t), model))}); !got.OK || got.Verdict.Serial != "" {
		t.Errorf("%+v", got)
	}
}

func TestPolicyFaults(t *testing.T) {
	for want, p := range map[string]fido.Policy{
		"formats[0]":                        {Formats: []string{"none"}},
		"formats[1]":                        {Formats: []string{"packed", "compound"}},
		"allow_aaguids[0]":                  {AllowAAGUIDs: []string{"01020304"}},
		"deny_aaguids[0]":                   {DenyAAGUIDs: []string{"0102030405060708-0102-0304-05060708"}},
		"minimum_level":                     {MinimumLevel: "FIDO_CERTIFIED_L1"},
		"key_protection":                    {KeyProtection: "software"},
		"stale_days":                        {StaleDays: 91},
		"enterprise.from":                   {Enterprise: fido.Enterprise{From: "x"}},
		"enterprise.as":                     {Enterprise: fido.Enterprise{As: "x"}},
		"attestation: none":                 {Attestation: "none"},
		`attestation: "indirect"`:           {Attestation: "indirect"},
		"attestation: enterprise":           {Attestation: "direct", Enterprise: fido.Enterprise{Required: true}},
		"hardware_only: a synced":           {HardwareOnly: true, AllowSynced: true},
		"hardware_only: only a trusted":     {HardwareOnly: true, AllowNone: true},
		"allow_aaguids: only a trusted":     {AllowAAGUIDs: aaguids(model), AllowSelf: true},
		"minimum_level: only a trusted":     {MinimumLevel: "L1", AllowUntrusted: true},
		"enterprise.required: only a trust": {Enterprise: fido.Enterprise{Required: true}, AllowNone: true},
	} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := (fido.Policy{}).Check(); err != nil {
		t.Error(err)
	}
	both := fido.Policy{MinimumLevel: "x", StaleDays: -1}
	if err := both.Check(); strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not every fault at once: %v", err)
	}
}

// A policy that nobody checked opens nothing by contradicting itself.
func TestJudgeWithAPolicyThatContradictsItself(t *testing.T) {
	record := enrol(t, relyingParty(t), newDevice(t, "ES256"))
	for _, p := range []fido.Policy{{AllowNone: true, HardwareOnly: true}, {AllowNone: true, MinimumLevel: "L1"},
		{AllowNone: true, AllowAAGUIDs: aaguids(model)}, {AllowNone: true, Enterprise: fido.Enterprise{Required: true}}} {
		if v := p.Judge(record, metadataOf(t, entryFor(newMaker(t), model)), today); v.OK || v.Reason != fido.AttestationNone {
			t.Errorf("%+v: %+v", p, v)
		}
	}
	if v := (fido.Policy{AllowNone: true}).Judge(record, nil, today); !v.OK {
		t.Errorf("%+v", v)
	}
}

func TestConveyance(t *testing.T) {
	for want, policies := range map[fido.Conveyance][]fido.Policy{
		fido.ConveyNone:       {{AllowNone: true}, {AllowNone: true, Attestation: "none"}},
		fido.ConveyDirect:     {{}, {AllowSelf: true}, {AllowNone: true, DenyAAGUIDs: aaguids(model)}, {AllowNone: true, Attestation: "direct"}},
		fido.ConveyEnterprise: {{Enterprise: fido.Enterprise{Required: true}}, {Attestation: "enterprise"}},
	} {
		for _, p := range policies {
			if got := p.Conveyance(); got != want {
				t.Errorf("%+v: %s", p, got)
			}
		}
	}
}

// The example in the documentation is a policy, and every reason stands there.
func TestTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/fido.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n# ") // the one before is the server's configuration
	example, _, _ = strings.Cut(example, "```")
	var p fido.Policy
	if err := yaml.UnmarshalWithOptions([]byte("# "+example), &p, yaml.DisallowUnknownField()); err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil || len(p.AllowAAGUIDs) == 0 {
		t.Errorf("%+v: %v", p, err)
	}
	for _, r := range fido.Reasons() {
		if !strings.Contains(string(text), "| `"+string(r)+"` |") || r.Text() == "" {
			t.Errorf("docs/fido.md does not tell what %s means", r)
		}
	}
}

// Every reason is produced by some case above, but the one for a parser's panic.
func TestEveryReasonHasACase(t *testing.T) {
	seen := map[fido.Reason]bool{fido.LibraryFault: true, fido.VerificationNew: true, fido.AAGUIDUnproven: true}
	for _, c := range registrationRefusals {
		seen[c.reason] = true
	}
	for _, c := range assertionRefusals {
		seen[c.reason] = true
	}
	for _, c := range policyCases {
		seen[c.reason] = true
	}
	for _, r := range fido.Reasons() {
		if !seen[r] {
			t.Errorf("no case for %s", r)
		}
	}
}

// TestClause4_3_2: what a new BLOB says is held against the keys in customers'
// hands.
func TestClause4_3_2_ANewBLOBSpeaksAgainstEnrolledKeys(t *testing.T) {
	m, other := newMaker(t), newMaker(t, extensions(octets(oidAAGUID, another[:])))
	rp := relyingParty(t)
	good := metadataOf(t, entryFor(m, model), entryFor(other, another))
	enrolled := map[string]fido.Record{}
	for id, c := range map[string]struct {
		m      *maker
		aaguid fido.AAGUID
		flags  byte
	}{"a": {m, model, up | uv}, "b": {m, model, up | uv | be}, "c": {other, another, up | uv}} {
		d, text := newDevice(t, "ES256"), challenge("enrol")
		d.aaguid, d.flags = c.aaguid, c.flags
		got := register(t, rp, fido.RegistrationInput{Credential: d.create(text, c.m.packed), Challenge: text, Metadata: good, Policy: fido.Policy{AllowSynced: true}})
		if !got.OK {
			t.Fatalf("%+v", got)
		}
		enrolled[id] = got.Record
	}
	claimed := newDevice(t, "ES256") // attested by nobody
	enrolled["d"] = enrol(t, rp, claimed)
	delete(enrolled, "x")

	policy := fido.Policy{AllowSynced: true, AllowNone: true}
	batch := base64.StdEncoding.EncodeToString(m.x5c[0].Raw)
	for name, c := range map[string]struct {
		policy fido.Policy
		md     *fido.Metadata
		want   string // ids, those to suspend in capitals
	}{
		"nothing new":         {policy, good, ""},
		"no metadata":         {policy, nil, ""},
		"stale":               {policy, metadataUntil(t, "2020-01-01", entryFor(m, model), entryFor(other, another)), ""},
		"entries gone":        {policy, metadataOf(t, []entry{}...), ""},
		"a model revoked":     {policy, metadataOf(t, entryFor(m, model, status(report{Status: "REVOKED"})), entryFor(other, another)), "A B D"},
		"stale, but revoked":  {policy, metadataUntil(t, "2020-01-01", entryFor(m, model, status(report{Status: "REVOKED"}))), "A B D"},
		"a batch compromised": {policy, metadataOf(t, entryFor(m, model, status(report{Status: "ATTESTATION_KEY_COMPROMISE", Batch: batch}))), "A B D"},
		"another batch":       {policy, metadataOf(t, entryFor(m, model, status(report{Status: "ATTESTATION_KEY_COMPROMISE", Batch: stranger()}))), "D"},
		"a model retired":     {policy, metadataOf(t, entryFor(other, another, status(report{Status: "RETIRED"}))), "c"},
		"an update":           {policy, metadataOf(t, entryFor(m, model, status(report{Status: "UPDATE_AVAILABLE"}))), ""},
		"a deny list":         {fido.Policy{AllowSynced: true, AllowNone: true, DenyAAGUIDs: aaguids(another)}, good, "C"},
		"no synced keys":      {fido.Policy{AllowNone: true}, good, "b"},
		"no keys unattested":  {fido.Policy{AllowSynced: true}, good, "d"},
		"synced and revoked":  {fido.Policy{}, metadataOf(t, entryFor(m, model, status(report{Status: "REVOKED"}))), "A B D"},
	} {
		var got []string
		for f := range c.policy.Recheck(sorted(enrolled), c.md, today) {
			id := f.ID
			if f.Suspend {
				id = strings.ToUpper(id)
			}
			if f.Reason == "" || f.Detail == "" {
				t.Errorf("%s: %+v", name, f)
			}
			got = append(got, id)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
	// The caller may stop at the first.
	for range (fido.Policy{}).Recheck(sorted(enrolled), good, today) {
		break
	}
}

func sorted(records map[string]fido.Record) iter.Seq2[string, fido.Record] {
	return func(yield func(string, fido.Record) bool) {
		for _, id := range slices.Sorted(maps.Keys(records)) {
			if !yield(id, records[id]) {
				return
			}
		}
	}
}

func metadataUntil(t testing.TB, date string, entries ...entry) *fido.Metadata {
	t.Helper()
	a := newAlliance(t)
	m, err := fido.ParseBLOB(a.sign(t, payload{No: 8, NextUpdate: date, Entries: entries}), a.trust, fido.Number{}, today)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
