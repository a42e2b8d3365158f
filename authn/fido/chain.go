package fido

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Extensions of attestation certificates (sections 8.2.1 and 8.2.2), and the
// subject alternative name that TPM certificates mark critical (section 8.3.1).
var (
	oidAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}
	oidSerial = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 2}
	oidSAN    = asn1.ObjectIdentifier{2, 5, 29, 17}
)

// maxSerial bounds the serial of a device, in bytes.
const maxSerial = 64

// extension reads an octet string inside an extension that must not be critical.
func extension(c *x509.Certificate, id asn1.ObjectIdentifier) (content []byte, present bool, err error) {
	for _, e := range c.Extensions {
		if !e.Id.Equal(id) {
			continue
		}
		if e.Critical {
			return nil, true, errors.New("marked critical")
		}
		rest, err := asn1.Unmarshal(e.Value, &content)
		if err != nil || len(rest) != 0 {
			return nil, true, errors.New("not one octet string")
		}
		if len(content) == 0 || len(content) > maxSerial {
			return nil, true, fmt.Errorf("%d bytes", len(content))
		}
		return content, true, nil
	}
	return nil, false, nil
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func fingerprints(chain []*x509.Certificate) []string {
	var out []string
	for _, c := range chain {
		out = append(out, fingerprint(c))
	}
	return out
}

// keyIDs are the identifiers under which metadata may list a certificate's key:
// its subject key identifier, and the SHA-1 of the key (RFC 5280 section 4.2.1.2
// method 1; no security rests on that hash).
func keyIDs(c *x509.Certificate) []string {
	var ids []string
	if len(c.SubjectKeyId) != 0 {
		ids = append(ids, hex.EncodeToString(c.SubjectKeyId))
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki); err == nil {
		sum := sha1.Sum(spki.Key.Bytes)
		if id := hex.EncodeToString(sum[:]); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// verifyChain leads x5c to one of the roots at that time and returns the chain
// with its root. Each certificate below the root has a key of some strength.
func verifyChain(x5c, roots []*x509.Certificate, tpm bool, at time.Time) ([]*x509.Certificate, error) {
	options := x509.VerifyOptions{
		Roots: pool(roots), Intermediates: pool(x5c[1:]), CurrentTime: at,
		// No usage is for attestation; the formats check what they ask for.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	leaf := x5c[0]
	if tpm {
		leaf = withoutSAN(leaf)
	}
	chains, err := leaf.Verify(options)
	if err != nil {
		return nil, err
	}
	chain := chains[0]
	for i, c := range chain[:max(1, len(chain)-1)] {
		if err := strong(c.PublicKey); err != nil {
			return nil, fmt.Errorf("certificate %d of the chain has %w", i, err)
		}
	}
	return chain, nil
}

// withoutSAN returns a TPM's certificate with its critical subject alternative
// name handled: it names the module, the format has read it.
func withoutSAN(c *x509.Certificate) *x509.Certificate {
	copied := *c
	copied.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions),
		func(id asn1.ObjectIdentifier) bool { return id.Equal(oidSAN) })
	return &copied
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}
