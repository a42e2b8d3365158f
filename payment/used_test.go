package payment_test

import "mohur/payment"

// used is what the customer has used of his day, in qəpik.
func used(v payment.View) int64 { return of(v.Limits, payment.Daily).Used }

// of is how a customer stands with a limit.
func of(v payment.LimitsView, name string) payment.Standing {
	for _, l := range v.Limits {
		if l.Name == name {
			return l
		}
	}
	return payment.Standing{}
}
