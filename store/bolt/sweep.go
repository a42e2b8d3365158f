package bolt

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// sweepChunk is how many removals go into one command, so that those who wait
// for their answers do not wait for a night's worth of expired attempts.
const sweepChunk = 256

// errDue says that the queue of removals names what is never removed.
var errDue = errors.New("it names what is never removed")

// removers is what may be removed, each after its time: an attempt an hour
// after it has expired, and then also the activity of nobody, a session or a secret after a day, a reserved sum an
// hour after it has been forgotten, a remembered request when its time is over, an
// approval half a year after it has expired.
// Everything else stays.
var removers = map[bucket]func(w *writing, id string) error{
	inAttempts: func(w *writing, id string) error { return attempts.remove(w, id) },
	inActivity: func(w *writing, id string) error { return activities.remove(w, id) },
	inSecrets:  func(w *writing, id string) error { return secrets.remove(w, id) },
	inSessions: removeSession,

	inVelocities:     func(w *writing, id string) error { return velocities.remove(w, id) },
	inPayeeHistories: func(w *writing, id string) error { return payeeHistories.remove(w, id) },

	inSums:      removeSum,
	inApprovals: func(w *writing, id string) error { return approvals.remove(w, id) },
	inSeries:    func(w *writing, id string) error { return series.remove(w, id) },
	inMemories:  func(w *writing, id string) error { return memories.remove(w, id) },
}

// Sweep removes at most max records whose time is over at now and returns how
// many. It needs no audit entry: nothing that it removes could still be used,
// and what happened with each is in the log already. A damaged record is left
// where it is and told in the error; it does not keep the others. Touches that wait
// are written first.
func (s *Store) Sweep(ctx context.Context, now time.Time, max int) (removed int, err error) {
	if err := s.flushTouches(ctx); err != nil {
		return 0, err
	}
	for removed < max {
		swept, err := s.sweep(ctx, now, min(max-removed, sweepChunk))
		removed += swept.removed
		if err != nil || !swept.more {
			return removed, errors.Join(err, swept.damage)
		}
	}
	return removed, nil
}

// swept is what one command of a sweep has done.
type swept struct {
	removed int
	more    bool
	damage  error
}

func (s *Store) sweep(ctx context.Context, now time.Time, max int) (swept, error) {
	result := new(swept)
	err := s.submit(ctx, request{
		key:    "sweep",
		weight: 4 * max,
		run: func(w *writing) (bool, error) {
			due := w.due(now, max)
			for _, key := range due {
				if err := w.removeDue(key); err != nil {
					result.damage = errors.Join(result.damage, err)
					continue
				}
				result.removed++
			}
			old := w.oldDecisions(now.Add(-s.options.KeepDecisions), max-len(due))
			for _, key := range old {
				w.remove(inDecisions, key)
			}
			result.removed += len(old)
			result.more = len(due)+len(old) == max && result.removed > 0
			return result.removed > 0, nil
		},
	})
	if err != nil {
		return swept{}, err
	}
	return *result, nil
}

// due returns the keys of the removals whose moment has come.
func (w *writing) due(now time.Time, max int) (keys []string) {
	until := moment(now)
	c := w.in(expiry).Cursor()
	for k, _ := c.First(); k != nil && len(keys) < max; k, _ = c.Next() {
		if len(k) >= momentSize && string(k[:momentSize]) > until {
			break
		}
		keys = append(keys, string(k))
	}
	return keys
}

// removeDue stages the removal of a record and of the row that asked for it, or
// nothing.
func (w *writing) removeDue(key string) error {
	if len(key) <= momentSize+1 {
		return damaged(expiry, fmt.Sprintf("%x", key), errDue)
	}
	remove, ok := removers[bucket(key[momentSize])]
	if !ok {
		return damaged(expiry, fmt.Sprintf("%x", key), errDue)
	}
	if err := remove(w, key[momentSize+1:]); err != nil {
		return err
	}
	w.remove(expiry, key)
	return nil
}
