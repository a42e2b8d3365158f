// Package fido verifies FIDO2 keys: registrations and assertions by Web
// Authentication Level 3 (sections 7.1 and 7.2), attestation by the metadata of
// the FIDO Alliance (MDS 3), and the bank's policy over both.
//
// It is a leaf. A response goes in, evidence comes out: no store, no HSM, and
// nothing is consumed. What a response does not prove is a refusal, a value with
// a reason for the audit log; an error means that the caller's own input is
// broken. Nothing opens by being absent: a zero policy accepts only attested,
// certified-as-known hardware that cannot be copied, and without metadata no
// attestation is trusted.
//
// CBOR, COSE keys and the attestation formats are go-webauthn's. What that library
// leaves to its caller is added here: strict client data, keys bound to
// algorithms and sizes, trust anchors, status reports. A panic of a parser on
// hostile bytes is a refusal, too.
package fido
