package fido

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of what is read. A response is a few kilobytes; certificates of a TPM
// make it ten.
const (
	maxCredential = 64 << 10
	maxClientData = 8 << 10
	maxID         = 1023 // bytes of a credential ID (section 7.1)
	maxTransports = 16
)

// response is a PublicKeyCredential as its toJSON writes it (section 5.1).
type response struct {
	id           []byte
	clientData   []byte
	object       []byte // attestationObject
	transports   []string
	discoverable *bool  // credProps.rk
	authData     []byte // authenticatorData of an assertion
	signature    []byte
	userHandle   []byte // nil when there is none
}

// parseCredential reads the members both ceremonies have, and returns those of
// response for the rest.
func parseCredential(credential []byte) (response, map[string]jsontext.Value, error) {
	var r response
	if len(credential) > maxCredential {
		return r, nil, refuse(MalformedCredential, "%d bytes, at most %d", len(credential), maxCredential)
	}
	outer, err := members(credential, "id", "rawId", "type", "response", "clientExtensionResults", "authenticatorAttachment")
	if err != nil {
		return r, nil, refuse(MalformedCredential, "%v", err)
	}
	inner, err := members(outer["response"], "clientDataJSON", "attestationObject", "authenticatorData", "signature",
		"userHandle", "transports", "publicKey", "publicKeyAlgorithm")
	if err != nil {
		return r, nil, refuse(MalformedCredential, "response: %v", err)
	}
	var kind string
	if err := value(outer, "type", &kind); err != nil || kind != "public-key" {
		return r, nil, refuse(MalformedCredential, "type is not public-key")
	}
	if r.id, err = binary(outer, "id"); err != nil {
		return r, nil, err
	}
	raw, err := binary(outer, "rawId")
	if err != nil {
		return r, nil, err
	}
	if len(r.id) == 0 || len(r.id) > maxID || !bytes.Equal(r.id, raw) {
		return r, nil, refuse(MalformedCredential, "id and rawId are not the same 1 to %d bytes", maxID)
	}
	if r.clientData, err = binary(inner, "clientDataJSON"); err != nil {
		return r, nil, err
	}
	r.discoverable, err = credProps(outer["clientExtensionResults"])
	return r, inner, err
}

// parseCreation reads the response to a creation.
func parseCreation(credential []byte) (response, error) {
	r, inner, err := parseCredential(credential)
	if err != nil {
		return r, err
	}
	if r.object, err = binary(inner, "attestationObject"); err != nil {
		return r, err
	}
	var told []string
	if err := value(inner, "transports", &told); err != nil && inner["transports"] != nil {
		return r, refuse(MalformedCredential, "transports is not a list of strings")
	}
	for _, t := range told {
		if len(t) > 32 || len(told) > maxTransports {
			return r, refuse(MalformedCredential, "transports is too long")
		}
	}
	slices.Sort(told)
	r.transports = slices.Compact(told)
	return r, nil
}

// parseAssertion reads the response to a request.
func parseAssertion(credential []byte) (response, error) {
	r, inner, err := parseCredential(credential)
	if err != nil {
		return r, err
	}
	if r.authData, err = binary(inner, "authenticatorData"); err != nil {
		return r, err
	}
	if r.signature, err = binary(inner, "signature"); err != nil {
		return r, err
	}
	if h := inner["userHandle"]; h != nil && string(h) != "null" {
		if r.userHandle, err = binary(inner, "userHandle"); err != nil {
			return r, err
		}
	}
	return r, nil
}

// Peek reads from an assertion which credential and which account it claims,
// so that the record can be looked up; nothing of it is proved. The handle is nil
// when the response has none.
func Peek(credential []byte) (id, userHandle []byte, reason Reason) {
	refused, _ := guarded(func() error {
		r, err := parseAssertion(credential)
		id, userHandle = r.id, r.userHandle
		return err
	})
	if refused != nil {
		return nil, nil, refused.reason
	}
	return id, userHandle, ""
}

// credProps reads whether the client made a discoverable credential (section
// 10.1.3); nil when it does not say.
func credProps(results jsontext.Value) (*bool, error) {
	if results == nil || string(results) == "null" {
		return nil, nil
	}
	var ext struct {
		CredProps struct {
			RK *bool `json:"rk"`
		} `json:"credProps"`
	}
	if err := json.Unmarshal(results, &ext); err != nil {
		return nil, refuse(MalformedCredential, "clientExtensionResults: %v", err)
	}
	return ext.CredProps.RK, nil
}

// members splits a JSON object. Duplicate names, text that is not UTF-8, a byte
// order mark and trailing data are errors, and so is a known name in other
// letters: some decoder on the way may take it for the name itself.
func members(object []byte, known ...string) (map[string]jsontext.Value, error) {
	var m map[string]jsontext.Value
	if err := json.Unmarshal(object, &m); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("null is not an object")
	}
	for name := range m {
		for _, k := range known {
			if name != k && strings.EqualFold(name, k) {
				return nil, errors.New("the member " + k + " in other letters")
			}
		}
	}
	return m, nil
}

func value(m map[string]jsontext.Value, name string, to any) error {
	v, ok := m[name]
	if !ok || string(v) == "null" {
		return errors.New("missing")
	}
	return json.Unmarshal(v, to)
}

// encoding is base64url in its one form (RFC 4648 section 5): no padding, no
// bits left over.
var encoding = base64.RawURLEncoding.Strict()

func binary(m map[string]jsontext.Value, name string) ([]byte, error) {
	var s string
	if err := value(m, name, &s); err != nil {
		return nil, refuse(MalformedCredential, "%s is missing or not a string", name)
	}
	// The decoder skips line breaks, so they are looked for first.
	if strings.ContainsAny(s, "\r\n") {
		return nil, refuse(MalformedCredential, "%s is not base64url", name)
	}
	b, err := encoding.DecodeString(s)
	if err != nil {
		return nil, refuse(MalformedCredential, "%s is not base64url without padding", name)
	}
	return b, nil
}
