//go:build cgo

package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	p11 "github.com/miekg/pkcs11"
)

// The most that is read of one token.
const (
	maxCertificates   = 32
	maxCertificateDER = 16 << 10
)

// withModule loads the module and does what is asked. The process ends soon
// after, so nothing here is shared and little is put away.
func withModule(q request, pin []byte) response {
	if !filepath.IsAbs(q.Module) {
		return failed(&Failure{Kind: Module, Detail: "the module needs to be named with its directory"})
	}
	if err := onlyFrom(q.Module); err != nil {
		return failed(&Failure{Kind: Module, Detail: "it cannot be loaded: " + err.Error()})
	}
	m := p11.New(q.Module)
	if m == nil {
		return failed(&Failure{Kind: Module, Detail: "it cannot be loaded, or is no PKCS#11 module"})
	}
	if err := m.Initialize(); err != nil {
		return failed(device(err, "C_Initialize"))
	}
	defer finish(m)
	if q.Op == opSign {
		signature, f := sign(m, q, pin)
		return response{Signature: signature, Failure: f}
	}
	if q.Op != opList {
		return keyWork(m, q, pin)
	}
	tokens, f := tokens(m)
	return response{Tokens: tokens, Failure: f}
}

// finish lets the module leave the card as it should, but not for ever: the
// answer is there already.
func finish(m *p11.Ctx) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.Finalize()
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
	}
}

func tokens(m *p11.Ctx) ([]Token, *Failure) {
	slots, err := m.GetSlotList(true)
	if err != nil {
		return nil, device(err, "C_GetSlotList")
	}
	var found []Token
	var failure *Failure
	for _, slot := range slots {
		t, err := tell(m, slot)
		switch {
		case gone(err):
		case err != nil: // of a strange card, perhaps, beside the customer's
			failure = device(err, "a token cannot be read")
		default:
			found = append(found, t)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	return nil, failure
}

// tell reads what a token tells everybody.
func tell(m *p11.Ctx, slot uint) (Token, error) {
	about, err := m.GetSlotInfo(slot)
	if err != nil {
		return Token{}, err
	}
	info, err := m.GetTokenInfo(slot)
	if err != nil {
		return Token{}, err
	}
	t := Token{
		Reader: about.SlotDescription, Label: info.Label, Manufacturer: info.ManufacturerID, Model: info.Model, Serial: info.SerialNumber,
		PINLow: info.Flags&p11.CKF_USER_PIN_COUNT_LOW != 0, PINLast: info.Flags&p11.CKF_USER_PIN_FINAL_TRY != 0,
		PINLocked: info.Flags&p11.CKF_USER_PIN_LOCKED != 0, PINPad: info.Flags&p11.CKF_PROTECTED_AUTHENTICATION_PATH != 0,
		PINUnset: info.Flags&p11.CKF_USER_PIN_INITIALIZED == 0, PINChange: info.Flags&p11.CKF_USER_PIN_TO_BE_CHANGED != 0,
		MinPIN: plausible(info.MinPinLen), MaxPIN: plausible(info.MaxPinLen),
	}
	if mechanisms, err := m.GetMechanismList(slot); err == nil {
		for _, mechanism := range mechanisms {
			t.Mechanisms = append(t.Mechanisms, mechanism.Mechanism)
		}
	}
	if info.Flags&p11.CKF_TOKEN_INITIALIZED == 0 {
		return t, nil
	}
	session, err := m.OpenSession(slot, p11.CKF_SERIAL_SESSION)
	if err != nil {
		return Token{}, err
	}
	defer func() { _ = m.CloseSession(session) }()
	t.Certificates, err = certificates(m, session)
	return t, err
}

// plausible: modules without a bound write the largest number there is.
func plausible(length uint) int {
	if length > maxPIN {
		return 0
	}
	return int(length)
}

func certificates(m *p11.Ctx, session p11.SessionHandle) ([]Certificate, error) {
	objects, err := find(m, session, maxCertificates,
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_CERTIFICATE), p11.NewAttribute(p11.CKA_CERTIFICATE_TYPE, p11.CKC_X_509))
	if err != nil {
		return nil, err
	}
	var found []Certificate
	for _, object := range objects {
		der, err := attribute(m, session, object, p11.CKA_VALUE)
		if gone(err) {
			return nil, err
		}
		if err != nil || len(der) == 0 || len(der) > maxCertificateDER {
			continue // an empty place of the card
		}
		id, _ := attribute(m, session, object, p11.CKA_ID)
		label, _ := attribute(m, session, object, p11.CKA_LABEL)
		found = append(found, Certificate{ID: id, Label: string(label), DER: der})
	}
	return found, nil
}

func find(m *p11.Ctx, session p11.SessionHandle, most int, template ...*p11.Attribute) ([]p11.ObjectHandle, error) {
	if err := m.FindObjectsInit(session, template); err != nil {
		return nil, err
	}
	objects, _, err := m.FindObjects(session, most)
	if e := m.FindObjectsFinal(session); err == nil {
		err = e
	}
	return objects, err
}

func attribute(m *p11.Ctx, session p11.SessionHandle, object p11.ObjectHandle, typ uint) ([]byte, error) {
	got, err := m.GetAttributeValue(session, object, []*p11.Attribute{p11.NewAttribute(typ, nil)})
	if err != nil || len(got) == 0 {
		return nil, err
	}
	return got[0].Value, nil
}

// sign looks the certificate up again, since the card may be another one by now,
// logs in once and signs.
func sign(m *p11.Ctx, q request, pin []byte) ([]byte, *Failure) {
	how, input, f := prepare(q.Algorithm, q.Digest)
	if f != nil {
		return nil, f
	}
	slot, f := place(m, q)
	if f != nil {
		return nil, f
	}
	if f := mayTry(m, slot, q.LastTry); f != nil {
		return nil, f
	}
	session, err := m.OpenSession(slot, p11.CKF_SERIAL_SESSION)
	if err != nil {
		return nil, device(err, "C_OpenSession")
	}
	defer func() { _ = m.CloseSession(session) }()
	if err := m.Login(session, p11.CKU_USER, string(pin)); err != nil {
		return nil, loginFailure(m, slot, err)
	}
	defer func() { _ = m.Logout(session) }()
	keys, err := find(m, session, 1, p11.NewAttribute(p11.CKA_CLASS, p11.CKO_PRIVATE_KEY), p11.NewAttribute(p11.CKA_ID, q.ID))
	if err != nil {
		return nil, device(err, "C_FindObjects")
	}
	if len(keys) == 0 {
		return nil, &Failure{Kind: NoKey}
	}
	if err := m.SignInit(session, how, keys[0]); err != nil {
		return nil, device(err, "C_SignInit")
	}
	// A key that asks for the PIN at every use: it was right a moment ago.
	if again, err := attribute(m, session, keys[0], p11.CKA_ALWAYS_AUTHENTICATE); err == nil && bytes.Equal(again, []byte{1}) {
		if err := m.Login(session, p11.CKU_CONTEXT_SPECIFIC, string(pin)); err != nil {
			return nil, loginFailure(m, slot, err)
		}
	}
	signature, err := m.Sign(session, input)
	if err != nil {
		return nil, device(err, "C_Sign")
	}
	return signature, nil
}

// place finds the slot that has the certificate, with its id, in its reader.
func place(m *p11.Ctx, q request) (uint, *Failure) {
	slots, err := m.GetSlotList(true)
	if err != nil {
		return 0, device(err, "C_GetSlotList")
	}
	for _, slot := range slots {
		t, err := tell(m, slot)
		if err != nil || t.Reader != q.Reader {
			continue
		}
		for _, c := range t.Certificates {
			if sum := sha256.Sum256(c.DER); bytes.Equal(sum[:], q.Hash) && bytes.Equal(c.ID, q.ID) {
				return slot, nil
			}
		}
	}
	return 0, &Failure{Kind: Gone, Detail: "the card with this certificate is not there any more"}
}

// mayTry refuses before a try is used up.
func mayTry(m *p11.Ctx, slot uint, last bool) *Failure {
	info, err := m.GetTokenInfo(slot)
	switch {
	case err != nil:
		return device(err, "C_GetTokenInfo")
	case info.Flags&p11.CKF_USER_PIN_LOCKED != 0:
		return &Failure{Kind: PINLocked}
	case info.Flags&p11.CKF_USER_PIN_FINAL_TRY != 0 && !last:
		return &Failure{Kind: LastTry, PINLast: true}
	}
	return nil
}

func loginFailure(m *p11.Ctx, slot uint, err error) *Failure {
	f := device(err, "C_Login")
	if info, err := m.GetTokenInfo(slot); err == nil && f.Kind == PINIncorrect {
		if info.Flags&p11.CKF_USER_PIN_LOCKED != 0 {
			return &Failure{Kind: PINLocked}
		}
		f.PINLast = info.Flags&p11.CKF_USER_PIN_FINAL_TRY != 0
	}
	return f
}

// kinds are the return values of PKCS#11 that say more than that it failed.
var kinds = map[p11.Error]Kind{
	p11.CKR_PIN_INCORRECT: PINIncorrect, p11.CKR_PIN_LOCKED: PINLocked, p11.CKR_PIN_INVALID: PINInvalid, p11.CKR_PIN_LEN_RANGE: PINInvalid,
	p11.CKR_PIN_EXPIRED: PINUnset, p11.CKR_USER_PIN_NOT_INITIALIZED: PINUnset, p11.CKR_FUNCTION_CANCELED: Cancelled,
	p11.CKR_TOKEN_NOT_PRESENT: Gone, p11.CKR_DEVICE_REMOVED: Gone, p11.CKR_SESSION_HANDLE_INVALID: Gone, p11.CKR_SESSION_CLOSED: Gone,
	p11.CKR_TOKEN_NOT_RECOGNIZED: Gone, p11.CKR_MECHANISM_INVALID: Unsupported, p11.CKR_MECHANISM_PARAM_INVALID: Unsupported,
	p11.CKR_KEY_TYPE_INCONSISTENT: Unsupported, p11.CKR_KEY_FUNCTION_NOT_PERMITTED: Unsupported,
}

func device(err error, call string) *Failure {
	var code p11.Error
	f := &Failure{Kind: Device, Detail: fmt.Sprintf("%s: %v", call, err)}
	if errors.As(err, &code) {
		if kind, ok := kinds[code]; ok {
			f.Kind = kind
		}
	}
	return f
}

func gone(err error) bool { return err != nil && device(err, "").Kind == Gone }

// hashes are those of the algorithms, by their last three letters.
var hashes = map[string]struct {
	hash   crypto.Hash
	prefix []byte // of DigestInfo, RFC 8017 section 9.2
	ckm    uint
	mgf    uint
}{
	"256": {crypto.SHA256, sha256Info, p11.CKM_SHA256, p11.CKG_MGF1_SHA256},
	"384": {crypto.SHA384, []byte{0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30}, p11.CKM_SHA384, p11.CKG_MGF1_SHA384},
	"512": {crypto.SHA512, []byte{0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40}, p11.CKM_SHA512, p11.CKG_MGF1_SHA512},
}

// prepare returns the mechanism and its input. RS* is CKM_RSA_PKCS over the
// DigestInfo, since that is all that some cards have; they hash nothing themselves.
func prepare(algorithm string, digest []byte) ([]*p11.Mechanism, []byte, *Failure) {
	if len(algorithm) != 5 {
		return nil, nil, &Failure{Kind: Unsupported, Detail: "there is no algorithm " + algorithm}
	}
	h, ok := hashes[algorithm[2:]]
	if !ok || len(digest) != h.hash.Size() {
		return nil, nil, &Failure{Kind: Unsupported, Detail: "the digest does not fit " + algorithm}
	}
	switch algorithm[:2] {
	case "RS":
		return []*p11.Mechanism{p11.NewMechanism(p11.CKM_RSA_PKCS, nil)}, append(bytes.Clone(h.prefix), digest...), nil
	case "PS":
		params := p11.NewPSSParams(h.ckm, h.mgf, uint(h.hash.Size()))
		return []*p11.Mechanism{p11.NewMechanism(p11.CKM_RSA_PKCS_PSS, params)}, digest, nil
	case "ES":
		return []*p11.Mechanism{p11.NewMechanism(p11.CKM_ECDSA, nil)}, digest, nil
	}
	return nil, nil, &Failure{Kind: Unsupported, Detail: "there is no algorithm " + algorithm}
}
