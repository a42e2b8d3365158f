package payment

import (
	"context"
	"encoding/base64"
	"errors"
	"math/bits"
	"time"

	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
)

// maxRemembered is of how many payees of one batch a history is kept and asked for. What
// a larger batch pays to each is not known, and its payees stay as new as they are.
const maxRemembered = 100

// habits are what is remembered of a customer's payments, as it was read with a decision.
type habits struct {
	read       bool
	velocity   Velocity
	velocityOK bool // it is known: a record that was changed is neither believed nor replaced
	payees     []paid
	payeesOK   bool
}

// paid is one payee of a payment.
type paid struct {
	was   PayeeHistory
	count int64
	minor int64
	names bool // it says whether the payee is known
	sums  bool // it says what was paid to the account
}

// recall reads what is remembered of the customer and of his payees.
func (x *draft) recall(parts []Part) error {
	s, h := x.service, habits{}
	var err error
	switch h.velocity, err = s.Store.Velocity(x.ctx, x.customer.ID); {
	case err == nil:
		h.velocityOK = true
	case errors.Is(err, parties.ErrNotFound):
		h.velocity, h.velocityOK = Velocity{Customer: x.customer.ID}, true
	default:
		if err := x.missing(err, "day_sum", "day_count", "hour_sum", "hour_count"); err != nil {
			return err
		}
	}
	if h.payees, err = s.payees(x.ctx, x.customer.ID, parts); err == nil {
		h.payeesOK = len(h.payees) > 0
	} else if err := x.missing(err, "payee_new", "payee_day_sum", "payee_day_count"); err != nil {
		return err
	}
	h.read = true
	x.habits = h
	return nil
}

// payees reads the histories of a payment's payees. Of a batch with more than
// maxRemembered none is read.
func (s *Service) payees(ctx context.Context, customer string, parts []Part) ([]paid, error) {
	if len(parts) > maxRemembered {
		return nil, nil
	}
	keys, err := s.payeeKeys(ctx, customer, parts)
	if err != nil {
		return nil, err
	}
	var all []paid
	var names []string
	at := map[string]int{}
	for _, k := range keys {
		n, again := at[k.key]
		if !again {
			n = len(all)
			at[k.key], all, names = n, append(all, paid{names: k.names, sums: k.sums}), append(names, k.key)
		}
		all[n].count, all[n].minor = all[n].count+1, plus(all[n].minor, parts[k.part].Minor)
	}
	histories, err := s.Store.PayeeHistories(ctx, names...)
	if err != nil {
		return nil, err
	}
	for i, h := range histories {
		h.Key = names[i]
		all[i].was = h
	}
	return all, nil
}

// payeeKey names a history of one part's payee.
type payeeKey struct {
	key         string
	part        int
	names, sums bool
}

// payeeKeys names the histories of a customer with payees. The MACs are the HSM's, so
// that whoever has the database cannot try accounts. An IBAN says by itself which bank it
// is at: another spelling of the bank's name makes no new payee of it. Of another account
// there are two: what was paid adds up by the account alone, whatever bank is named, and
// known is the account at the very bank that was named with it.
func (s *Service) payeeKeys(ctx context.Context, customer string, parts []Part) ([]payeeKey, error) {
	var keys []payeeKey
	var inputs []hsm.Input
	for i, p := range parts {
		account := []byte(parties.PlainAccount(p.Payee.Account))
		country, _ := ibanCountry(p.Payee.Account)
		keys = append(keys, payeeKey{part: i, sums: true, names: country != ""})
		inputs = append(inputs, hsm.Input{Label: "payee-account/v1", Parts: [][]byte{[]byte(customer), account}})
		if country == "" {
			keys = append(keys, payeeKey{part: i, names: true})
			inputs = append(inputs, hsm.Input{Label: "payee/v1", Parts: [][]byte{[]byte(customer), account, []byte(foldedBank(p.Payee.Bank))}})
		}
	}
	macs, err := s.HSM.MACs(ctx, hsm.RowMAC, inputs...)
	if err != nil {
		return nil, err
	}
	for i, mac := range macs {
		keys[i].key = base64.RawURLEncoding.EncodeToString(mac)
	}
	return keys, nil
}

// facts are what a decision is told. Of several payees it is told the worst: one that is
// new, and the sum and count of the one that has most.
func (h habits) facts(f risk.Facts, now time.Time, zone *time.Location) {
	for _, name := range []string{"day_sum", "day_count", "hour_sum", "hour_count", "payee_new", "payee_day_sum", "payee_day_count"} {
		delete(f, name)
	}
	if h.velocityOK {
		dayCount, daySum := h.velocity.day(now, zone)
		hourCount, hourSum := h.velocity.hour(now)
		f["day_count"], f["day_sum"], f["hour_count"], f["hour_sum"] = dayCount, daySum, hourCount, hourSum
	}
	if !h.payeesOK {
		return
	}
	first, count, sum := false, int64(0), int64(0)
	for _, p := range h.payees {
		first = first || p.names && p.was.Proven == 0
		n, amount := p.was.day(now, zone)
		count, sum = max(count, n), max(sum, amount)
	}
	f["payee_new"], f["payee_day_count"], f["payee_day_sum"] = first, count, sum
}

// remember counts an approved payment among those the next decision looks at, in the
// same write. What somebody else has counted since it was read makes it stale. Only what
// the customer has proven makes a payee known.
func (x *draft) remember(proven bool) error {
	if !x.habits.read { // there was no time for it, or nothing is decided anew
		if err := x.recall(x.d.parts(x.t)); err != nil {
			return err
		}
	}
	h, zone := x.habits, x.service.Zone
	if h.velocityOK {
		x.effects = append(x.effects, SaveVelocity{h.velocity.with(x.now, zone, x.t.home())})
	}
	if !h.payeesOK {
		return nil
	}
	for _, p := range h.payees {
		if !p.sums && !proven {
			continue
		}
		amount, err := share(p.minor, x.t.Minor, x.t.home())
		if err != nil {
			return err
		}
		x.effects = append(x.effects, SavePayeeHistory{p.was.with(x.now, zone, p.count, amount, proven)})
	}
	return nil
}

// parts are the payees of a transaction with what each gets.
func (d Details) parts(t Transaction) []Part {
	if len(d.Batch) == 0 {
		return []Part{{Payee: d.Payee, Minor: t.Minor}}
	}
	return partsOf(d.Batch)
}

// share is what a part of a payment is in qəpik, rounded up: never less than it is.
func share(part, whole, home int64) (int64, error) {
	if part == whole {
		return home, nil
	}
	if part < 0 || part > whole || whole <= 0 || home < 0 {
		return 0, problem.Away(errors.New("payment: a part is more than the whole"))
	}
	hi, lo := bits.Mul64(uint64(part), uint64(home))
	quotient, rest := bits.Div64(hi, lo, uint64(whole)) // part <= whole: it fits
	if rest > 0 {
		quotient++
	}
	return int64(quotient), nil
}
