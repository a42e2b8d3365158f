package fido

import (
	"bytes"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// RegistrationInput is a response to a creation, and what it is held against.
type RegistrationInput struct {
	Credential []byte // the JSON of PublicKeyCredential.toJSON
	Challenge  []byte // as in CreationInput
	// UserVerification says that it was required: without it, no registration.
	UserVerification bool
	Policy           Policy
	Metadata         *Metadata // nil when none is loaded: then nothing is trusted
	At               time.Time // of receipt
}

// Registration is what a response proves. The zero value is a refusal.
type Registration struct {
	OK     bool
	Reason Reason // "" when OK
	Detail string // for the audit log: short and printable, from the response in part

	// Record is what to store, unless the credential ID is stored already, for
	// whomever (section 7.1 step 26): that is the caller's to see.
	Record Record
	// Verdict is the policy's part of the answer, with warnings and the serial.
	Verdict Verdict
}

// VerifyRegistration judges a response by section 7.1 and the policy. The error
// says that the input other than the response is broken.
func (rp *RelyingParty) VerifyRegistration(in RegistrationInput) (Registration, error) {
	if len(in.Challenge) < minChallenge {
		return Registration{}, errChallenge
	}
	if in.At.IsZero() {
		return Registration{}, errors.New("fido: a registration without the time of its receipt")
	}
	if err := in.Policy.Check(); err != nil {
		return Registration{}, err
	}
	var record Record
	var verdict Verdict
	refused, err := guarded(func() (err error) {
		var chain error
		if record, chain, err = rp.register(in); err != nil {
			return err
		}
		if verdict = in.Policy.Judge(record, in.Metadata, in.At); verdict.OK {
			return nil
		}
		if chain != nil && verdict.Reason == record.Attestation.Doubt {
			verdict.Detail = clip(record.Attestation.Format + ": " + chain.Error())
		}
		return &refusal{verdict.Reason, verdict.Detail}
	})
	switch {
	case err != nil:
		return Registration{}, err
	case refused != nil:
		return Registration{Reason: refused.reason, Detail: refused.detail, Verdict: verdict}, nil
	}
	return Registration{OK: true, Record: record, Verdict: verdict}, nil
}

// register goes through section 7.1 up to the policy. Besides the record it
// returns what is wrong with the attestation's chain.
func (rp *RelyingParty) register(in RegistrationInput) (record Record, chain error, err error) {
	r, err := parseCreation(in.Credential)
	if err != nil {
		return record, nil, err
	}
	c, err := rp.checkClientData(r.clientData, typeCreate, in.Challenge)
	if err != nil {
		return record, nil, err
	}
	o, err := parseAttestation(r.object)
	if err != nil {
		return record, nil, err
	}
	d := o.data
	if o.format == FormatFIDOU2F {
		// The statement signs neither: such a key has no AAGUID and verifies nobody.
		d.aaguid, d.uv = AAGUID{}, false
	}
	if err := rp.checkAuthData(d, in.UserVerification); err != nil {
		return record, nil, err
	}
	attested := d.parsed.AttData
	if !bytes.Equal(attested.CredentialID, r.id) {
		return record, nil, refuse(WrongCredential, "the response attests another credential ID")
	}
	_, alg, err := parseKey(attested.CredentialPublicKey, rp.algs)
	if err != nil {
		return record, nil, err
	}
	if err := o.verify(c.hash); err != nil {
		return record, nil, err
	}
	record = rp.record(r, d, alg)
	chain = in.Metadata.attest(o, &record, in.At)
	return record, chain, nil
}

// record is step 27 of section 7.1.
func (rp *RelyingParty) record(r response, d authData, alg webauthncose.COSEAlgorithmIdentifier) Record {
	return Record{
		ID: bytes.Clone(r.id), RPID: rp.s.RPID,
		PublicKey: bytes.Clone(d.parsed.AttData.CredentialPublicKey), Algorithm: algorithmName(alg),
		SignCount: d.parsed.Counter, UVInitialized: d.uv,
		Transports:     r.transports,
		BackupEligible: d.be, BackupState: d.bs,
		Discoverable: r.discoverable, AAGUID: d.aaguid,
	}
}
