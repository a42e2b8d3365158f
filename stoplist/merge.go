package stoplist

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Merger makes the real suspensions.
type Merger struct {
	// Ready says whether HSM and store are both back.
	Ready func(ctx context.Context) error
	// Apply settles what a report asks for, with its incident and audit entry,
	// and changes nothing when it has been settled before.
	Apply func(ctx context.Context, r Report) error
}

const (
	mergeEvery = 250 * time.Millisecond
	mergeTime  = 10 * time.Second // for one report
)

// Run merges until ctx ends: soon after a report was taken, and then as soon as
// both parts are back.
func (l *List) Run(ctx context.Context, m Merger) {
	tick := time.NewTicker(mergeEvery)
	defer tick.Stop()
	told := ""
	for {
		if l.waits() {
			text := ""
			if err := l.Merge(ctx, m); err != nil && ctx.Err() == nil {
				text = err.Error()
			}
			if text != "" && text != told { // once, not four times a second
				l.options.Logger.WarnContext(ctx, "reports on the stop-list wait to be merged", "reports", l.Pending(), "error", text)
			}
			told = text
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-l.added:
		}
	}
}

// waits reports whether there is something to do: a report to be settled, or a
// file that still holds one that was.
func (l *List) waits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) > 0 || l.stale && l.file != nil
}

// Merge gives every report to m, oldest first, and takes those that were settled
// off the list. One that fails stays, refused as before, and holds nobody up.
func (l *List) Merge(ctx context.Context, m Merger) error {
	l.merging.Lock()
	defer l.merging.Unlock()
	if err := m.Ready(ctx); err != nil {
		return fmt.Errorf("stoplist: not yet: %w", err)
	}
	l.mu.Lock()
	waiting := slices.Clone(l.pending)
	l.mu.Unlock()
	var faults []error
	for _, e := range waiting {
		err := l.merge(ctx, m, e)
		if err == nil {
			continue
		}
		faults = append(faults, fmt.Errorf("stoplist: report %s: %w", e.Ack, err))
		if m.Ready(ctx) != nil {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stale {
		return errors.Join(faults...)
	}
	if l.file == nil {
		return errors.Join(append(faults, ErrClosed)...)
	}
	// Only now is the old file let go: a crash before it merges again what was
	// settled, and that changes nothing.
	return errors.Join(append(faults, l.rewrite())...)
}

func (l *List) merge(ctx context.Context, m Merger, e entry) error {
	ctx, cancel := context.WithTimeout(ctx, mergeTime)
	defer cancel()
	r, err := l.open(ctx, e)
	if err != nil {
		return err
	}
	if err := m.Apply(ctx, r); err != nil {
		return err
	}
	l.drop(r)
	return nil
}
