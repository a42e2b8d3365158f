package fido

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// AssertionInput is a response to a request, and what it is held against.
type AssertionInput struct {
	Credential []byte // the JSON of PublicKeyCredential.toJSON
	Challenge  []byte // as in RequestInput
	// Allowed are the credential IDs that were offered; nil when none were, and
	// then the response must name the account.
	Allowed [][]byte
	// UserHandle is that of the account the stored record belongs to. What the
	// response says of the account must agree.
	UserHandle []byte
	// UserVerification says that it was required.
	UserVerification bool
	// SecondFactor says that another factor of this person was proved in the same
	// attempt. It lets a key that was enrolled without user verification begin
	// with it (section 7.2 step 25).
	SecondFactor bool
}

// Assertion is what a response proves. The zero value is a refusal.
type Assertion struct {
	OK     bool
	Reason Reason // "" when OK
	Detail string // for the audit log: short and printable, from the response in part
	// Clone says that two devices may hold this key: suspend the credential and
	// open an incident. The signature was right then.
	Clone bool
	// Changed says that the key broke a promise of its registration (eligibility
	// for backup): suspend it, too. The signature was right.
	Changed bool

	// UserVerified says that the authenticator verified its user and that this
	// counts: by a PIN or a finger, which of them is not told.
	UserVerified bool
	// Next is what to store in place of the record that was given.
	Next Record
}

// Factors returns how many factors the response proves: possession, and with
// user verification one more; 0 for a refusal.
func (a Assertion) Factors() int {
	switch {
	case !a.OK:
		return 0
	case a.UserVerified:
		return 2
	}
	return 1
}

// AMR returns the RFC 8176 values for what was verified, sorted: pop, hwk where a
// trusted attestation says that the key cannot leave its hardware, and with user
// verification user and mfa.
func (a Assertion) AMR() []string {
	if !a.OK {
		return nil
	}
	amr := []string{"pop"}
	if a.Next.Hardware() {
		amr = append(amr, "hwk")
	}
	if a.UserVerified {
		amr = append(amr, "user", "mfa")
	}
	slices.Sort(amr)
	return amr
}

// VerifyAssertion judges a response by section 7.2 against the record that the
// last success returned. The error says that the record or the input other than
// the response is broken; it is no refusal and must not count as one.
func (rp *RelyingParty) VerifyAssertion(stored Record, in AssertionInput) (Assertion, error) {
	switch {
	case len(in.Challenge) < minChallenge:
		return Assertion{}, errChallenge
	case len(in.UserHandle) == 0:
		return Assertion{}, errors.New("fido: an assertion without the account's user handle")
	case len(stored.ID) == 0:
		return Assertion{}, errors.New("fido: an assertion without a record")
	}
	key, alg, err := parseKey(stored.PublicKey, allAlgorithms)
	if err != nil {
		return Assertion{}, fmt.Errorf("fido: the record's key: %w", withoutReason(err))
	}
	var a Assertion
	refused, err := guarded(func() (err error) {
		a, err = rp.assert(stored, key, alg, in)
		return err
	})
	switch {
	case err != nil:
		return Assertion{}, err
	case refused != nil:
		return Assertion{Reason: refused.reason, Detail: refused.detail,
			Clone: refused.reason == CounterWentBack, Changed: refused.reason == EligibilityChanged}, nil
	}
	return a, nil
}

// assert goes through section 7.2. What has consequences beyond a refusal, a
// clone or a broken promise, is looked at only behind the signature: a stranger
// must not suspend anybody's key.
func (rp *RelyingParty) assert(stored Record, key any, alg webauthncose.COSEAlgorithmIdentifier, in AssertionInput) (Assertion, error) {
	r, err := parseAssertion(in.Credential)
	if err != nil {
		return Assertion{}, err
	}
	if err := identify(stored, r, in); err != nil {
		return Assertion{}, err
	}
	switch {
	case stored.RPID != rp.s.RPID:
		return Assertion{}, refuse(WrongRPID, "the record is of %q", stored.RPID)
	case !slices.Contains(rp.algs, alg):
		return Assertion{}, refuse(KeyAlgorithm, "%s is no longer accepted", algorithmName(alg))
	}
	c, err := rp.checkClientData(r.clientData, typeGet, in.Challenge)
	if err != nil {
		return Assertion{}, err
	}
	d, err := parseAuthData(r.authData, false)
	if err != nil {
		return Assertion{}, err
	}
	if err := rp.checkAuthData(d, in.UserVerification); err != nil {
		return Assertion{}, err
	}
	if err := verifySignature(key, slices.Concat(r.authData, c.hash), r.signature); err != nil {
		return Assertion{}, err
	}
	next, err := advance(stored, d)
	if err != nil {
		return Assertion{}, err
	}
	// A thief can set a PIN on a key that had none, so verification that begins
	// later is no second factor until another one vouched for it.
	next.UVInitialized = stored.UVInitialized || d.uv && in.SecondFactor
	if in.UserVerification && !next.UVInitialized {
		return Assertion{}, refuse(VerificationNew, "enrolled without user verification")
	}
	return Assertion{OK: true, UserVerified: d.uv && next.UVInitialized, Next: next}, nil
}

// identify is steps 5 and 6 of section 7.2: the credential was offered, is the
// stored one, and belongs to the account.
func identify(stored Record, r response, in AssertionInput) error {
	if !bytes.Equal(r.id, stored.ID) {
		return refuse(WrongCredential, "not the credential of the record")
	}
	if in.Allowed != nil && !slices.ContainsFunc(in.Allowed, func(id []byte) bool { return bytes.Equal(id, r.id) }) {
		return refuse(WrongCredential, "not one of those offered")
	}
	switch {
	case r.userHandle != nil && subtle.ConstantTimeCompare(r.userHandle, in.UserHandle) != 1:
		return refuse(WrongUserHandle, "of another account")
	case r.userHandle == nil && in.Allowed == nil:
		return refuse(WrongUserHandle, "none, although no credential was offered")
	}
	return nil
}

// advance holds the signed data against the stored record and returns the next
// one (steps 19, 23 and 25 of section 7.2). A counter that does not go up is a
// refusal, by the bank's rule; the standard calls it a signal.
func advance(stored Record, d authData) (Record, error) {
	if d.be != stored.BackupEligible {
		return Record{}, refuse(EligibilityChanged, "BE was %t and is %t", stored.BackupEligible, d.be)
	}
	count := d.parsed.Counter
	if (count != 0 || stored.SignCount != 0) && count <= stored.SignCount {
		return Record{}, refuse(CounterWentBack, "%d after %d", count, stored.SignCount)
	}
	next := stored
	next.SignCount, next.BackupState = count, d.bs
	return next, nil
}

// withoutReason strips the reason: a broken record is nobody's refusal.
func withoutReason(err error) error {
	var r *refusal
	if errors.As(err, &r) {
		return errors.New(r.detail)
	}
	return err
}
