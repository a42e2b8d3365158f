package bolt

import (
	"context"
	"slices"
	"time"

	"mohur/ca"
	"mohur/settle"
)

// authorities is one record; certificates are evidence, so Sweep removes none.
var (
	authorities = table[ca.Authority]{
		rows: inAuthorities,
		key:  func(a *ca.Authority) (string, uint64) { return a.ID, a.Version },
	}
	certificates = table[ca.Certificate]{
		rows: inCertificates,
		key:  func(c *ca.Certificate) (string, uint64) { return c.Serial, c.Version },
		indexes: func(c *ca.Certificate) []indexKey {
			keys := []indexKey{{certificatesByToken, joined(c.Token) + order(c.IssuedAt, c.Serial)}}
			if !c.RevokedAt.IsZero() {
				keys = append(keys, indexKey{certificatesRevoked, order(c.NotAfter, c.Serial)})
			}
			return keys
		},
	}
)

// saveCertificate writes the record; the first version claims its key, for ever.
func saveCertificate(c ca.Certificate) (change, error) {
	record, err := certificates.save(&c)
	if err != nil || c.Version > 1 {
		return record, err
	}
	return func(w *writing) (settle.Outcome, error) {
		if outcome, err := record(w); outcome != settle.Done || err != nil {
			return outcome, err
		}
		mine, err := w.putOnce(certifiedKeys, string(c.KeySHA256), c.Serial)
		if err != nil || mine {
			return settle.Done, err
		}
		return settle.Exists, nil
	}, nil
}

// Authority implements ca.Store.
func (s *Store) Authority(ctx context.Context, id string) (ca.Authority, error) {
	return one(ctx, s, authorities, id)
}

// Certificate implements ca.Store.
func (s *Store) Certificate(ctx context.Context, serial string) (ca.Certificate, error) {
	return one(ctx, s, certificates, serial)
}

// CertificatesOf implements ca.Store.
func (s *Store) CertificatesOf(ctx context.Context, token string) ([]ca.Certificate, error) {
	l := listing[ca.Certificate]{table: certificates, index: certificatesByToken, prefix: joined(token)}
	all, err := l.all(ctx, s)
	slices.Reverse(all)
	return all, err
}

// RevokedCertificates implements ca.Store.
func (s *Store) RevokedCertificates(ctx context.Context, now time.Time) (list []ca.Certificate, err error) {
	err = s.view(ctx, func(r reading) error {
		c := r.in(certificatesRevoked).Cursor()
		for k, id := c.Seek([]byte(moment(now))); k != nil; k, id = c.Next() {
			rec, err := certificates.load(r, string(id))
			if err != nil {
				return err
			}
			if rec.NotAfter.After(now) {
				list = append(list, rec)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
