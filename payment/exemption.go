package payment

// exempt approves under the counted low-value exemption. The count is swapped and
// the day's limit reserved in the same write: two payments never share a place.
func (x *draft) exempt() error {
	x.reserve()
	if err := x.spend(); err != nil {
		return err
	}
	if err := x.remember(); err != nil {
		return err
	}
	x.t.step(x.now, Approved, "exemption:"+x.t.Exemption, "policy")
	if err := x.authorize(); err != nil {
		return err
	}
	return x.save("transaction.created", "exemption")
}
