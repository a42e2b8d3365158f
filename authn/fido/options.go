package fido

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
)

// Need is how much a ceremony insists: on user verification, or on a
// discoverable credential (sections 5.8.6 and 5.4.6).
type Need string

// The three degrees.
const (
	Required    Need = "required"
	Preferred   Need = "preferred"
	Discouraged Need = "discouraged"
)

// Conveyance is what a client is asked to tell of the authenticator's maker
// (section 5.4.7).
type Conveyance string

// Of indirect attestation there is none: nothing can be trusted in it.
const (
	ConveyNone       Conveyance = "none"
	ConveyDirect     Conveyance = "direct"
	ConveyEnterprise Conveyance = "enterprise"
)

// Descriptor names a credential to a client.
type Descriptor struct {
	ID         []byte
	Transports []string // as the client told them at registration
}

// User is the account as an authenticator keeps it.
type User struct {
	// Handle is opaque, 1 to 64 bytes, the same at every registration of this
	// account and saying nothing of the person (section 14.6.1).
	Handle []byte
	// Name and DisplayName are shown by the client when a person chooses.
	Name, DisplayName string
}

// CreationInput is what one registration asks for.
type CreationInput struct {
	// Challenge is the SHA-256 of the challenge text; at least 16 bytes.
	Challenge []byte
	User      User
	// Exclude are the credentials the account has already.
	Exclude []Descriptor
	// ResidentKey asks for a discoverable credential, discouraged when empty.
	ResidentKey Need
	// UserVerification is required when empty.
	UserVerification Need
	// Attestation is what the policy needs, see Policy.Conveyance; none when empty.
	Attestation Conveyance
	// Attachment is "platform", "cross-platform" or, for either, empty.
	Attachment string
	// Hints are of security-key, client-device and hybrid, the likeliest first.
	Hints []string
	// Timeout replaces that of the settings.
	Timeout time.Duration
}

// RequestInput is what one assertion asks for.
type RequestInput struct {
	// Challenge is the SHA-256 of the challenge text; at least 16 bytes.
	Challenge []byte
	// Allow are the credentials that may answer; none asks for a discoverable one.
	Allow []Descriptor
	// UserVerification is required when empty.
	UserVerification Need
	// Hints are of security-key, client-device and hybrid, the likeliest first.
	Hints []string
	// Timeout replaces that of the settings.
	Timeout time.Duration
}

const minChallenge = 16 // bytes (section 13.4.3)

var errChallenge = fmt.Errorf("fido: a challenge needs at least %d bytes", minChallenge)

// CreationOptions returns the JSON of PublicKeyCredentialCreationOptions
// (section 5.4) that a page passes to
// PublicKeyCredential.parseCreationOptionsFromJSON: what stands under publicKey.
func (rp *RelyingParty) CreationOptions(in CreationInput) ([]byte, error) {
	switch {
	case len(in.Challenge) < minChallenge:
		return nil, errChallenge
	case len(in.User.Handle) == 0 || len(in.User.Handle) > 64:
		return nil, errors.New("fido: a user handle has 1 to 64 bytes")
	}
	resident, err := need(in.ResidentKey, Discouraged)
	if err != nil {
		return nil, err
	}
	verification, err := need(in.UserVerification, Required)
	if err != nil {
		return nil, err
	}
	switch in.Attestation {
	case "", ConveyNone, ConveyDirect, ConveyEnterprise:
	default:
		return nil, fmt.Errorf("fido: %q is not an attestation conveyance", in.Attestation)
	}
	hints, err := hintList(in.Hints)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "platform", "cross-platform"}, in.Attachment) {
		return nil, fmt.Errorf("fido: %q is not an attachment", in.Attachment)
	}
	o := protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{
			CredentialEntity: protocol.CredentialEntity{Name: rp.s.RPName}, ID: rp.s.RPID,
		},
		User: protocol.UserEntity{
			CredentialEntity: protocol.CredentialEntity{Name: in.User.Name},
			DisplayName:      in.User.DisplayName, ID: protocol.URLEncodedBase64(in.User.Handle),
		},
		Challenge:             in.Challenge,
		Timeout:               rp.timeout(in.Timeout),
		CredentialExcludeList: descriptors(in.Exclude),
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			AuthenticatorAttachment: protocol.AuthenticatorAttachment(in.Attachment),
			ResidentKey:             protocol.ResidentKeyRequirement(resident),
			UserVerification:        protocol.UserVerificationRequirement(verification),
		},
		Hints:       hints,
		Attestation: protocol.ConveyancePreference(in.Attestation),
		// Tells whether the credential became discoverable (section 10.1.3).
		Extensions: protocol.AuthenticationExtensions{CredProps: true},
	}
	if resident == Required { // for clients of Level 1 (section 5.4.4)
		o.AuthenticatorSelection.RequireResidentKey = protocol.ResidentKeyRequired()
	}
	for _, alg := range rp.algs {
		o.Parameters = append(o.Parameters, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: alg})
	}
	return json.Marshal(o)
}

// RequestOptions returns the JSON of PublicKeyCredentialRequestOptions (section
// 5.5) that a page passes to PublicKeyCredential.parseRequestOptionsFromJSON.
func (rp *RelyingParty) RequestOptions(in RequestInput) ([]byte, error) {
	if len(in.Challenge) < minChallenge {
		return nil, errChallenge
	}
	verification, err := need(in.UserVerification, Required)
	if err != nil {
		return nil, err
	}
	hints, err := hintList(in.Hints)
	if err != nil {
		return nil, err
	}
	return json.Marshal(protocol.PublicKeyCredentialRequestOptions{
		Challenge:          in.Challenge,
		Timeout:            rp.timeout(in.Timeout),
		RelyingPartyID:     rp.s.RPID,
		AllowedCredentials: descriptors(in.Allow),
		UserVerification:   protocol.UserVerificationRequirement(verification),
		Hints:              hints,
	})
}

func need(n, otherwise Need) (Need, error) {
	switch n {
	case "":
		return otherwise, nil
	case Required, Preferred, Discouraged:
		return n, nil
	}
	return "", fmt.Errorf("fido: %q is not one of required, preferred, discouraged", n)
}

func hintList(names []string) ([]protocol.PublicKeyCredentialHints, error) {
	var hints []protocol.PublicKeyCredentialHints
	for _, n := range names {
		h := protocol.PublicKeyCredentialHints(n)
		switch h {
		case protocol.PublicKeyCredentialHintSecurityKey, protocol.PublicKeyCredentialHintClientDevice,
			protocol.PublicKeyCredentialHintHybrid:
			hints = append(hints, h)
		default:
			return nil, fmt.Errorf("fido: %q is not one of the hints security-key, client-device, hybrid", n)
		}
	}
	return hints, nil
}

func (rp *RelyingParty) timeout(own time.Duration) int {
	if own <= 0 {
		own = rp.s.Timeout
	}
	return int(own.Milliseconds())
}

func descriptors(list []Descriptor) []protocol.CredentialDescriptor {
	var out []protocol.CredentialDescriptor
	for _, d := range list {
		c := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: d.ID}
		for _, t := range d.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, c)
	}
	return out
}

// mustJSON encodes what cannot fail to encode.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
