package card

import "context"

// VerifyClient judges the certificate of a TLS client, for log-in only. TLS has
// verified that the client holds its key, the caller says by ClientInput.
func (v *Verifier) VerifyClient(ctx context.Context, in ClientInput) Verdict {
	return guarded(func(out *Verdict) error { return v.client(ctx, in, out) })
}

func (v *Verifier) client(ctx context.Context, in ClientInput, out *Verdict) error {
	if len(in.Chain) == 0 || in.Chain[0] == nil || in.At.IsZero() {
		return refuse(CallerFault, "no time or no certificate")
	}
	// What is judged are the bytes, and not what somebody made of them.
	c, err := v.certificate(ctx, in.Chain[0].Raw, logIn, in.At, in.Stored, out)
	if err != nil {
		return err
	}
	if !c.profile.usable(c.PublicKey) {
		return refuse(WrongAlgorithm, "the profile takes no algorithm of a key of %s", kind(c.PublicKey))
	}
	if err := v.inForce(ctx, c, in.At, out); err != nil {
		return err
	}
	out.Record, out.Shown = c.record, ShownNone
	return nil
}
