package authn

import (
	"context"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// judgement is one evaluation of one answer. It collects what would change;
// nothing does until it is settled.
type judgement struct {
	service  *Service
	ctx      context.Context
	by       parties.Caller
	customer parties.Customer
	attempt  Attempt // as it will be: answers and version already raised
	received time.Time
	holder   Holder // the key this answer has shown
	over     bool   // a limit was full when a former evaluation was settled
	effects  []settle.Effect
	events   []audit.Event
	withPIN  bool
	method   Method // of the answer; when it waited for its other half, of the possession

	detail     map[string]any // of the verdict, for the log
	credential string         // pseudonym and new version of the credential touched
	version    uint64
}

// closed refuses an answer to an attempt that has its verdict or took too many
// answers; the attempt does not change any more, but the answer is recorded.
func (j *judgement) closed() (ruling, error) {
	a := j.attempt
	a.Answers, a.Version = a.Answers-1, a.Version-1
	if err := j.idle(); err != nil {
		return ruling{}, err
	}
	j.events = append(j.events, j.service.event(j.by, j.customer, a, "authentication.answered", "refused", "attempt-closed", nil))
	return ruling{attempt: a, events: j.events, refused: true, withPIN: a.offer(PIN, "") != nil, outcome: "refused", reason: "attempt-closed"}, nil
}

// foreign refuses an answer that does not come from where the attempt was begun, or
// shows another key; what is held for the rightful one stays.
func (j *judgement) foreign(reason string) (ruling, error) {
	held := j.attempt.Possession
	if err := j.idle(); err != nil {
		return ruling{}, err
	}
	return j.refuseKeeping(reason, held)
}

// spend refuses an answer that is not judged at all, at the price of one that is.
func (j *judgement) spend(reason string) (ruling, error) {
	if err := j.idle(); err != nil {
		return ruling{}, err
	}
	return j.refuse(reason)
}

// refuse settles a refusal. The attempt stays open until its last answer.
func (j *judgement) refuse(reason string) (ruling, error) {
	if j.method.card() {
		j.attempt.spendNonce()
	}
	return j.refuseKeeping(reason, nil)
}

func (j *judgement) refuseKeeping(reason string, held *Held) (ruling, error) {
	j.attempt.Possession = held
	j.attempt.Refused, j.attempt.RefusedAt = j.attempt.Refused+1, j.received.UTC()
	if _, err := j.log(Activity.refused); err != nil {
		return ruling{}, err
	}
	if j.attempt.Answers >= j.service.Settings.MaxAnswers {
		j.attempt.State = Denied
	}
	return j.finish("refused", reason, true)
}

// pend settles an answer that waits for its other half.
func (j *judgement) pend() (ruling, error) { return j.finish("pending", "", false) }

func (j *judgement) finish(outcome, reason string, refusal bool) (ruling, error) {
	if j.attempt.State != Pending {
		j.attempt.PIN, j.attempt.Possession = nil, nil
	}
	e := j.service.event(j.by, j.customer, j.attempt, "authentication.answered", outcome, reason, j.detail)
	e.Credential, e.Version = j.credential, j.version
	j.attempt = j.attempt.unclaimed()
	j.effects = append(j.effects, SaveAttempt{j.attempt})
	// The verdict comes first; what else happened (a lock, a quarantine) after it.
	j.events = append([]audit.Event{e}, j.events...)
	r := ruling{attempt: j.attempt, effects: j.effects, events: j.events, refused: refusal, withPIN: j.withPIN, outcome: outcome, reason: reason}
	if !refusal {
		r.view = View{Attempt: j.attempt}
	}
	return r, nil
}

// takePIN keeps the PIN, sealed. It is judged only together with a possession
// proof; when one is waiting, that is now.
func (j *judgement) takePIN(secret string) (ruling, error) {
	if w := j.attempt.Possession; w != nil && !w.Holder.fits(j.holder) {
		return j.foreign("key-mismatch")
	}
	held, err := j.service.hold(j.ctx, j.attempt, AnswerCommand{Method: PIN, Secret: secret, holder: j.holder}, j.received)
	if err != nil {
		return ruling{}, err
	}
	waiting := j.attempt.Possession
	j.attempt.PIN = held
	if waiting == nil {
		return j.pend()
	}
	j.holder = j.holder.with(waiting.Holder)
	cmd, err := j.service.unhold(j.ctx, j.attempt, waiting)
	if err != nil {
		return ruling{}, err
	}
	return j.judge(cmd, secret, waiting.At)
}

// takePossession judges a possession answer, or keeps it while the PIN it needs
// is not there.
func (j *judgement) takePossession(cmd AnswerCommand) (ruling, error) {
	if w := cmd.card; w != nil {
		j.detail = cardDetail(cmd)
		if w.spend != nil && !j.over {
			j.effects = append(j.effects, *w.spend)
		}
	}
	if !j.needsPIN(cmd) {
		return j.judge(cmd, "", j.received)
	}
	if j.attempt.PIN == nil {
		held, err := j.service.hold(j.ctx, j.attempt, cmd, j.received)
		if err != nil {
			return ruling{}, err
		}
		j.attempt.Possession = held
		return j.pend()
	}
	if !j.attempt.PIN.Holder.fits(j.holder) {
		return j.foreign("key-mismatch")
	}
	j.holder = j.holder.with(j.attempt.PIN.Holder)
	p, err := j.service.unhold(j.ctx, j.attempt, j.attempt.PIN)
	if err != nil {
		return ruling{}, err
	}
	return j.judge(cmd, p.Secret, j.received)
}

// needsPIN reports whether every way with the method also asks for the PIN; of
// FIDO2 keys each one says so for itself.
func (j *judgement) needsPIN(cmd AnswerCommand) bool {
	if cmd.Method == FIDO {
		key := j.attempt.key(cmd)
		return key != nil && !key.Verifies && j.attempt.ACR.Rank() > Single.Rank()
	}
	for _, way := range j.attempt.Ways {
		if len(way) == 1 && way[0] == cmd.Method {
			return false
		}
	}
	return true
}

// idle makes the calls to the HSM that judging one credential makes, and throws
// the results away: a refusal costs the same whatever its cause.
func (j *judgement) idle() error {
	s, ctx := j.service, j.ctx
	if err := s.idleJudge(ctx, j.method); err != nil {
		return problem.Away(err)
	}
	return away(s.idleSwap(ctx))
}
