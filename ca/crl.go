package ca

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

const (
	crlFresh = time.Hour   // a list without news is made anew after this
	crlAsk   = time.Minute // the store is asked for news after this: no revocation waits longer
	crlTries = 4
)

func isMissing(err error) bool { return errors.Is(err, parties.ErrNotFound) }

// CRL returns the revocation list (RFC 5280 section 5), DER, not older than a
// minute in what it knows. It is made when somebody asks.
func (s *Service) CRL(ctx context.Context) ([]byte, error) {
	s.list.Lock()
	defer s.list.Unlock()
	now := s.Now().UTC()
	if age := now.Sub(s.list.at); s.list.der != nil && age >= 0 && age < crlAsk {
		return s.list.der, nil
	}
	for range crlTries {
		der, stale, err := s.newest(ctx, now)
		if err != nil {
			return nil, err
		}
		if !stale {
			s.list.der, s.list.at = der, now
			return der, nil
		}
	}
	return nil, problem.Away(errors.New("ca: the list kept changing"))
}

// newest is the stored list, or the next one when there is news.
func (s *Service) newest(ctx context.Context, now time.Time) (der []byte, stale bool, err error) {
	a, authority, err := s.Get(ctx)
	if err != nil {
		return nil, false, err
	}
	revoked, err := s.Store.RevokedCertificates(ctx, now)
	if err != nil {
		return nil, false, problem.Away(err)
	}
	news := a.CRL == nil || now.Sub(a.CRLAt) >= crlFresh || now.Before(a.CRLAt)
	listed := map[string]bool{}
	if last, err := x509.ParseRevocationList(a.CRL); err == nil {
		for _, e := range last.RevokedCertificateEntries {
			listed[hex.EncodeToString(e.SerialNumber.Bytes())] = true
		}
	}
	entries := make([]x509.RevocationListEntry, len(revoked))
	for i, c := range revoked {
		// Not by their times: a revocation may be settled after a list that is younger.
		news = news || !listed[c.Serial]
		serial, ok := new(big.Int).SetString(c.Serial, 16)
		if !ok {
			return nil, false, problem.Away(errors.New("ca: a certificate's serial is not hexadecimal"))
		}
		entries[i] = x509.RevocationListEntry{SerialNumber: serial, RevocationTime: c.RevokedAt, ReasonCode: c.Reason}
	}
	if !news {
		return a.CRL, false, nil
	}
	key, err := s.signer(ctx)
	if err != nil {
		return nil, false, err
	}
	a.CRLNumber, a.CRLAt, a.Version = a.CRLNumber+1, now.Truncate(time.Second), a.Version+1
	a.CRL, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: new(big.Int).SetUint64(a.CRLNumber), ThisUpdate: a.CRLAt, NextUpdate: a.CRLAt.Add(cmp.Or(s.Settings.CRLLife, DefaultCRLLife)),
		RevokedCertificateEntries: entries, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}, authority, key)
	if err != nil {
		return nil, false, problem.Away(err)
	}
	r, err := settle.Write(ctx, s.Settler, s.Audit, []settle.Effect{SaveAuthority{a}}, []audit.Event{{
		Name: "ca.crl", Outcome: "done", Detail: map[string]any{"number": a.CRLNumber, "entries": len(entries)},
	}})
	if err != nil {
		return nil, false, err
	}
	return a.CRL, r.Outcome != settle.Done, nil
}
