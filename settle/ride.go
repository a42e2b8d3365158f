package settle

import (
	"context"
	"errors"
	"sync"

	"mohur/audit"
)

// ErrOvertaken says that what was to be settled along with a change no longer
// holds: somebody else was faster. Nothing was changed.
var ErrOvertaken = errors.New("settle: what goes along with the change no longer holds")

// Ride is what is settled together with the first change of a request: the
// decision that allowed it. Either both are durable or neither is, so that what
// two people decided is carried out exactly once, also across a crash.
type Ride struct {
	effects []Effect
	events  []audit.Event

	mu              sync.Mutex
	done, overtaken bool
}

type rideKey struct{}

// Along returns a context whose first Write also settles the effects and events.
// The domain below does not know: that an act was approved is no rule of any one
// command. A Write whose companions no longer hold is ErrOvertaken.
func Along(ctx context.Context, effects []Effect, events []audit.Event) (context.Context, *Ride) {
	r := &Ride{effects: effects, events: events}
	return context.WithValue(ctx, rideKey{}, r), r
}

func rideOf(ctx context.Context) *Ride {
	r, _ := ctx.Value(rideKey{}).(*Ride)
	return r
}

// Done reports whether the change was made, and what goes along with it.
func (r *Ride) Done() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// Overtaken reports whether a change was refused because of what goes along.
func (r *Ride) Overtaken() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.overtaken
}

// with puts the companions before the change, and their events after its own.
func (r *Ride) with(effects []Effect, events []audit.Event) ([]Effect, []audit.Event) {
	if r == nil || r.Done() {
		return effects, events
	}
	return append(append([]Effect(nil), r.effects...), effects...), append(append([]audit.Event(nil), events...), r.events...)
}

// note takes notice of what became of a change. It reports whether a companion
// was in the way: it stood before every effect of the change, so that an effect
// with its key can only have been refused as the companion.
func (r *Ride) note(result Result) (overtaken bool) {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return false
	}
	if result.Outcome == Done {
		r.done = true
		return false
	}
	for _, e := range r.effects {
		if result.Effect != nil && e.EffectKey() == result.Effect.EffectKey() {
			r.overtaken = true
			return true
		}
	}
	return false
}
