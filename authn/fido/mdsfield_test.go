package fido_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"mohur/authn/fido"
)

// published signs a BLOB as the FIDO Alliance has since August 2026: RS256 under a
// certificate for web pages, below an authority for such, whose root is in the header
// as well.
func published(t *testing.T, p any) ([]byte, fido.BLOBTrust) {
	t.Helper()
	web := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	lists := []string{"http://crl.globalsign.example/ca.crl"}
	certify := func(above *authority, template *x509.Certificate) *authority {
		t.Helper()
		key, _ := rsaKey(t, 2048)
		a := &authority{t: t, key: key}
		template.BasicConstraintsValid, template.SignatureAlgorithm = true, x509.SHA384WithRSA
		by := above
		if by == nil {
			by = &authority{t: t, key: key, cert: template}
		}
		a.cert = by.issue(template, key.(*rsa.PrivateKey).Public())
		return a
	}
	root := certify(nil, &x509.Certificate{Subject: pkix.Name{CommonName: "Root"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign})
	middle := certify(root, &x509.Certificate{
		Subject: pkix.Name{CommonName: "EV TLS CA"}, IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage: web, CRLDistributionPoints: lists, OCSPServer: []string{"http://ocsp.globalsign.example"},
	})
	const name = "mds.fidoalliance.org"
	leaf := certify(middle, &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{"Fido Alliance, Inc."}}, DNSNames: []string{name}, ExtKeyUsage: web, CRLDistributionPoints: lists,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	})
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	chain := []*x509.Certificate{leaf.cert, middle.cert, root.cert}
	return jwsOf(t, jose.RS256, leaf.key, map[string]any{"typ": "JWT", "x5c": texts(chain)}, text), fido.BLOBTrust{Roots: []*x509.Certificate{root.cert}, Name: name}
}

// full is an entry with every member that the versions of the standard name, and what
// is met in the field: a root with blanks around it, no effective date, reports whose
// status came with a later version.
func full(i int, root *x509.Certificate, kind string) map[string]any {
	text := base64.StdEncoding.EncodeToString(root.Raw)
	aaguid := fido.AAGUID{0xaa, byte(i >> 8), byte(i)}
	statement := map[string]any{
		"legalHeader": "Submission of this statement and retrieval and use of this statement indicates acceptance",
		"description": fmt.Sprintf("Schlüssel %d ☂", i), "alternativeDescriptions": map[string]any{"az-AZ": "Açar"}, "friendlyNames": map[string]any{"en-US": "Key"},
		"authenticatorVersion": 2, "protocolFamily": kind, "schema": 3, "upv": []any{map[string]any{"major": 1, "minor": 0}},
		"authenticationAlgorithms": []any{"secp256r1_ecdsa_sha256_raw"}, "publicKeyAlgAndEncodings": []any{"cose"}, "attestationTypes": []any{"basic_full"},
		"userVerificationDetails": []any{[]any{map[string]any{"userVerificationMethod": "passcode_external", "caDesc": map[string]any{"base": 64, "minLength": 4, "maxRetries": 8}},
			map[string]any{"userVerificationMethod": "fingerprint_internal", "baDesc": map[string]any{"selfAttestedFRR": 0.03, "selfAttestedFAR": 0.00002}}}},
		"keyProtection": []any{"hardware", "secure_element"}, "matcherProtection": []any{"on_chip"}, "cryptoStrength": 128,
		"attachmentHint": []any{"external", "wired", "wireless", "nfc"}, "tcDisplay": []any{}, "isKeyRestricted": true, "isFreshUserVerificationRequired": false,
		"attestationRootCertificates": []any{"\t" + text[:76] + "\n" + text[76:]}, "icon": "data:image/png;base64,iVBORw0KGgo=", "iconDark": nil,
		"supportedExtensions": []any{map[string]any{"id": "hmac-secret", "fail_if_unknown": false}}, "multiDeviceCredentialSupport": "unsupported",
		"authenticatorGetInfo": map[string]any{
			"versions": []any{"U2F_V2", "FIDO_2_0", "FIDO_2_1"}, "extensions": []any{"credProtect", "hmac-secret"}, "aaguid": hex.EncodeToString(aaguid[:]),
			"options": map[string]any{"plat": false, "rk": true, "clientPin": true, "ep": true}, "maxMsgSize": 1200, "pinUvAuthProtocols": []any{2, 1},
			"algorithms": []any{map[string]any{"type": "public-key", "alg": -7}}, "certifications": map[string]any{"FIDO": 2},
		},
	}
	report := func(status, from string) map[string]any {
		return map[string]any{
			"status": status, "effectiveDate": from, "authenticatorVersion": 2, "url": "https://maker.example", "certificationDescriptor": "Key",
			"certificateNumber": "FIDO20020200101001", "certificationPolicyVersion": "1.4.0", "certificationRequirementsVersion": "1.5.0", "certificationProfiles": []any{"consumer"},
		}
	}
	e := map[string]any{
		"metadataStatement": statement, "timeOfLastStatusChange": "2026-08-01", "rogueListURL": "https://maker.example/rogue", "rogueListHash": "aa",
		"biometricStatusReports": []any{map[string]any{"certLevel": 1, "modality": "fingerprint_internal", "effectiveDate": "2024-01-01", "certificateNumber": "B1"}},
		"statusReports": []any{report("FIDO_CERTIFIED_L1", "2020-05-12"), map[string]any{"status": "FIDO_CERTIFIED"}, report("UPDATE_AVAILABLE", "2024-01-01"),
			map[string]any{"status": "FIPS140_CERTIFIED_L2", "fipsRevision": 3, "fipsPhysicalSecurityLevel": 3}, report("FIDO_CERTIFIED_L2", "2025-03-01")},
	}
	switch kind {
	case "fido2":
		e["aaguid"], statement["aaguid"] = aaguid.String(), aaguid.String()
	case "u2f":
		ids := []any{fmt.Sprintf("%040x", i)}
		e["attestationCertificateKeyIdentifiers"], statement["attestationCertificateKeyIdentifiers"] = ids, ids
	default:
		e["aaid"], statement["aaid"] = fmt.Sprintf("4e4e#%04x", i), fmt.Sprintf("4e4e#%04x", i)
	}
	return e
}

// A BLOB of the size and form of the Alliance's own. Its own was not to be had for the
// tests: they reach no network.
func TestABLOBAsItIsPublished(t *testing.T) {
	m := newMaker(t)
	var entries []any
	for i := range 300 {
		kind := [...]string{"fido2", "fido2", "fido2", "u2f", "uaf"}[i%5]
		entries = append(entries, full(i, m.root.cert, kind))
	}
	mine := full(0, m.root.cert, "fido2")
	mine["aaguid"] = model.String()
	entries = append(entries, mine)
	blob, trust := published(t, map[string]any{
		"legalHeader": "Retrieval and use of this BLOB indicates acceptance of the appropriate agreement", "no": 277, "nextUpdate": "2026-04-01", "entries": entries,
	})
	got, err := fido.ParseBLOB(blob, trust, fido.Number{No: 276}, today)
	if err != nil {
		t.Fatal(err)
	}
	if got.Entries != 301 || len(got.Problems) != 0 || got.Number.No != 277 {
		t.Errorf("%d entries, number %d, %q", got.Entries, got.Number.No, got.Problems)
	}
	if e := got.ByAAGUID(fido.AAGUID{0xaa, 1, 39}); e == nil || len(e.Roots) != 1 || len(e.Reports) != 5 || e.Fault != "" { // 295
		t.Errorf("%+v", e)
	}
	if e := got.ByKeyID(fmt.Sprintf("%040X", 298)); e == nil || len(e.Roots) != 1 {
		t.Errorf("%+v", e)
	}
	// A key of one of the models, whose root serves many: its certificate names the model.
	in := attested(t, m, fido.RegistrationInput{Metadata: got, Policy: fido.Policy{MinimumLevel: "L2", KeyProtection: "secure_element", HardwareOnly: true}})
	if !in.OK || in.Record.Attestation.Trust != fido.Trusted || in.Record.Attestation.Metadata != 277 {
		t.Errorf("%+v", in)
	}
	if in := attested(t, m, fido.RegistrationInput{Metadata: got, Policy: fido.Policy{MinimumLevel: "L3"}}); in.Reason != fido.CertificationLevel {
		t.Errorf("%+v", in)
	}
	if _, err := fido.ParseBLOB(blob, trust, fido.Number{}, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
		t.Error("a chain that is over")
	}
}

// The Alliance signs under this root since August 2026.
func TestTheAlliancesRootIsR46(t *testing.T) {
	const r46 = "4fa3126d8d3a11d1c4855a4f807cbad6cf919d3a5a88b03bea2c6372d93c40c9"
	trust, err := fido.FIDOAlliance()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(trust.Roots[0].Raw)
	if got := hex.EncodeToString(sum[:]); trust.Roots[0].Subject.CommonName != "GlobalSign Root R46" || got != r46 {
		t.Errorf("%s %s", trust.Roots[0].Subject, got)
	}
}
