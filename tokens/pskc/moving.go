package pskc

import (
	"errors"
	"math"
	"time"

	"mohur/tokens/seedfile"
)

// setStep sets the step of TOTP from <TimeInterval>, and of OCRA from its
// suite, with which the file has to agree.
func (r *record) setStep(k *Key) error {
	if k.Algorithm == HOTP {
		return nil
	}
	k.Step = time.Duration(r.params.ocra.TimeStep) * time.Second
	if !r.interval.present() {
		if k.Algorithm == TOTP {
			return errors.New("there is no <TimeInterval>")
		}
		return nil
	}
	n, err := r.interval.number(math.MaxInt32)
	if err != nil {
		return err
	}
	step := time.Duration(n) * time.Second
	if k.Algorithm == OCRA {
		if k.Step != 0 && step != k.Step {
			return errors.New("<TimeInterval> and the OCRA suite differ")
		}
		return nil
	}
	if step < seedfile.MinStep || step > seedfile.MaxStep {
		return errors.New("<TimeInterval> is outside 10 to 300 seconds")
	}
	k.Step = step
	return nil
}

// setTime sets the device's clock as the manufacturer knew it. Without <Time>
// it counts from 1970, as RFC 6238 has it.
func (r *record) setTime(k *Key) error {
	if k.Algorithm != TOTP {
		return nil
	}
	if r.time.present() {
		n, err := r.time.number(math.MaxInt64)
		if err != nil {
			return err
		}
		k.Time = uint64(n)
	}
	if !r.drift.present() {
		return nil
	}
	n, err := r.drift.between(-seedfile.MaxDrift, seedfile.MaxDrift)
	k.Drift = int(n)
	return err
}
