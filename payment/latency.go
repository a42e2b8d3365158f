package payment

import (
	"context"
	"errors"

	"mohur/problem"
	"mohur/risk"
)

// gather runs what looks up facts within the time that a decision has, from x.began on.
// What did not come in that time is missing, and the decision is a late one.
func (x *draft) gather(find func() error) error {
	if x.budget <= 0 {
		return find()
	}
	whole := x.ctx
	ctx, cancel := context.WithTimeout(whole, x.budget-x.service.Now().Sub(x.began))
	defer cancel()
	x.ctx = ctx
	err := find()
	x.ctx = whole
	if ctx.Err() == nil || whole.Err() != nil {
		return err
	}
	x.late = true
	if errors.Is(err, context.DeadlineExceeded) || problem.Is(err, problem.Unavailable) {
		return nil
	}
	return err
}

// judge asks the policy in force, and the shadow beside it. A verdict that comes when
// the time is over is the safe side of what it says (clause 5.25).
func (x *draft) judge(in risk.Payment) risk.Result {
	s := x.service
	p := s.Policy()
	r := p.Decide(in)
	x.timed()
	if x.late {
		r = p.Late(r)
	}
	if s.Shadow == nil {
		return r
	}
	if shadow, there := s.Shadow(); there {
		o := shadow.Again(risk.Past{In: in, Late: x.late}).Outcome()
		x.shadow = &o
	}
	return r
}

// timed stops the clock of a decision.
func (x *draft) timed() {
	x.took = x.service.Now().Sub(x.began)
	x.late = x.late || x.budget > 0 && x.took > x.budget
}

// judged counts a decision that was settled.
func (x *draft) judged(r risk.Result) {
	if x.service.Observe == nil {
		return
	}
	j := Judged{Policy: r.Policy, Took: x.took, Decision: r.Decision, Exemption: r.Exemption}
	if x.shadow != nil {
		switch own := r.Outcome(); {
		case x.shadow.AsksLess(own):
			j.Shadow = "weaker"
		case own.AsksLess(*x.shadow):
			j.Shadow = "stricter"
		default:
			j.Shadow = "same"
		}
	}
	x.service.Observe(j)
}
