package authn

import (
	"context"
	"errors"
	"time"

	"mohur/compromised"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
)

// rejectedCause is why an attempt is a decoy whose log-in the policy rejects.
const rejectedCause = "policy-rejected"

// demand is what the policy asks of an attempt. Its rules on log-ins are for customers:
// staff, who may have to mend a rule, take the level and the signals alone.
//
// What a rule rejects is opened all the same, as a decoy: nobody finds out by trying
// which country or device would have been let in.
func (s *Service) demand(ctx context.Context, policy risk.Policy, cmd BeginCommand) (risk.Result, error) {
	if cmd.Purpose != Login || parties.IsStaff(cmd.Customer) || len(policy.LoginRules) == 0 {
		score, reasons := policy.Signals(cmd.Signals)
		return risk.Result{Decision: risk.StepUp, ACR: policy.LoginACR, Score: score, Reasons: reasons}, nil
	}
	now := s.Now()
	facts, err := s.loginFacts(ctx, cmd, now)
	if err != nil {
		return risk.Result{}, err
	}
	if s.Zone != nil {
		now = now.In(s.Zone)
	}
	return policy.Login(cmd.Signals, facts, now), nil
}

// loginFacts are what is known of a log-in before anything is proven. Of one without a
// name only the surroundings are: what a rule asks about the customer counts as holding.
func (s *Service) loginFacts(ctx context.Context, cmd BeginCommand, now time.Time) (risk.Facts, error) {
	f := risk.Facts{"channel": string(cmd.Channel)}
	if s.Compromised != nil {
		on, known := s.Compromised.Holds(compromised.Item{Kind: compromised.Device, Value: cmd.Signals.DeviceID},
			compromised.Item{Kind: compromised.IP, Value: cmd.Signals.IP}, compromised.Item{Kind: compromised.Country, Value: cmd.Signals.Country})
		if known {
			f["compromised"] = on
		}
	}
	if cmd.Customer == "" {
		return f, nil
	}
	a, changed, err := s.habitsOf(ctx, cmd.Customer)
	if unreadable(err) {
		return f, nil
	}
	if err != nil {
		return nil, problem.Away(err)
	}
	if cmd.Signals.DeviceID != "" {
		f["device_known"] = a.Knows(cmd.Signals.DeviceID)
	}
	if a.Country != "" && isCountry(cmd.Signals.Country) {
		f["country_changed"] = a.Country != cmd.Signals.Country
	}
	f["failed_attempts"] = int64(max(a.FailedSince(now.Add(-failuresFor)), s.pace.failures(cmd.Customer, now)))
	if !changed.IsZero() {
		f["contacts_age"] = int64(max(0, now.Sub(changed)) / time.Second)
	}
	return f, nil
}

// habitsOf returns a customer's activity and when his contacts were changed. Of an id
// that nobody has, both are those of a customer there could be, always the same for the
// id: a begin asks of it what it would ask of a real one. Its refused answers are
// counted in memory, like everybody's.
func (s *Service) habitsOf(ctx context.Context, id string) (Activity, time.Time, error) {
	a, err := s.Habits(ctx, id)
	if err != nil {
		return a, time.Time{}, err
	}
	c, err := s.Store.Customer(ctx, id)
	if !errors.Is(err, parties.ErrNotFound) {
		return a, c.ContactsAt, err
	}
	sum, err := s.HSM.MAC(ctx, hsm.RowMAC, "decoy-habits/v1", []byte(id))
	if err != nil {
		return a, time.Time{}, err
	}
	switch { // most are at home; some are away, some have never logged in
	case sum[0] < 32:
	case sum[0] < 48:
		a.Country = "TR"
	default:
		a.Country = "AZ"
	}
	age := time.Duration(30+int(sum[1])) * 24 * time.Hour
	return a, s.Now().Add(-age), nil
}
