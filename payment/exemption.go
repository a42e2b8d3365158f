package payment

import "mohur/risk"

// exemptions fills in what the exemptions of a policy rest on. A payment that met a full
// counter is not exempt by any of them.
func (x *draft) exemptions(in *risk.Payment, cmd CreateCommand) error {
	if err := x.lists(in, cmd.Payer, cmd.Payee); err != nil {
		return err
	}
	is, ok, err := x.recurs(cmd, in.Minor)
	if err != nil {
		return err
	}
	if ok {
		in.Facts["recurring"] = is
	}
	in.FraudRates = x.fraudRates()
	return nil
}

// exempt approves without a proof, under the exemption the policy has named. What it
// rests on is required as it was read, its count is swapped and the limits are reserved,
// all in the same write: two payments never share a place.
func (x *draft) exempt() error {
	if err := x.reserve(); err != nil {
		return err
	}
	x.effects = append(x.effects, x.listed...)
	if x.t.Exemption == "low_value" {
		if err := x.spend(); err != nil {
			return err
		}
	}
	if err := x.remember(false); err != nil {
		return err
	}
	x.count()
	x.t.step(x.now, Approved, "exemption:"+x.t.Exemption, "policy")
	if err := x.authorize(); err != nil {
		return err
	}
	return x.save("transaction.created", "exemption")
}
