package policy

import (
	"fmt"
	"slices"
	"time"

	"mohur/risk"
)

// circumstance is what stays the same while amount and score rise.
type circumstance struct {
	name string
	in   risk.Payment
}

// circumstances are: nothing known, all well, one thing bad at a time, all bad, and
// hours, services and channels.
// It is the time at which the policy begins, but for what is tried at the times of its
// time-boxed parts.
func circumstances(p risk.Policy) []circumstance {
	day := p.From.AddDate(0, 0, 1).Truncate(24 * time.Hour)
	var rates []risk.FraudRate // no fraud at all: what is exempt then
	for _, b := range p.Exemptions.TRA {
		rates = append(rates, risk.FraudRate{UpTo: b.UpTo, Total: 1})
	}
	at := func(name string, at time.Time, facts risk.Facts) circumstance {
		return circumstance{name, risk.Payment{At: at, Facts: facts, FraudRates: rates, Signals: risk.Signals{IP: "-", UserAgent: "-", DeviceID: "-", Country: "AZ"}}}
	}
	scene := func(name string, hour int, facts risk.Facts) circumstance {
		return at(name, day.Add(time.Duration(hour)*time.Hour), facts)
	}
	well := func() risk.Facts {
		f := risk.Facts{"service": "transactional", "channel": "internet", "device_known": true, "payees": int64(1), "payer_country": "AZ", "payee_country": "AZ", "mds_status": "ok"}
		for _, t := range risk.Terms() {
			if _, set := f[t.Name]; set {
				continue
			}
			switch t.Kind {
			case risk.Truth:
				f[t.Name] = false
			case risk.Number:
				f[t.Name] = int64(0)
			}
		}
		for _, age := range []string{"contacts_age", "credential_age"} {
			f[age] = int64(10 * 365 * 24 * 3600)
		}
		return f
	}
	out := []circumstance{{"with nothing else known", risk.Payment{}}, scene("with all well", 12, well())}
	bad := well()
	for _, t := range risk.Terms() {
		if t.Kind == risk.Truth {
			one := well()
			one[t.Name] = t.Name != "device_known"
			bad[t.Name] = one[t.Name]
			out = append(out, scene(fmt.Sprintf("with %s %v", t.Name, one[t.Name]), 12, one))
		}
	}
	out = append(out, scene(allBad, 3, bad))
	for _, hour := range []int{0, 6, 23} {
		out = append(out, scene(fmt.Sprintf("at %02d:00", hour), hour, well()))
	}
	for _, service := range []string{"information", "transactional"} {
		for _, channel := range []string{"pc", "internet", "mobile"} {
			one := well()
			one["service"], one["channel"] = service, channel
			out = append(out, scene(service+" on "+channel, 12, one))
		}
	}
	for _, when := range turns(p) {
		name := "at " + when.Format(time.RFC3339)
		out = append(out, at(name, when, well()), at(name+" "+allBad, when, bad))
	}
	return out
}

// turns are the times at which a part of the policy begins or ends, the first ones.
func turns(p risk.Policy) []time.Time {
	var all []time.Time
	for _, s := range p.Scores {
		all = append(all, s.From, s.Until)
	}
	for _, r := range p.Rules {
		all = append(all, r.From, r.Until)
	}
	for _, e := range p.Exceptions {
		all = append(all, e.From, e.Until)
	}
	all = slices.DeleteFunc(all, func(t time.Time) bool { return t.IsZero() })
	slices.SortFunc(all, time.Time.Compare)
	all = slices.CompactFunc(all, time.Time.Equal)
	return all[:min(len(all), maxTurns)]
}
