package authn

import (
	"context"
	"errors"
	"slices"
	"time"

	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/store"
)

// What is kept of a customer's log-ins. Granted and refused ones are kept apart: a
// stranger who guesses does not push out who was let in.
const (
	maxLogIns   = 10 // of each outcome
	maxFailures = 50
	maxDevices  = 20
	failuresFor = 24 * time.Hour
)

// LogIn is a log-in as its customer is told of it: when and where, never by which
// factor, and never which one failed.
type LogIn struct {
	At      time.Time       `json:"at"` // to the second
	Channel parties.Channel `json:"channel"`
}

// Device is one that a customer has logged in from.
type Device struct {
	Sum   string    `json:"sum"` // DeviceOf
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Activity is what is kept of a customer's log-ins (clause 5.34). It is written with
// the verdicts of log-ins and grows to a bound. The zero value is that of a customer
// nobody has tried to log in as.
type Activity struct {
	Customer string   `json:"customer"`
	Granted  []LogIn  `json:"granted,omitempty"`  // oldest first
	Refused  []LogIn  `json:"refused,omitempty"`  // oldest first
	Failures []int64  `json:"failures,omitempty"` // refused answers of the last 24 hours, Unix seconds, oldest first
	Devices  []Device `json:"devices,omitempty"`  // of granted log-ins, by when they were last seen
	Country  string   `json:"country,omitempty"`  // of the last granted log-in whose front end told it, ISO 3166-1 alpha-2
	// ExpiresAt is set of one that stands for nobody: see recordOf.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Version   uint64    `json:"version"`
	MAC       []byte    `json:"mac,omitempty"`
}

// SaveActivity writes the activity if the stored one has the version before it. One
// with ExpiresAt may be removed an hour after that.
type SaveActivity struct{ Activity Activity }

// EffectKey names the record.
func (s SaveActivity) EffectKey() string { return "activity/" + s.Activity.Customer }

// LastLogin is the last granted log-in, and PreviousLogin the one before it; false
// when there was none.
func (a Activity) LastLogin() (LogIn, bool) { return fromEnd(a.Granted, 1) }

// PreviousLogin is the log-in before the last one.
func (a Activity) PreviousLogin() (LogIn, bool) { return fromEnd(a.Granted, 2) }

// LastFailed is the last refused answer to a log-in, whatever factor it was of.
func (a Activity) LastFailed() (LogIn, bool) { return fromEnd(a.Refused, 1) }

func fromEnd(list []LogIn, n int) (LogIn, bool) {
	if len(list) < n {
		return LogIn{}, false
	}
	return list[len(list)-n], true
}

// FailedSince counts the refused answers to log-ins from a time on, which is at most
// 24 hours ago. 50 are 50 or more.
func (a Activity) FailedSince(t time.Time) int {
	n := 0
	for _, at := range a.Failures {
		if at >= t.Unix() {
			n++
		}
	}
	return n
}

// Knows reports whether the customer has logged in from a device before. device is what
// the front end sends as device_id.
func (a Activity) Knows(device string) bool {
	sum := DeviceOf(device)
	return sum != "" && slices.ContainsFunc(a.Devices, func(d Device) bool { return d.Sum == sum })
}

// LastCountry is the country of the last granted log-in; "" if nobody told it.
func (a Activity) LastCountry() string { return a.Country }

// granted is the activity after a log-in.
func (a Activity) granted(at time.Time, from Attempt) Activity {
	at = at.UTC().Truncate(time.Second)
	a.Granted = latest(append(slices.Clone(a.Granted), LogIn{at, from.Channel}), maxLogIns)
	if isCountry(from.From.Country) {
		a.Country = from.From.Country
	}
	if from.From.Device != "" {
		a.Devices = seenAgain(a.Devices, from.From.Device, at)
	}
	return a
}

// refused is the activity after an answer that was refused.
func (a Activity) refused(at time.Time, from Attempt) Activity {
	at = at.UTC().Truncate(time.Second)
	a.Refused = latest(append(slices.Clone(a.Refused), LogIn{at, from.Channel}), maxLogIns)
	recent := slices.DeleteFunc(slices.Clone(a.Failures), func(was int64) bool { return was < at.Add(-failuresFor).Unix() })
	a.Failures = latest(append(recent, at.Unix()), maxFailures)
	return a
}

// latest keeps the last n.
func latest[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }

// seenAgain moves a device to the end. The one that was not seen for longest gives way.
func seenAgain(known []Device, sum string, at time.Time) []Device {
	d := Device{Sum: sum, First: at}
	rest := slices.DeleteFunc(slices.Clone(known), func(have Device) bool {
		if have.Sum == sum {
			d.First = have.First
		}
		return have.Sum == sum
	})
	d.Last = at
	return latest(append(rest, d), maxDevices)
}

// isCountry is the form of ISO 3166-1 alpha-2; what is written otherwise is not known.
func isCountry(v string) bool {
	return len(v) == 2 && v[0] >= 'A' && v[0] <= 'Z' && v[1] >= 'A' && v[1] <= 'Z'
}

// Habits returns what is kept of a customer's log-ins. parties.ErrTampered says that
// somebody changed it: nothing of it is known then.
func (s *Service) Habits(ctx context.Context, customer string) (Activity, error) {
	a, err := s.Store.Activity(ctx, customer)
	if errors.Is(err, parties.ErrNotFound) {
		return Activity{Customer: customer}, nil
	}
	return a, err
}

// unreadable reports whether nothing is known of a customer's log-ins because of what lies
// in the store, and not because a part is away.
func unreadable(err error) bool {
	return errors.Is(err, parties.ErrTampered) || errors.Is(err, store.ErrDamaged)
}

// recordOf is whose activity an answer belongs to. That of an id nobody has is kept
// with its attempt, for as long: a refusal then costs what it costs for a customer,
// and names that are made up do not fill the store.
func (j *judgement) recordOf() (customer string, expires time.Time) {
	if j.customer.ID != "" {
		return j.customer.ID, time.Time{}
	}
	return nobodyMark + j.attempt.ID, j.attempt.ExpiresAt
}

// log adds the verdict on a log-in to the customer's activity and returns it as it was
// before. A record that was changed behind the server's back or damaged stays as it is: it
// decides nothing, so nobody is kept out for it.
func (j *judgement) log(after func(Activity, time.Time, Attempt) Activity) (*Activity, error) {
	if j.attempt.Purpose != Login {
		return nil, nil
	}
	id, expires := j.recordOf()
	was, err := j.service.Habits(j.ctx, id)
	if unreadable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, problem.Away(err)
	}
	if was.Version == 0 { // nothing was there to verify: the HSM is asked all the same
		if _, err := j.service.HSM.MAC(j.ctx, hsm.RowMAC, "activity/idle", []byte(j.service.decoy.ID)); err != nil {
			return nil, problem.Away(err)
		}
	}
	now := after(was, j.received, j.attempt)
	now.ExpiresAt, now.Version = expires, was.Version+1
	j.effects = append(j.effects, SaveActivity{now})
	return &was, nil
}
