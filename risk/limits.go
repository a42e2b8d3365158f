package risk

// Limits are the bank's ceilings on a customer's approved payments beside
// DailyPerCustomer (clause 5.32), in qəpik. What is not set limits nothing; 0 lets
// nothing through. A customer's own limits only go below them.
type Limits struct {
	PerTransaction *int64
	PerChannel     map[string]int64 // a day, by service channel: pc, internet, mobile
	PerToken       *int64           // a day, of what one token has confirmed
}
