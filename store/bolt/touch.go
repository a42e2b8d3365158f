package bolt

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"mohur/authn"
)

// touchEvery is how far the last touch on disk may be behind the last one there was:
// what a crash loses of it ends a session earlier, and never later.
const touchEvery = time.Minute

// maxTouches is how many touches are kept in memory; one more is written at once.
const maxTouches = 1 << 16

// touches are the last touches, by session, that were not written as they came. Every
// read sees them, so they are as good as written until the process dies. One that has
// been written stays until the flush after that: a read that began before sees it still.
type touches struct {
	mu   sync.Mutex
	last map[string]waiting
}

type waiting struct {
	at      time.Time
	written bool
}

// note keeps a touch, or reports that there is no room for it.
func (t *touches) note(id string, at time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	had, is := t.last[id]
	if !is && len(t.last) >= maxTouches {
		return false
	}
	if t.last == nil {
		t.last = make(map[string]waiting)
	}
	if at.After(had.at) {
		t.last[id] = waiting{at: at}
	}
	return true
}

// over sets LastUsed to the touch that is kept, if that is later.
func (t *touches) over(session *authn.Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if had, is := t.last[session.ID]; is && had.at.After(session.LastUsed) {
		session.LastUsed = had.at.UTC()
	}
}

// written notes that a touch is on disk, unless a later one has come.
func (t *touches) written(id string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if had, is := t.last[id]; is && !had.at.After(at) {
		t.last[id] = waiting{at: had.at, written: true}
	}
}

// unwritten returns those that wait, and forgets those that were written before.
func (t *touches) unwritten() map[string]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := make(map[string]time.Time)
	for id, had := range t.last {
		if had.written {
			delete(t.last, id)
		} else {
			wait[id] = had.at
		}
	}
	return wait
}

// TouchSession implements authn.Store. What would change nothing is not written, and
// waits for nobody; nor is what the disk knows all but the last minute of.
func (s *Store) TouchSession(ctx context.Context, id string, at time.Time) error {
	var onDisk, session authn.Session
	err := s.view(ctx, func(r reading) (err error) {
		onDisk, err = loadSession(r, id)
		return err
	})
	if err != nil {
		return err
	}
	session = onDisk
	s.touches.over(&session)
	if !advances(session, at) {
		return nil
	}
	if at.Sub(onDisk.LastUsed) < touchEvery && s.touches.note(id, at) {
		return nil
	}
	err = s.submit(ctx, request{
		key:    "session/" + id,
		weight: 1,
		run: func(w *writing) (bool, error) {
			session, err := loadSession(w, id)
			if err != nil || !advances(session, at) {
				return false, err
			}
			return true, putTouch(w, id, at)
		},
	})
	if err == nil {
		s.touches.written(id, at)
	}
	return err
}

// advances reports whether a touch would move the session: forward, and not
// once it has ended.
func advances(session authn.Session, at time.Time) bool {
	return session.EndedAt.IsZero() && at.After(session.LastUsed)
}

// flushTouches writes the touches that wait, some at a time. One whose session has
// ended since was before its end; one whose session is gone or damaged is dropped.
func (s *Store) flushTouches(ctx context.Context) error {
	wait := s.touches.unwritten()
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(wait)), sweepChunk) {
		err := s.submit(ctx, request{
			key:    "touches",
			weight: len(ids),
			run: func(w *writing) (keep bool, err error) {
				for _, id := range ids {
					session, err := loadSession(w, id)
					if err != nil || !wait[id].After(session.LastUsed) {
						continue
					}
					if err := putTouch(w, id, wait[id]); err != nil {
						return false, err
					}
					keep = true
				}
				return keep, nil
			},
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			s.touches.written(id, wait[id])
		}
	}
	return nil
}

func putTouch(w *writing, id string, at time.Time) error {
	return w.put(inSessionUsed, id, binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano())))
}
