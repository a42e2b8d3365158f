package fido_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"mohur/authn/fido"
)

// The relying party of the tests, and the time at which they happen.
const (
	rpID   = "bank.example"
	origin = "https://login.bank.example"
)

var (
	today  = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	handle = []byte("account-1")
	b64    = base64.RawURLEncoding
)

func settings() fido.Settings {
	return fido.Settings{RPID: rpID, RPName: "Bank", Origins: []string{origin, "https://bank.example:8443"}}
}

func relyingParty(t testing.TB, change ...func(*fido.Settings)) *fido.RelyingParty {
	t.Helper()
	s := settings()
	for _, c := range change {
		c(&s)
	}
	rp, err := fido.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

// challenge is a hash as the server makes them of challenge texts.
func challenge(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// Flags of authenticator data.
const (
	up, uv, be, bs, at, ed = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
)

// device is an authenticator with one credential. Its fields are what a test
// bends before it asks.
type device struct {
	t      testing.TB
	signer crypto.Signer
	cose   map[int]any
	id     []byte
	aaguid fido.AAGUID
	count  uint32
	flags  byte
	rpID   string
	origin string
	handle []byte // sent with assertions, unless nil

	clientData func(kind string, challenge []byte) string
	authData   func([]byte) []byte        // the last word on it, before it is signed
	statement  func(map[string]any)       // of an attestation, before it is encoded
	object     func(map[string]any)       // the attestation object, before it is encoded
	signature  func([]byte) []byte        // of an assertion
	response   func(map[string]any)       // what is beside it in the credential
	sign       func(signed []byte) []byte // in place of the key
	extensions map[string]any             // clientExtensionResults
}

// newDevice makes one with a fresh key of that algorithm.
func newDevice(t testing.TB, alg string) *device {
	t.Helper()
	d := &device{t: t, id: random(32), aaguid: model, flags: up | uv, rpID: rpID, origin: origin}
	d.signer, d.cose = newKey(t, alg)
	return d
}

// fixed numbers what fuzzing makes instead of dicing: every process of a fuzz run
// must have the keys and IDs that the seeds were made with.
var fixed int

func fix(f *testing.F) {
	fixed = 1
	f.Cleanup(func() { fixed = 0 })
}

func random(n int) []byte {
	b := make([]byte, n)
	if fixed == 0 {
		rand.Read(b)
		return b
	}
	fixed++
	for i := 0; i < n; i += sha256.Size {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", fixed, i))
		copy(b[i:], sum[:])
	}
	return b
}

func newKey(t testing.TB, alg string) (crypto.Signer, map[int]any) {
	t.Helper()
	ec := func(curve elliptic.Curve, id, crv int) (crypto.Signer, map[int]any) {
		k := ecKey(t, curve)
		raw, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		n := len(raw) / 2
		return k, map[int]any{1: 2, 3: id, -1: crv, -2: raw[1 : 1+n], -3: raw[1+n:]}
	}
	switch alg {
	case "ES256":
		return ec(elliptic.P256(), -7, 1)
	case "ES384":
		return ec(elliptic.P384(), -35, 2)
	case "ES512":
		return ec(elliptic.P521(), -36, 3)
	case "EdDSA":
		k := ed25519.NewKeyFromSeed(random(ed25519.SeedSize))
		return k, map[int]any{1: 1, 3: -8, -1: 6, -2: []byte(k.Public().(ed25519.PublicKey))}
	case "RS256":
		return rsaKey(t, 2048)
	}
	t.Fatal(alg)
	return nil, nil
}

func rsaKey(t testing.TB, bits int) (crypto.Signer, map[int]any) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k, map[int]any{1: 3, 3: -257, -1: k.N.Bytes(), -2: []byte{1, 0, 1}}
}

// signed signs as the algorithm of the key asks.
func (d *device) signed(message []byte) []byte {
	if d.sign != nil {
		return d.sign(message)
	}
	return signWith(d.t, d.signer, message)
}

func signWith(t testing.TB, key crypto.Signer, message []byte) []byte {
	t.Helper()
	hash := crypto.SHA256
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(k, message)
	case *ecdsa.PrivateKey:
		switch k.Curve {
		case elliptic.P384():
			hash = crypto.SHA384
		case elliptic.P521():
			hash = crypto.SHA512
		}
	}
	h := hash.New()
	h.Write(message)
	sig, err := key.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func (d *device) collected(kind string, challenge []byte) []byte {
	if d.clientData != nil {
		return []byte(d.clientData(kind, challenge))
	}
	return []byte(`{"type":"` + kind + `","challenge":"` + b64.EncodeToString(challenge) +
		`","origin":"` + d.origin + `","crossOrigin":false}`)
}

func (d *device) data(attested bool) []byte {
	hash := sha256.Sum256([]byte(d.rpID))
	flags := d.flags
	if attested {
		flags |= at
	}
	out := binary.BigEndian.AppendUint32(append(hash[:], flags), d.count)
	if attested {
		out = append(out, d.aaguid[:]...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(d.id)))
		out = append(append(out, d.id...), encode(d.t, d.cose)...)
	}
	if d.authData != nil {
		out = d.authData(out)
	}
	return out
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := webauthncbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// create answers a creation with that attestation: "none", "self", or by a maker.
func (d *device) create(challenge []byte, attest attester) []byte {
	d.t.Helper()
	clientData := d.collected("webauthn.create", challenge)
	hash := sha256.Sum256(clientData)
	data := d.data(true)
	format, statement := attest(d, data, hash[:])
	if d.statement != nil {
		d.statement(statement)
	}
	object := map[string]any{"fmt": format, "attStmt": statement, "authData": data}
	if d.object != nil {
		d.object(object)
	}
	return d.credential(map[string]any{
		"clientDataJSON":    b64.EncodeToString(clientData),
		"attestationObject": b64.EncodeToString(encode(d.t, object)),
		"transports":        []string{"usb", "nfc"},
	})
}

// get answers a request.
func (d *device) get(challenge []byte) []byte {
	d.t.Helper()
	clientData := d.collected("webauthn.get", challenge)
	hash := sha256.Sum256(clientData)
	data := d.data(false)
	sig := d.signed(slices.Concat(data, hash[:]))
	if d.signature != nil {
		sig = d.signature(sig)
	}
	response := map[string]any{
		"clientDataJSON":    b64.EncodeToString(clientData),
		"authenticatorData": b64.EncodeToString(data),
		"signature":         b64.EncodeToString(sig),
	}
	if d.handle != nil {
		response["userHandle"] = b64.EncodeToString(d.handle)
	}
	return d.credential(response)
}

func (d *device) credential(response map[string]any) []byte {
	d.t.Helper()
	if d.response != nil {
		d.response(response)
	}
	results := d.extensions
	if results == nil {
		results = map[string]any{}
	}
	out, err := json.Marshal(map[string]any{
		"id": b64.EncodeToString(d.id), "rawId": b64.EncodeToString(d.id), "type": "public-key",
		"response": response, "clientExtensionResults": results, "authenticatorAttachment": "cross-platform",
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// attester makes an attestation statement.
type attester func(d *device, authData, clientDataHash []byte) (string, map[string]any)

func none(*device, []byte, []byte) (string, map[string]any) { return "none", map[string]any{} }

func self(d *device, authData, hash []byte) (string, map[string]any) {
	return "packed", map[string]any{"alg": d.cose[3], "sig": d.signed(slices.Concat(authData, hash))}
}

// discard is for what cannot fail.
type discard struct{ testing.TB }

func (discard) Helper() {}
