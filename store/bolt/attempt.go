package bolt

import (
	"context"
	"slices"
	"strings"
	"time"

	"mohur/authn"
	"mohur/parties"
)

// Attempt implements authn.Store.
func (s *Store) Attempt(ctx context.Context, id string) (authn.Attempt, error) {
	return one(ctx, s, attempts, id)
}

// OpenAttempts implements authn.Store.
func (s *Store) OpenAttempts(ctx context.Context, customer string, now time.Time) (open []authn.Attempt, err error) {
	l := listing[authn.Attempt]{table: attempts, index: attemptsOpen, prefix: joined(customer)}
	err = s.view(ctx, func(r reading) error {
		c := r.in(l.index).Cursor()
		for k, id := c.Seek([]byte(l.prefix + moment(now))); k != nil && strings.HasPrefix(string(k), l.prefix); k, id = c.Next() {
			a, err := l.follow(r, id)
			if err != nil {
				return err
			}
			if now.Before(a.ExpiresAt) {
				open = append(open, a)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(open, func(a, b authn.Attempt) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return open, nil
}

// AttemptByChallenge implements authn.Store.
func (s *Store) AttemptByChallenge(ctx context.Context, sha256 []byte) (a authn.Attempt, err error) {
	l := listing[authn.Attempt]{table: attempts, index: attemptsByChallenge, prefix: joined(string(sha256))}
	err = s.view(ctx, func(r reading) (err error) {
		k, id := before(r.in(l.index).Cursor(), l.prefix, "")
		if k == nil || !strings.HasPrefix(string(k), l.prefix) {
			return parties.ErrNotFound
		}
		a, err = l.follow(r, id)
		return err
	})
	return a, err
}
