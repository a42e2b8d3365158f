package fido

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Reason says why a response, a key or its attestation was refused: a short
// word for the audit log and for metrics, never for the customer.
type Reason string

// What is wrong with the form of a response.
const (
	MalformedCredential  Reason = "malformed-credential"
	MalformedClientData  Reason = "malformed-client-data"
	MalformedAttestation Reason = "malformed-attestation"
	MalformedAuthData    Reason = "malformed-authenticator-data"
	LibraryFault         Reason = "library-fault"
)

// What is wrong with the ceremony (sections 7.1 and 7.2).
const (
	WrongType           Reason = "wrong-type"
	WrongChallenge      Reason = "wrong-challenge"
	WrongOrigin         Reason = "wrong-origin"
	CrossOrigin         Reason = "cross-origin"
	WrongTopOrigin      Reason = "wrong-top-origin"
	WrongRPID           Reason = "wrong-rp-id"
	UserNotPresent      Reason = "user-not-present"
	UserNotVerified     Reason = "user-not-verified"
	VerificationNew     Reason = "user-verification-new"
	BackupFlags         Reason = "backup-flags"
	AttestedData        Reason = "attested-data"
	WrongCredential     Reason = "wrong-credential"
	WrongUserHandle     Reason = "wrong-user-handle"
	KeyAlgorithm        Reason = "key-algorithm"
	WrongSignature      Reason = "wrong-signature"
	EligibilityChanged  Reason = "backup-eligibility-changed"
	CounterWentBack     Reason = "counter-went-back"
	AttestationFormat   Reason = "attestation-format"
	AttestationInvalid  Reason = "attestation-invalid"
	AttestationWeak     Reason = "attestation-algorithm"
	AttestationCertPart Reason = "attestation-certificate"
)

// What the policy does not accept.
const (
	AttestationNone      Reason = "attestation-none"
	AttestationSelf      Reason = "attestation-self"
	AttestationUntrusted Reason = "attestation-untrusted"
	AAGUIDUnproven       Reason = "aaguid-unproven"
	AAGUIDDenied         Reason = "aaguid-denied"
	AAGUIDNotAllowed     Reason = "aaguid-not-allowed"
	MetadataMissing      Reason = "metadata-missing"
	MetadataStale        Reason = "metadata-stale"
	ModelUnknown         Reason = "model-unknown"
	ModelCompromised     Reason = "model-compromised"
	ModelRetired         Reason = "model-retired"
	CertificationLevel   Reason = "certification-level"
	KeyProtection        Reason = "key-protection"
	Synced               Reason = "synced"
	SerialMissing        Reason = "serial-missing"
)

// texts says each reason in a sentence.
var texts = map[Reason]string{
	MalformedCredential:  "the credential is not the JSON of a WebAuthn response, or a member stands in it twice or in other letters",
	MalformedClientData:  "clientDataJSON is not one JSON object in UTF-8 with each member once and in the standard's letters",
	MalformedAttestation: "the attestation object or its statement has not the form of its format",
	MalformedAuthData:    "the authenticator data or the public key in it cannot be read",
	LibraryFault:         "a parser failed on the bytes; whoever sent them may have meant it to",

	WrongType:           "the response belongs to the other ceremony",
	WrongChallenge:      "the response answers another challenge",
	WrongOrigin:         "the page is not one of the bank's origins: phishing, or a setting that is missing",
	CrossOrigin:         "the ceremony ran in a frame inside another site's page",
	WrongTopOrigin:      "the page around the frame is not told, or not one of top_origins",
	WrongRPID:           "the authenticator, or the record, speaks for another relying party",
	UserNotPresent:      "the authenticator did not see a person",
	UserNotVerified:     "user verification was asked for and did not happen",
	VerificationNew:     "the key verifies its user since after its enrolment; another factor must vouch for that once",
	BackupFlags:         "the key claims to be backed up and not to be eligible for backup",
	AttestedData:        "a registration without attested credential data, or an assertion with it",
	WrongCredential:     "the credential is not the one that was asked for or that the response attests",
	WrongUserHandle:     "the credential belongs to another account, or does not say to which",
	KeyAlgorithm:        "the public key is not of an accepted algorithm, on its curve and of its size",
	WrongSignature:      "the signature does not verify under the stored key",
	EligibilityChanged:  "a property that never changes changed: eligibility for backup",
	CounterWentBack:     "the signature counter did not go up: there may be a copy of the key",
	AttestationFormat:   "the attestation statement format is not accepted",
	AttestationInvalid:  "the attestation statement does not verify",
	AttestationWeak:     "the attestation is signed with an algorithm or a key below 112 bits of strength",
	AttestationCertPart: "the attestation certificate is not one for FIDO keys, or for another model",

	AttestationNone:      "the policy asks for attestation and there is none",
	AttestationSelf:      "the policy asks for the maker's attestation; the key attests itself",
	AttestationUntrusted: "the attestation certificate leads to no root that the metadata names for this model",
	AAGUIDUnproven:       "the root serves several models and the certificate does not name this one",
	AAGUIDDenied:         "the model is on the policy's deny list",
	AAGUIDNotAllowed:     "the model is not on the policy's allow list",
	MetadataMissing:      "no metadata is loaded, so no attestation can be trusted",
	MetadataStale:        "the metadata is older than the policy bears",
	ModelUnknown:         "the metadata does not know the model, or its entry cannot be read",
	ModelCompromised:     "the metadata reports the model revoked or compromised",
	ModelRetired:         "the maker retired the model: no new keys of it",
	CertificationLevel:   "the model's certification is below the policy's minimum",
	KeyProtection:        "the model does not protect its keys as the policy asks",
	Synced:               "the key can be copied to other devices and the policy does not accept that",
	SerialMissing:        "the policy asks for enterprise attestation and the certificate names no serial",
}

// Text says the reason in a sentence, for an operator.
func (r Reason) Text() string { return texts[r] }

// refusal travels as an error inside this package and leaves it as a value.
type refusal struct {
	reason Reason
	detail string
}

func (r *refusal) Error() string { return string(r.reason) + ": " + r.detail }

// refuse makes a refusal. Whatever of a response is in the detail must be
// quoted by the format.
func refuse(reason Reason, format string, args ...any) error {
	return &refusal{reason, clip(fmt.Sprintf(format, args...))}
}

// clip keeps a detail short and printable: it goes into the audit log.
func clip(s string) string {
	const most = 240
	if len(s) > most {
		s = s[:most] + "…"
	}
	q := strconv.QuoteToGraphic(s)
	return q[1 : len(q)-1]
}

// guarded runs a judgement on bytes from outside. A panic on the way is a
// refusal of those bytes; only that is caught, and nothing has been consumed.
func guarded(judge func() error) (r *refusal, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = &refusal{LibraryFault, clip(fmt.Sprint(p))}, nil
		}
	}()
	err = judge()
	if errors.As(err, &r) {
		return r, nil
	}
	return nil, err
}

// Reasons returns every reason, sorted.
func Reasons() []Reason { return slices.Sorted(maps.Keys(texts)) }
