package bolt

import (
	"context"
	"encoding/base64"
	"time"

	"mohur/payment"
	"mohur/settle"
	"mohur/store"
)

// keepDecisions is how long decisions are kept where nothing else is said.
const keepDecisions = 400 * 24 * time.Hour

// Decisions lie by their time: nothing else leads to them, they are read in that order,
// and Sweep removes them from the beginning.
func keepDecision(d payment.Decision) change {
	row := d.Encode()
	return func(w *writing) (settle.Outcome, error) {
		return settle.Done, w.put(inDecisions, order(d.In.At, d.ID), row)
	}
}

// scanDecisions is how many rows a snapshot reads: a replay of a year never keeps the
// pages of an old one for long.
const scanDecisions = 2000

// Decisions implements payment.Store: oldest first, from included, to not.
func (s *Store) Decisions(ctx context.Context, from, to time.Time, cursor string, limit int) (page payment.Decisions, err error) {
	after, err := decisionsAfter(cursor)
	if err != nil {
		return page, err
	}
	begin, end := moment(from), moment(to)
	limit = min(max(limit, 1), scanDecisions)
	err = s.view(ctx, func(r reading) error {
		c := r.in(inDecisions).Cursor()
		k, v := c.Seek([]byte(max(begin, after)))
		if after != "" && string(k) == after {
			k, v = c.Next()
		}
		for n := 0; k != nil && string(k) < end; k, v = c.Next() {
			if n++; n > limit {
				page.Next = base64.RawURLEncoding.EncodeToString([]byte(after))
				return nil
			}
			after = string(k)
			d, err := decodeDecision(after, v)
			if err != nil {
				page.Unreadable++
				continue
			}
			page.Items = append(page.Items, d)
		}
		return nil
	})
	return page, err
}

// decodeDecision believes a row only if it is of the time that its key says.
func decodeDecision(key string, row []byte) (payment.Decision, error) {
	if len(key) <= momentSize {
		return payment.Decision{}, store.ErrDamaged
	}
	d, err := payment.DecodeDecision(key[momentSize:], row)
	if err != nil || order(d.In.At, d.ID) != key {
		return payment.Decision{}, store.ErrDamaged
	}
	return d, nil
}

func decisionsAfter(cursor string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || cursor != "" && len(b) <= momentSize || len(b) > maxKey {
		return "", store.ErrCursor
	}
	return string(b), nil
}

// oldDecisions returns the keys of decisions that have been kept long enough.
func (w *writing) oldDecisions(before time.Time, most int) (keys []string) {
	until := moment(before)
	c := w.in(inDecisions).Cursor()
	for k, _ := c.First(); k != nil && len(keys) < most && string(k) < until; k, _ = c.Next() {
		keys = append(keys, string(k))
	}
	return keys
}
