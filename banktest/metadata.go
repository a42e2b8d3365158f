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
	"time"

	"github.com/go-jose/go-jose/v4"

	"mohur/authn/fido"
)

// Alliance publishes FIDO metadata under a root of its own.
type Alliance struct {
	Path  string // of the BLOB
	Trust fido.BLOBTrust

	bank  *Bank
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
	a := &Alliance{Path: b.Path + ".blob", bank: b}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.must(err)
	a.above = rootKey
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.must(err)
	from, until := b.Clock.Now().AddDate(-1, 0, 0), b.Clock.Now().AddDate(9, 0, 0)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Alliance"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: from, NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	b.must(err)
	a.root, err = x509.ParseCertificate(der)
	b.must(err)
	a.leaf, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mds.test"}, DNSNames: []string{"mds.test"}, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, NotBefore: from, NotAfter: until,
	}, a.root, a.key.Public(), rootKey)
	b.must(err)
	a.Trust = fido.BLOBTrust{Roots: []*x509.Certificate{a.root}, Name: "mds.test"}
	return a
}

// Publish writes a BLOB with that number, due again in a month.
func (a *Alliance) Publish(no int, models ...Model) {
	a.bank.T.Helper()
	var entries []map[string]any
	day := a.bank.Clock.Now().AddDate(0, 0, -1).Format(time.DateOnly)
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
		"legalHeader": "x", "no": no, "nextUpdate": a.bank.Clock.Now().AddDate(0, 1, 0).Format(time.DateOnly), "entries": entries,
	})
	a.bank.must(err)
	options := (&jose.SignerOptions{}).WithHeader("x5c", []string{base64.StdEncoding.EncodeToString(a.leaf)})
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: a.key}, options)
	a.bank.must(err)
	signed, err := s.Sign(text)
	a.bank.must(err)
	compact, err := signed.CompactSerialize()
	a.bank.must(err)
	a.bank.must(os.WriteFile(a.Path, []byte(compact), 0o600))
}

// Loader reads what is published.
func (a *Alliance) Loader() *fido.Loader {
	return &fido.Loader{Path: a.Path, Trust: a.Trust, SkipRevocation: true, Now: a.bank.Clock.Now}
}
