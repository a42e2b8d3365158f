package fido

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/go-webauthn/webauthn/protocol"
)

// authData is the authenticator's part of a response (section 6.1).
type authData struct {
	raw     []byte
	parsed  protocol.AuthenticatorData
	aaguid  AAGUID
	present bool
	uv      bool
	be, bs  bool
}

// parseAuthData reads authenticator data to its last byte. attested says whether
// attested credential data must be there or must not: section 6.1 has no third
// case.
func parseAuthData(raw []byte, attested bool) (authData, error) {
	d := authData{raw: raw}
	if err := d.parsed.Unmarshal(raw); err != nil {
		return d, refuse(MalformedAuthData, "%v", err)
	}
	flags := d.parsed.Flags
	if flags.HasAttestedCredentialData() != attested {
		return d, refuse(AttestedData, "the flag is %t", !attested)
	}
	if attested {
		if n := len(d.parsed.AttData.CredentialID); n == 0 || n > maxID {
			return d, refuse(MalformedAuthData, "a credential ID of %d bytes", n)
		}
		copy(d.aaguid[:], d.parsed.AttData.AAGUID)
	}
	d.present, d.uv = flags.HasUserPresent(), flags.HasUserVerified()
	d.be, d.bs = flags.HasBackupEligible(), flags.HasBackupState()
	return d, nil
}

// checkAuthData is steps 14 to 18 of section 7.1, 16 to 20 of section 7.2.
func (rp *RelyingParty) checkAuthData(d authData, verification bool) error {
	want := sha256.Sum256([]byte(rp.s.RPID))
	switch {
	case subtle.ConstantTimeCompare(d.parsed.RPIDHash, want[:]) != 1:
		return refuse(WrongRPID, "the hash is not that of %s", rp.s.RPID)
	case !d.present:
		return refuse(UserNotPresent, "UP is not set")
	case verification && !d.uv:
		return refuse(UserNotVerified, "UV is not set")
	case d.bs && !d.be:
		return refuse(BackupFlags, "BS is set and BE is not")
	}
	return nil
}
