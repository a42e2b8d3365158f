package tokens

import "fmt"

// Windows are the limits within which one-time passwords are taken (clause 5.23),
// of a device profile or of the bank's policy. Of the two the narrower holds, and
// never more than Ceiling.
type Windows struct {
	LookAhead        int `json:"look_ahead"`          // counters tried beyond the next one (RFC 4226 section 7.4)
	StepsEither      int `json:"steps_either"`        // time steps tried before and after (RFC 6238 section 5.2)
	LifeSeconds      int `json:"life_seconds"`        // the longest a time-based password is taken for; cuts the steps
	MaxDrift         int `json:"max_drift_steps"`     // most time steps of drift learnt from successes
	ResyncCounters   int `json:"resync_counters"`     // counters searched for two codes in a row
	ResyncSteps      int `json:"resync_steps_either"` // time steps searched before and after for two codes in a row
	ChallengeSeconds int `json:"challenge_seconds"`   // age from which a challenge is not answered any more
}

// DefaultWindows are what a profile has unless its maker's tokens need others.
func DefaultWindows() Windows {
	return Windows{LookAhead: 10, StepsEither: 1, LifeSeconds: 120, MaxDrift: 3, ResyncCounters: 100, ResyncSteps: 10, ChallengeSeconds: 300}
}

// Ceiling is what no profile and no policy can go beyond: NIST SP 800-63B wants a
// code of time to change within 2 minutes, and a challenge lives for 5.
func Ceiling() Windows {
	return Windows{LookAhead: 20, StepsEither: 2, LifeSeconds: 120, MaxDrift: 10, ResyncCounters: 200, ResyncSteps: 20, ChallengeSeconds: 300}
}

// least is the narrowest a file may ask for: with less, no token would work.
var least = Windows{LifeSeconds: 30, ChallengeSeconds: 30, ResyncCounters: 1, ResyncSteps: 1}

// Narrow returns the narrower of both in every member.
func (w Windows) Narrow(by Windows) Windows {
	ours, theirs := w.members(), by.members()
	for i, m := range ours {
		*m.value = min(*m.value, *theirs[i].value)
	}
	return w
}

// Bounded is w within Ceiling and not below zero: what is really tried.
func (w Windows) Bounded() Windows {
	w = w.Narrow(Ceiling())
	for _, m := range w.members() {
		*m.value = max(0, *m.value)
	}
	return w
}

// Steps is how many time steps of that length in seconds are tried for a TOTP: the
// current one, then one before, one after and so on, within LifeSeconds. A 60 s
// token gets its step and the one before.
func (w Windows) Steps(step int) int { return w.within(step, w.LifeSeconds) }

// ChallengeSteps is the same for an OCRA answer, which lives as long as its
// challenge.
func (w Windows) ChallengeSteps(step int) int { return w.within(step, w.ChallengeSeconds) }

func (w Windows) within(step, life int) int { return min(2*w.StepsEither+1, max(1, life/max(1, step))) }

// ValidFor is for how many seconds a TOTP of that step is taken, drift aside.
func (w Windows) ValidFor(step int) int { return w.Steps(step) * step }

type member struct {
	name  string
	value *int
}

// members are the fields by their names in a file.
func (w *Windows) members() []member {
	return []member{
		{"look_ahead", &w.LookAhead}, {"steps_either", &w.StepsEither}, {"life_seconds", &w.LifeSeconds}, {"max_drift_steps", &w.MaxDrift},
		{"resync_counters", &w.ResyncCounters}, {"resync_steps_either", &w.ResyncSteps}, {"challenge_seconds", &w.ChallengeSeconds},
	}
}

// faults says of each member that passes the ceiling, or lets nothing through,
// what it may be.
func (w Windows) faults() (found []string) {
	low, high := least, Ceiling()
	from, to := low.members(), high.members()
	for i, m := range w.members() {
		if *m.value < *from[i].value || *m.value > *to[i].value {
			found = append(found, fmt.Sprintf("windows.%s needs to be from %d to %d", m.name, *from[i].value, *to[i].value))
		}
	}
	return found
}
