package banktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"mohur/authn/fido"
)

// Alliance publishes FIDO metadata under a root of its own.
type Alliance struct {
	Path  string // of the BLOB
	Trust fido.BLOBTrust

	t     testing.TB
	now   func() time.Time
	key   *ecdsa.PrivateKey // signs BLOBs
	root  *x509.Certificate // of the BLOBs and of all makers
	above *ecdsa.PrivateKey // the root's
	leaf  []byte
}

// Model is a model of key as the metadata tells of it.
type Model struct {
	AAGUID   fido.AAGUID
	Statuses []string
}

// NewAlliance makes a publisher that has published nothing yet.
func (b *Bank) NewAlliance() *Alliance {
	b.T.Helper()
	return AllianceAt(b.T, b.Path+".blob", b.Clock.Now)
}

// AllianceAt is a publisher for a server that is no Bank: it publishes into that file.
func AllianceAt(t testing.TB, path string, now func() time.Time) *Alliance {
	t.Helper()
	a := &Alliance{Path: path, t: t, now: now}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	a.above = rootKey
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	from, until := now().AddDate(-1, 0, 0), now().AddDate(9, 0, 0)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Alliance"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: from, NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	a.must(err)
	a.root, err = x509.ParseCertificate(der)
	a.must(err)
	a.leaf, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mds.test"}, DNSNames: []string{"mds.test"}, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, NotBefore: from, NotAfter: until,
	}, a.root, a.key.Public(), rootKey)
	a.must(err)
	a.Trust = fido.BLOBTrust{Roots: []*x509.Certificate{a.root}, Name: "mds.test"}
	return a
}

// Publish writes a BLOB with that number, due again in a month.
func (a *Alliance) Publish(no int, models ...Model) {
	a.t.Helper()
	var entries []map[string]any
	day := a.now().AddDate(0, 0, -1).Format(time.DateOnly)
	for _, m := range models {
		var reports []map[string]any
		for _, s := range m.Statuses {
			reports = append(reports, map[string]any{"status": s, "effectiveDate": day})
		}
		entries = append(entries, map[string]any{
			"aaguid": m.AAGUID.String(), "statusReports": reports, "timeOfLastStatusChange": day,
			"metadataStatement": map[string]any{
				"description": "A key", "attestationTypes": []string{"basic_full"}, "keyProtection": []string{"hardware"},
				"attestationRootCertificates": []string{base64.StdEncoding.EncodeToString(a.root.Raw)},
			},
		})
	}
	text, err := json.Marshal(map[string]any{
		"legalHeader": "x", "no": no, "nextUpdate": a.now().AddDate(0, 1, 0).Format(time.DateOnly), "entries": entries,
	})
	a.must(err)
	options := (&jose.SignerOptions{}).WithHeader("x5c", []string{base64.StdEncoding.EncodeToString(a.leaf)})
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: a.key}, options)
	a.must(err)
	signed, err := s.Sign(text)
	a.must(err)
	compact, err := signed.CompactSerialize()
	a.must(err)
	a.must(os.WriteFile(a.Path, []byte(compact), 0o600))
}

// Loader reads what is published.
func (a *Alliance) Loader() *fido.Loader {
	return &fido.Loader{Path: a.Path, Trust: a.Trust, SkipRevocation: true, Now: a.now}
}

func (a *Alliance) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}
