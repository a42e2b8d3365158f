package payment

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// What payments without a proof come to, and how much of all was fraud, is counted by
// day, by band and by what let them go (RTS Art. 19 and 21). A payment is counted when
// it is approved, and its count given back if it is not made.
const (
	sharePrefix  = "share/"
	shareKeep    = 400 * 24 * time.Hour
	fraudDays    = 90
	provenGround = "sca"
)

// FraudGround is the ground of a Ground that tells what was fraudulent.
const FraudGround = "fraud"

// grounds are what a payment can be approved by.
var grounds = []string{provenGround, "low_value", "trusted_payee", "recurring", "own_account", "tra"}

// aboveBands is the band of what is above the highest one.
const aboveBands = math.MaxInt64

// bands are the thresholds that payments are counted by: those of the policy, or the
// reference ones while it has none, so that a bank knows its rates before it uses them.
func (s *Service) bands() []int64 {
	of := s.Policy().Exemptions.TRA
	if len(of) == 0 {
		of = risk.ReferenceBands()
	}
	var out []int64
	for _, b := range of {
		out = append(out, b.UpTo)
	}
	return append(out, aboveBands)
}

// shareKey names a running sum: of a day of the bank's clock, a band and a share.
func shareKey(day string, band int64, share, what string) string {
	return sharePrefix + day + "/" + strconv.FormatInt(band, 10) + "/" + share + "/" + what
}

// count takes the payment into what the bank's rates are computed from.
func (x *draft) count() {
	day, bands := x.now.In(x.service.Zone), x.service.bands()
	i, _ := slices.BinarySearch(bands, x.t.home())
	x.t.Counted = Counted{Day: day.Format(time.DateOnly), Band: bands[i], Ground: cmp.Or(x.t.Exemption, provenGround)}
	x.effects = append(x.effects, x.t.Counted.add(x.t.home())...)
}

// Counted says where a payment was counted; the zero value: nowhere.
type Counted struct {
	Day    string `json:"day"` // of the bank's clock
	Band   int64  `json:"band"`
	Ground string `json:"ground"` // what approved it: sca, or the exemption
}

func (c Counted) add(amount int64) []settle.Effect {
	var out []settle.Effect
	for what, n := range map[string]int64{"sum": amount, "count": 1} {
		out = append(out, settle.Reserve{Key: shareKey(c.Day, c.Band, c.Ground, what), Amount: n, Ceiling: math.MaxInt64, Until: c.until()})
	}
	return out
}

func (c Counted) take(amount int64) []settle.Effect {
	var out []settle.Effect
	for what, n := range map[string]int64{"sum": amount, "count": 1} {
		out = append(out, settle.Release{Key: shareKey(c.Day, c.Band, c.Ground, what), Amount: n})
	}
	return out
}

// until is when the sums of a day are forgotten.
func (c Counted) until() time.Time {
	day, err := time.Parse(time.DateOnly, c.Day)
	if err != nil {
		return time.Time{}
	}
	return day.Add(shareKeep)
}

// discount takes a payment that was not made out of the counts.
func (x *draft) discount() {
	if x.t.Counted == (Counted{}) {
		return
	}
	x.effects = append(x.effects, x.t.Counted.take(x.t.home())...)
	if c := x.t.Counted; x.t.Fraudulent() {
		c.Ground = FraudGround
		x.effects = append(x.effects, c.take(x.t.home())...)
	}
	x.t.Counted = Counted{}
}

// FraudMark says that the bank has found a payment to be fraudulent.
type FraudMark struct {
	At        time.Time  `json:"at"`
	By        string     `json:"by"`
	Reason    string     `json:"reason"`
	Withdrawn *FraudMark `json:"withdrawn,omitempty"` // it was not, after all
}

// Fraudulent reports whether the bank holds the payment to be fraudulent.
func (t Transaction) Fraudulent() bool { return t.Fraud != nil && t.Fraud.Withdrawn == nil }

// Fraud records that a payment was fraudulent, or that it was not after all. Its value
// counts on the day of the payment (RTS Art. 19).
func (s *Service) Fraud(ctx context.Context, by parties.Caller, id string, found bool, reason string) (View, error) {
	if err := needReason(reason); err != nil {
		return View{}, err
	}
	name := map[bool]string{true: "transaction.fraud", false: "transaction.fraud-withdrawn"}[found]
	return s.change(ctx, by, id, name, func(x *draft) error {
		switch {
		case x.t.Counted == (Counted{}):
			return problem.New(problem.Conflict, "the payment was never approved, or not made: it is "+string(x.t.State))
		case found == x.t.Fraudulent():
			return problem.New(problem.Conflict, "that is on record already")
		}
		x.inputs = map[string]any{"why": reason}
		c, mark := x.t.Counted, FraudMark{At: x.now.UTC(), By: by.ID, Reason: reason}
		c.Ground = FraudGround
		if !found {
			was := *x.t.Fraud
			was.Withdrawn = &mark
			x.t.Fraud = &was
			x.effects = append(x.effects, c.take(x.t.home())...)
			return nil
		}
		x.t.Fraud = &mark
		x.effects = append(x.effects, c.add(x.t.home())...)
		return nil
	})
}

// tally is what the payments of some days came to.
type tally struct{ sum, count int64 }

// tallied reads the sums of the days from first to last, by share.
func (s *Service) tallied(ctx context.Context, band int64, first, last time.Time) (map[string]tally, error) {
	out := map[string]tally{}
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		for _, share := range append([]string{FraudGround}, grounds...) {
			t := out[share]
			for what, n := range map[string]*int64{"sum": &t.sum, "count": &t.count} {
				v, err := s.Store.Reserved(ctx, shareKey(day.Format(time.DateOnly), band, share, what), s.Now())
				if err != nil {
					return nil, problem.Away(err)
				}
				if *n += v; *n < 0 {
					*n = math.MaxInt64
				}
			}
			out[share] = t
		}
	}
	return out, nil
}

// all is what they came to together, fraudulent or not.
func all(of map[string]tally) (t tally) {
	for _, share := range grounds {
		t.sum, t.count = saturated(t.sum, of[share].sum), t.count+of[share].count
	}
	return t
}

func saturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
