package fido_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"mohur/authn/fido"
)

func TestBLOB(t *testing.T) {
	m := newMaker(t)
	a := newAlliance(t)
	u2f := entryFor(m, model, func(e *entry) { e.AAGUID, e.KeyIDs = "", []string{"ABCDEF"} })
	uaf := entry{Reports: []report{}, Statement: statement{Description: "UAF"}}
	blob := a.blob(t, entryFor(m, model), u2f, uaf)
	got, err := fido.ParseBLOB(append(blob, '\n'), a.trust, fido.Number{}, today)
	if err != nil {
		t.Fatal(err)
	}
	e := got.ByAAGUID(model)
	if got.Number.No != 7 || len(got.Number.SHA256) != 64 || got.Entries != 3 || got.Problems != nil ||
		e == nil || len(e.Roots) != 1 || len(e.Reports) != 2 || e.Description != "Maker Key" {
		t.Fatalf("%+v, %+v", got, e)
	}
	if got.ByKeyID("x", "AbCdEf") == nil || got.ByAAGUID(another) != nil || got.ByAAGUID(fido.AAGUID{}) != nil || got.ByKeyID() != nil {
		t.Error("lookups")
	}
	for at, stale := range map[string]bool{"2026-04-01T23:59:59Z": false, "2026-04-02T00:00:00Z": true} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got.Stale(when) != stale {
			t.Errorf("stale at %s: %t", at, !stale)
		}
	}
	var absent *fido.Metadata
	if absent.ByAAGUID(model) != nil || absent.ByKeyID("abcdef") != nil {
		t.Error("something in nothing")
	}
}

func TestAttack10_ABLOBThatIsNotTheAlliances(t *testing.T) {
	m := newMaker(t)
	a := newAlliance(t)
	good := a.blob(t, entryFor(m, model))
	parts := strings.Split(string(good), ".")
	payloadText, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	head := map[string]any{"x5c": texts(a.x5c)}
	header := func(h string) []byte {
		return []byte(b64.EncodeToString([]byte(h)) + "." + parts[1] + "." + parts[2])
	}
	x5c := `"x5c":["` + strings.Join(texts(a.x5c), `","`) + `"]`
	rsaSigned := func(bits int, alg jose.SignatureAlgorithm) []byte {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		leaf := a.root.issue(&x509.Certificate{DNSNames: []string{signerName}, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature}, key.Public())
		return jwsOf(t, alg, key, map[string]any{"x5c": texts([]*x509.Certificate{leaf})}, payloadText)
	}
	secret, err := x509.MarshalPKIXPublicKey(a.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	signedBy := func(change func(*x509.Certificate)) []byte {
		b := newAlliance(t, change)
		b.root, b.trust = a.root, a.trust
		middle := newAuthority(t, "Alliance CA", a.root)
		template := &x509.Certificate{DNSNames: []string{signerName}, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature}
		change(template)
		b.x5c = []*x509.Certificate{middle.issue(template, b.key.Public()), middle.cert}
		return b.blob(t)
	}
	last := fido.Number{No: 7, SHA256: strings.Repeat("0", 64)}
	for name, c := range map[string]struct {
		blob []byte
		last fido.Number
		want error
	}{
		"nothing":                    {nil, fido.Number{}, fido.ErrBLOB},
		"JSON":                       {[]byte(`{"no":1}`), fido.Number{}, fido.ErrBLOB},
		"too long":                   {make([]byte, 33<<20), fido.Number{}, fido.ErrBLOB},
		"header too long":            {[]byte(strings.Repeat("A", 70000) + ".e30.AA"), fido.Number{}, fido.ErrBLOB},
		"alg none":                   {header(`{"alg":"none",` + x5c + `}`), fido.Number{}, fido.ErrBLOB},
		"alg missing":                {header(`{` + x5c + `}`), fido.Number{}, fido.ErrBLOB},
		"alg in other letters":       {header(`{"alg":"es256",` + x5c + `}`), fido.Number{}, fido.ErrBLOB},
		"alg twice":                  {header(`{"alg":"ES256","alg":"none",` + x5c + `}`), fido.Number{}, fido.ErrBLOB},
		"x5u":                        {header(`{"alg":"ES256","x5u":"https://evil.example/",` + x5c + `}`), fido.Number{}, fido.ErrBLOB},
		"crit":                       {header(`{"alg":"ES256","crit":["b64"],"b64":false,` + x5c + `}`), fido.Number{}, fido.ErrBLOB},
		"no certificates":            {header(`{"alg":"ES256"}`), fido.Number{}, fido.ErrBLOB},
		"certificates that are none": {header(`{"alg":"ES256","x5c":["AAAA"]}`), fido.Number{}, fido.ErrBLOB},
		"HMAC with the public key":   {jwsOf(t, jose.HS256, secret, head, payloadText), fido.Number{}, fido.ErrBLOB},
		"EdDSA":                      {header(`{"alg":"EdDSA",` + x5c + `}`), fido.Number{}, fido.ErrBLOB},
		"another header":             {header(`{"alg":"ES256","x":1,` + x5c + `}`), fido.Number{}, fido.ErrBLOBSignature},
		"RS256 for an EC key":        {header(`{"alg":"RS256",` + x5c + `}`), fido.Number{}, fido.ErrBLOBSignature},
		"ES384 for P-256":            {header(`{"alg":"ES384",` + x5c + `}`), fido.Number{}, fido.ErrBLOBSignature},
		"ES256 for RSA": {func() []byte {
			b := strings.Split(string(rsaSigned(2048, jose.RS256)), ".")
			h, _ := b64.DecodeString(b[0])
			return []byte(b64.EncodeToString([]byte(strings.Replace(string(h), "RS256", "ES256", 1))) + "." + b[1] + "." + b[2])
		}(), fido.Number{}, fido.ErrBLOBSignature},
		"changed":                       {[]byte(parts[0] + "." + b64.EncodeToString([]byte(strings.Replace(string(payloadText), "L2", "L3", 1))) + "." + parts[2]), fido.Number{}, fido.ErrBLOBSignature},
		"no signature":                  {[]byte(parts[0] + "." + parts[1] + "."), fido.Number{}, fido.ErrBLOBSignature},
		"signed by another key":         {jwsOf(t, jose.ES256, ecKey(t, elliptic.P256()), head, payloadText), fido.Number{}, fido.ErrBLOBSignature},
		"RSA-1024":                      {rsaSigned(1024, jose.RS256), fido.Number{}, fido.ErrBLOBChain},
		"another root":                  {newAlliance(t).blob(t), fido.Number{}, fido.ErrBLOBChain},
		"intermediate left out":         {jwsOf(t, jose.ES256, a.key, map[string]any{"x5c": texts(a.x5c[:1])}, payloadText), fido.Number{}, fido.ErrBLOBChain},
		"the certificate of a web page": {signedBy(func(c *x509.Certificate) { c.DNSNames = []string{"shop.example"} }), fido.Number{}, fido.ErrBLOBChain},
		"a key not for signatures":      {signedBy(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), fido.Number{}, fido.ErrBLOBChain},
		"an authority as signer": {signedBy(func(c *x509.Certificate) {
			c.IsCA, c.KeyUsage = true, x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign
		}), fido.Number{}, fido.ErrBLOBChain},
		"over":                  {signedBy(func(c *x509.Certificate) { c.NotAfter = today.AddDate(0, 0, -1) }), fido.Number{}, fido.ErrBLOBChain},
		"not yet":               {signedBy(func(c *x509.Certificate) { c.NotBefore = today.AddDate(0, 0, 1) }), fido.Number{}, fido.ErrBLOBChain},
		"rolled back":           {good, fido.Number{No: 8}, fido.ErrBLOBRolledBack},
		"its number used twice": {good, last, fido.ErrBLOBRolledBack},
		"no number":             {a.sign(t, []byte(`{"nextUpdate":"2026-04-01","entries":[]}`)), fido.Number{}, fido.ErrBLOB},
		"negative number":       {a.sign(t, []byte(`{"no":-1,"nextUpdate":"2026-04-01","entries":[]}`)), fido.Number{}, fido.ErrBLOB},
		"no date":               {a.sign(t, []byte(`{"no":9,"nextUpdate":"soon","entries":[]}`)), fido.Number{}, fido.ErrBLOB},
		"no entries":            {a.sign(t, []byte(`{"no":9,"nextUpdate":"2026-04-01"}`)), fido.Number{}, fido.ErrBLOB},
		"a number twice":        {a.sign(t, []byte(`{"no":9,"no":10,"nextUpdate":"2026-04-01","entries":[]}`)), fido.Number{}, fido.ErrBLOB},
		"many entries":          {a.sign(t, []byte(`{"no":9,"nextUpdate":"2026-04-01","entries":[`+strings.Repeat("0,", 20000)+`0]}`)), fido.Number{}, fido.ErrBLOB},
		"deep":                  {a.sign(t, []byte(`{"no":9,"nextUpdate":"2026-04-01","entries":[],"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`)), fido.Number{}, fido.ErrBLOB},
		"trailing":              {a.sign(t, []byte(`{"no":9,"nextUpdate":"2026-04-01","entries":[]} {}`)), fido.Number{}, fido.ErrBLOB},
	} {
		got, err := fido.ParseBLOB(c.blob, a.trust, c.last, today)
		if got != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if strings.Contains(name, " for ") && c.want == fido.ErrBLOBSignature && !strings.Contains(err.Error(), "does not fit") {
			t.Errorf("%s: %v", name, err)
		}
	}

	for name, blob := range map[string][]byte{"ES256": good, "RS256": rsaSigned(2048, jose.RS256), "PS256": rsaSigned(2048, jose.PS256)} {
		if _, err := fido.ParseBLOB(blob, a.trust, fido.Number{No: 6, SHA256: "x"}, today); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	first, err := fido.ParseBLOB(good, a.trust, fido.Number{}, today)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fido.ParseBLOB(good, a.trust, first.Number, today); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if _, err := fido.ParseBLOB(good, fido.BLOBTrust{Name: signerName}, fido.Number{}, today); !errors.Is(err, fido.ErrBLOBChain) || !strings.Contains(err.Error(), "no root") {
		t.Errorf("without roots: %v", err)
	}
}

// One entry that cannot be read takes its model down, not the others.
func TestBLOBWithEntriesThatCannotBeRead(t *testing.T) {
	m := newMaker(t)
	a := newAlliance(t)
	root := base64.StdEncoding.EncodeToString(m.root.cert.Raw)
	blob := a.sign(t, []byte(`{"no":7,"nextUpdate":"2026-04-01","future":{"x":[1]},"entries":[
		7,
		{"aaguid":"not one"},
		{"aaguid":"`+model.String()+`","metadataStatement":{"attestationTypes":["basic_full"],"keyProtection":["hardware"],"attestationRootCertificates":["AAAA","`+
		root[:64]+`\n `+root[64:]+`"]},"statusReports":[]},
		{"aaguid":"`+another.String()+`","metadataStatement":{"attestationTypes":["basic_full"],"attestationRootCertificates":["`+root+`"]},"statusReports":{"status":"REVOKED"}},
		{"aaguid":"`+another.String()+`","metadataStatement":{},"statusReports":[{"status":"REVOKED"}]},
		{"attestationCertificateKeyIdentifiers":["aa"]}
	]}`))
	got, err := fido.ParseBLOB(blob, a.trust, fido.Number{}, today)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Problems) != 7 {
		t.Errorf("%d problems: %q", len(got.Problems), got.Problems)
	}
	if e := got.ByAAGUID(model); e == nil || len(e.Roots) != 1 || e.Fault == "" {
		t.Errorf("%+v", e)
	}
	if in := attested(t, m, fido.RegistrationInput{Metadata: got}); !in.OK {
		t.Errorf("a model with one root unread: %+v", in)
	}
	named := makerUnder(t, m.root, extensions(octets(oidAAGUID, another[:])))
	d, text := newDevice(t, "ES256"), challenge("enrol")
	d.aaguid = another
	in := register(t, relyingParty(t), fido.RegistrationInput{Credential: d.create(text, named.packed), Challenge: text, Metadata: got})
	if in.Reason != fido.ModelCompromised {
		t.Errorf("a report in a second entry of a name: %+v", in)
	}
	unread := a.sign(t, []byte(`{"no":8,"nextUpdate":"2026-04-01","entries":[{"aaguid":"`+model.String()+
		`","metadataStatement":{"attestationTypes":["basic_full"],"attestationRootCertificates":["`+root+`"]},"statusReports":"none"}]}`))
	got, err = fido.ParseBLOB(unread, a.trust, fido.Number{}, today)
	if err != nil {
		t.Fatal(err)
	}
	if in := attested(t, m, fido.RegistrationInput{Metadata: got}); in.Reason != fido.ModelUnknown {
		t.Errorf("a model whose reports are unread: %+v", in)
	}
}

func TestTheAlliancesOwnRoot(t *testing.T) {
	trust, err := fido.FIDOAlliance()
	if err != nil || len(trust.Roots) != 1 || !trust.Roots[0].IsCA || trust.Name == "" {
		t.Fatalf("%+v, %v", trust, err)
	}
}
