package fido

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-webauthn/webauthn/metadata"
)

// Bounds of a BLOB. A real one has some 300 entries in 6 to 10 MB, icons mostly.
const (
	maxBLOB        = 32 << 20
	maxBLOBHeader  = 64 << 10
	maxBLOBEntries = 20000
	maxBLOBDepth   = 32
)

// What is wrong with a BLOB. Whatever it is, the BLOB before it stays.
var (
	ErrBLOB           = errors.New("fido: the BLOB cannot be read")
	ErrBLOBChain      = errors.New("fido: the BLOB's signer leads to no configured root")
	ErrBLOBSignature  = errors.New("fido: the BLOB's signature does not verify")
	ErrBLOBRolledBack = errors.New("fido: the BLOB is older than one seen before")
)

// BLOBTrust says who may sign a BLOB.
type BLOBTrust struct {
	// Roots are the certificates its signer's chain must end in.
	Roots []*x509.Certificate
	// Name is the DNS name the signer's certificate must bear. It must be set
	// for a root that certifies others, too, as the root of the FIDO Alliance's
	// BLOB does; empty only for a root that certifies nothing else.
	Name string
}

// FIDOAlliance is the trust for the BLOB of https://mds3.fidoalliance.org.
func FIDOAlliance() (BLOBTrust, error) {
	der, err := base64.StdEncoding.DecodeString(metadata.ProductionMDSRoot)
	if err != nil {
		return BLOBTrust{}, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return BLOBTrust{}, err
	}
	return BLOBTrust{Roots: []*x509.Certificate{root}, Name: "mds.fidoalliance.org"}, nil
}

// Number tells BLOBs apart: the serial number and the SHA-256, in hexadecimal,
// of what was signed. The zero Number is before the first.
type Number struct {
	No     int64  `json:"no"`
	SHA256 string `json:"sha256"`
}

// Metadata is a BLOB that was found good. It is immutable and safe for
// concurrent use.
type Metadata struct {
	Number     Number
	NextUpdate time.Time // the first moment at which the BLOB is stale
	Entries    int
	Problems   []string // entries that could not be read, or not wholly

	byAAGUID map[AAGUID]*Entry
	byKeyID  map[string]*Entry
	served   map[string][]AAGUID // models by the fingerprint of a root
	chain    []*x509.Certificate // of the signer, with its root
}

// Stale reports whether the next BLOB is overdue at that time.
func (m *Metadata) Stale(at time.Time) bool { return !at.Before(m.NextUpdate) }

// ByAAGUID returns the entry of a model, or nil.
func (m *Metadata) ByAAGUID(a AAGUID) *Entry {
	if m == nil || a.IsZero() {
		return nil
	}
	return m.byAAGUID[a]
}

// ByKeyID returns the entry that lists one of the attestation key identifiers,
// in hexadecimal, or nil.
func (m *Metadata) ByKeyID(ids ...string) *Entry {
	if m == nil {
		return nil
	}
	for _, id := range ids {
		if e := m.byKeyID[strings.ToLower(id)]; e != nil {
			return e
		}
	}
	return nil
}

// ParseBLOB verifies a metadata BLOB (MDS 3 section 3.1.7) at that time and reads
// it. The signer's chain must lead to a root of the trust; an address in the
// header is never followed. The number must be above last's, or be last itself.
// The errors are the four above.
func ParseBLOB(jws []byte, trust BLOBTrust, last Number, at time.Time) (m *Metadata, err error) {
	refused, err := guarded(func() (err error) {
		m, err = parseBLOB(jws, trust, last, at)
		return err
	})
	switch {
	case refused != nil:
		return nil, fmt.Errorf("%w: %w", ErrBLOB, refused)
	case err != nil:
		return nil, err
	}
	return m, nil
}

func parseBLOB(jws []byte, trust BLOBTrust, last Number, at time.Time) (*Metadata, error) {
	if len(jws) > maxBLOB {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrBLOB, len(jws), maxBLOB)
	}
	text := strings.TrimSpace(string(jws))
	head, _, _ := strings.Cut(text, ".")
	alg, x5c, err := blobHeader(head)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBLOB, err)
	}
	chain, err := signerChain(x5c, trust, at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBLOBChain, err)
	}
	if err := fits(alg, x5c[0].PublicKey); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBLOBSignature, err)
	}
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBLOB, err)
	}
	payload, err := signed.Verify(x5c[0].PublicKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBLOBSignature, err)
	}
	m, err := parsePayload(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBLOB, err)
	}
	m.chain = chain
	if n := m.Number; n.No < last.No || n.No == last.No && last.SHA256 != "" && n.SHA256 != last.SHA256 {
		return nil, fmt.Errorf("%w: number %d where %d was seen", ErrBLOBRolledBack, n.No, last.No)
	}
	return m, nil
}

// blobAlgorithms are the signatures a BLOB may have. There is no none and no
// HMAC: a public key would be its secret.
var blobAlgorithms = map[string]elliptic.Curve{
	"RS256": nil, "PS256": nil, "ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521(),
}

func blobHeader(head string) (jose.SignatureAlgorithm, []*x509.Certificate, error) {
	if len(head) > maxBLOBHeader {
		return "", nil, errors.New("the header is too long")
	}
	raw, err := encoding.DecodeString(head)
	if err != nil {
		return "", nil, errors.New("it is not a compact JWS")
	}
	var h struct {
		Alg  string         `json:"alg"`
		X5C  []string       `json:"x5c"`
		X5U  string         `json:"x5u"`
		Crit jsontext.Value `json:"crit"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return "", nil, fmt.Errorf("header: %w", err)
	}
	_, known := blobAlgorithms[h.Alg]
	switch {
	case !known:
		return "", nil, fmt.Errorf("header: alg %q is not accepted", clip(h.Alg))
	case h.X5U != "" || h.Crit != nil:
		return "", nil, errors.New("header: x5u and crit are not accepted")
	case len(h.X5C) == 0 || len(h.X5C) > maxChain:
		return "", nil, fmt.Errorf("header: x5c needs 1 to %d certificates", maxChain)
	}
	var x5c []*x509.Certificate
	for i, c := range h.X5C {
		der, err := base64.StdEncoding.DecodeString(c)
		if err != nil {
			return "", nil, fmt.Errorf("header: x5c[%d] is not base64", i)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return "", nil, fmt.Errorf("header: x5c[%d]: %w", i, err)
		}
		x5c = append(x5c, cert)
	}
	return jose.SignatureAlgorithm(h.Alg), x5c, nil
}

// signerChain verifies the signer's certificate at that time.
func signerChain(x5c []*x509.Certificate, trust BLOBTrust, at time.Time) ([]*x509.Certificate, error) {
	if len(trust.Roots) == 0 {
		return nil, errors.New("no root is configured")
	}
	leaf := x5c[0]
	switch {
	case leaf.IsCA:
		return nil, errors.New("the signer is a certificate authority")
	case leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return nil, errors.New("the signer's key is not for signatures")
	}
	if trust.Name != "" {
		if err := leaf.VerifyHostname(trust.Name); err != nil {
			return nil, err
		}
	}
	return verifyChain(x5c, trust.Roots, false, at)
}

// fits binds the algorithm to the key's type and curve.
func fits(alg jose.SignatureAlgorithm, public any) error {
	curve := blobAlgorithms[string(alg)]
	switch k := public.(type) {
	case *rsa.PublicKey:
		if curve == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		if curve != nil && k.Curve == curve {
			return nil
		}
	}
	return fmt.Errorf("%s does not fit a key of type %T", alg, public)
}

// parsePayload reads the payload of MDS 3 section 3.1.6. An entry that cannot be
// read is a problem of that model, not of the rest.
func parsePayload(payload []byte) (*Metadata, error) {
	if depth(payload) > maxBLOBDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxBLOBDepth)
	}
	var p struct {
		No         *int64           `json:"no"`
		NextUpdate string           `json:"nextUpdate"`
		Entries    []jsontext.Value `json:"entries"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, err
	}
	next, err := time.Parse(time.DateOnly, p.NextUpdate)
	switch {
	case err != nil:
		return nil, fmt.Errorf("nextUpdate %q is not a date", clip(p.NextUpdate))
	case p.No == nil || *p.No < 0:
		return nil, errors.New("no is missing or negative")
	case p.Entries == nil || len(p.Entries) > maxBLOBEntries:
		return nil, fmt.Errorf("entries are missing or more than %d", maxBLOBEntries)
	}
	sum := sha256.Sum256(payload)
	m := &Metadata{
		Number:     Number{*p.No, hex.EncodeToString(sum[:])},
		NextUpdate: next.AddDate(0, 0, 1), // it is promised within that day
		Entries:    len(p.Entries),
		byAAGUID:   map[AAGUID]*Entry{}, byKeyID: map[string]*Entry{}, served: map[string][]AAGUID{},
	}
	for i, raw := range p.Entries {
		m.add(i, raw)
	}
	return m, nil
}

// depth returns how deep objects and lists of a JSON text nest.
func depth(text []byte) (most int) {
	at, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			at++
			most = max(most, at)
		case c == '}' || c == ']':
			at--
		}
	}
	return most
}
