package payment

import "mohur/risk"

// judge asks the policy in force.
func (s *Service) judge(in risk.Payment) risk.Result { return s.Policy().Payment(in) }

// keep puts on record what a decision rested on.
func (x *draft) keep(in risk.Payment, verdict risk.Result) {
	x.inputs = map[string]any{"facts": verdict.Facts, "low_value": map[string]any{"count": in.LowValueCount, "sum": in.LowValueSum, "exempt": in.Exempt}}
}
