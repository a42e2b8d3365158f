package risk

// Home is an amount in qəpik by these rates, rounded up as for a decision; false where
// there is no rate.
func (r Rates) Home(minor int64, currency string) (int64, bool) { return r.home(minor, currency) }
