package fido

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxCRL bounds a certificate revocation list, in bytes.
const maxCRL = 16 << 20

// ErrBLOBRevoked says that the signer's chain is revoked, or that this could not
// be found out.
var ErrBLOBRevoked = errors.New("fido: the BLOB's signer is revoked, or no list of revoked certificates says that it is not")

// Extensions of lists that cover part of a CA's certificates only (RFC 5280
// sections 5.2.4 and 5.2.5).
var (
	oidDelta        = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistribution = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// notRevoked asks for every certificate of the chain but its root. The chain is
// verified already: no address of an unverified certificate is contacted.
func (l *Loader) notRevoked(ctx context.Context, chain []*x509.Certificate) error {
	at := l.now()
	for i, c := range chain[:len(chain)-1] {
		list, err := l.listFor(ctx, c, chain[i+1], at)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBLOBRevoked, err)
		}
		if slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
			return e.SerialNumber.Cmp(c.SerialNumber) == 0
		}) {
			return fmt.Errorf("%w: certificate %x is on the list", ErrBLOBRevoked, c.SerialNumber)
		}
	}
	return nil
}

// listFor returns a list of the issuer that is good at that time and covers the
// certificate: from the files, else from the certificate's own address.
func (l *Loader) listFor(ctx context.Context, c, issuer *x509.Certificate, at time.Time) (*x509.RevocationList, error) {
	var faults []error
	for _, path := range l.CRLs {
		raw, err := readFile(path, maxCRL)
		if err == nil {
			list, fault := goodList(raw, issuer, at, false)
			if fault == nil {
				return list, nil
			}
			err = fmt.Errorf("%s: %w", path, fault)
		}
		faults = append(faults, err)
	}
	for _, address := range c.CRLDistributionPoints {
		if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
			continue
		}
		raw, err := l.fetch(ctx, address, maxCRL, true)
		if err == nil {
			list, fault := goodList(raw, issuer, at, true)
			if fault == nil {
				return list, nil
			}
			err = fmt.Errorf("%s: %w", address, fault)
		}
		faults = append(faults, err)
	}
	if len(faults) == 0 {
		return nil, fmt.Errorf("certificate %x names no list", c.SerialNumber)
	}
	return nil, errors.Join(faults...)
}

// goodList reads a list, DER or PEM, and verifies that it is the issuer's and in
// force. A list for part of the certificates is good only where the certificate
// itself points to it.
func goodList(raw []byte, issuer *x509.Certificate, at time.Time, pointed bool) (*x509.RevocationList, error) {
	if block, _ := pem.Decode(raw); block != nil {
		raw = block.Bytes
	}
	list, err := x509.ParseRevocationList(raw)
	if err != nil {
		return nil, err
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		return nil, err
	}
	if at.Before(list.ThisUpdate) || list.NextUpdate.IsZero() || at.After(list.NextUpdate) {
		return nil, fmt.Errorf("the list is for %s to %s", list.ThisUpdate.Format(time.DateOnly), list.NextUpdate.Format(time.DateOnly))
	}
	for _, e := range list.Extensions {
		switch {
		case e.Id.Equal(oidDelta), e.Id.Equal(oidDistribution) && !pointed,
			e.Critical && !e.Id.Equal(oidDistribution):
			return nil, fmt.Errorf("the list has the extension %s", e.Id)
		}
	}
	return list, nil
}
