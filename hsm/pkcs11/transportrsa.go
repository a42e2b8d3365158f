package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// errCiphertext is all that is ever said of a ciphertext: which of its faults it
// was would help whoever tries many.
var errCiphertext = errors.New("the ciphertext is not one for this key")

func ciphertextFault() error { return &hsm.Fault{Class: hsm.ClassBlob, Err: errCiphertext} }

// DecryptRSA decrypts under an RSA transport key and takes the padding off.
//
// OAEP is the module's work. PKCS #1 v1.5 is not: modules differ in what they make
// of a wrong padding (SoftHSM a general error, NSS a random plaintext), and in the
// time they take to it. The module raises to the private power, and the padding is
// taken off here, in constant time.
func (m *Module) DecryptRSA(ctx context.Context, key hsm.Key, padding hsm.RSAPadding, ciphertext []byte) ([]byte, error) {
	switch {
	case !isTransport(key):
		return nil, m.refuse("DecryptRSA", key, "not a transport key")
	case padding != hsm.PKCS1v15 && padding != hsm.OAEP:
		return nil, m.refuse("DecryptRSA", key, "unknown padding %v", padding)
	}
	own := bytes.Clone(ciphertext[:min(len(ciphertext), maxSealed)]) // any longer one is wrong as well
	return call(ctx, m, "DecryptRSA", key, func(w *worker) ([]byte, error) {
		k, err := w.transport(key, p11.CKO_PRIVATE_KEY)
		switch {
		case err != nil:
			return nil, err
		case len(own) != k.rsa.Size() || new(big.Int).SetBytes(own).Cmp(k.rsa.N) >= 0:
			return nil, ciphertextFault()
		case padding == hsm.OAEP:
			return w.decryptOAEP(k, own)
		}
		return w.decryptPKCS1(k, own)
	})
}

// decryptPKCS1 returns the text where the module has written it: a copy would
// have to be cleared, and passes through registers that a signal writes down.
func (w *worker) decryptPKCS1(k object, ciphertext []byte) ([]byte, error) {
	em, err := w.rsa(k, p11.NewMechanism(p11.CKM_RSA_X_509, nil), ciphertext)
	if err != nil {
		return nil, lackingRSA("CKM_RSA_X_509 (0x3), which PKCS #1 v1.5 needs", err)
	}
	text, ok := unpadPKCS1(em, len(ciphertext))
	if !ok {
		clear(em)
		return nil, ciphertextFault()
	}
	return text, nil
}

// unpadPKCS1 takes the padding of RFC 8017 section 7.2.2 off: 0 ‖ 2 ‖ eight or
// more bytes that are not zero ‖ 0 ‖ text, of size bytes, of which a module may
// have left the first out. Which of the other conditions failed, and where, does
// not show in the time.
func unpadPKCS1(em []byte, size int) (text []byte, ok bool) {
	valid := 1
	if len(em) == size {
		valid = subtle.ConstantTimeByteEq(em[0], 0)
		em = em[1:]
	}
	if len(em) != size-1 {
		return nil, false
	}
	valid &= subtle.ConstantTimeByteEq(em[0], 2)
	seeking, end := 1, 0
	for i := 1; i < len(em); i++ {
		zero := subtle.ConstantTimeByteEq(em[i], 0)
		end = subtle.ConstantTimeSelect(seeking&zero, i, end)
		seeking = subtle.ConstantTimeSelect(zero, 0, seeking)
	}
	valid &= subtle.ConstantTimeLessOrEq(1+8, end) & (1 - seeking)
	return em[end+1:], valid == 1
}

func (w *worker) decryptOAEP(k object, ciphertext []byte) ([]byte, error) {
	out, err := w.oaep(k, ciphertext)
	switch code := codeOf(err); {
	case err == nil:
		clear(out[len(out):cap(out)]) // a module may have worked in it
		return out, nil
	case code == p11.CKR_GENERAL_ERROR:
		// SoftHSM's word for a wrong padding, among others.
		if sick := w.opensOAEP(k); sick != nil {
			return nil, sick
		}
	case !blobCodes[code]:
		return nil, lackingRSA("CKM_RSA_PKCS_OAEP (0x9) with SHA-1", err)
	}
	return nil, ciphertextFault()
}

// opensOAEP says whether the module still decrypts what anybody can encrypt.
func (s *session) opensOAEP(k object) error {
	s.drop() // the failure before may have left its traces
	if err := s.ready(); err != nil {
		return err
	}
	box, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, k.rsa, []byte(witnessMessage), nil)
	if err != nil {
		return err
	}
	got, err := s.oaep(k, box)
	switch {
	case err != nil:
		return sick(k.key, err)
	case string(got) != witnessMessage:
		return otherKeys(k.key)
	}
	return nil
}

func (s *session) oaep(k object, ciphertext []byte) ([]byte, error) {
	params := p11.NewOAEPParams(p11.CKM_SHA_1, p11.CKG_MGF1_SHA1, p11.CKZ_DATA_SPECIFIED, nil)
	return s.rsa(k, p11.NewMechanism(p11.CKM_RSA_PKCS_OAEP, params), ciphertext)
}

func (s *session) rsa(k object, mechanism *p11.Mechanism, ciphertext []byte) ([]byte, error) {
	if err := s.ctx.DecryptInit(s.handle, []*p11.Mechanism{mechanism}, k.handle); err != nil {
		return nil, err
	}
	return s.plain.decrypt(s.handle, ciphertext)
}

// lackingRSA names the mechanism where the module does not know or allow it.
func lackingRSA(what string, err error) error {
	if code := codeOf(err); code == p11.CKR_MECHANISM_INVALID || code == p11.CKR_MECHANISM_PARAM_INVALID {
		return &hsm.Fault{Class: hsm.ClassConfig, Code: code, Err: fmt.Errorf("the module lacks %s: %w", what, err)}
	}
	return err
}

// rsaPublic reads the public half out of a private key.
func (s *session) rsaPublic(h p11.ObjectHandle) (*rsa.PublicKey, error) {
	values, err := s.ctx.GetAttributeValue(s.handle, h, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_MODULUS, nil),
		p11.NewAttribute(p11.CKA_PUBLIC_EXPONENT, nil),
	})
	if err != nil {
		return nil, err
	}
	e := new(big.Int).SetBytes(values[1].Value)
	k := &rsa.PublicKey{N: new(big.Int).SetBytes(values[0].Value)}
	if k.N.BitLen() < 2048 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
		return nil, configFault("a transport key in the token is not an RSA key of 2048 bits or more")
	}
	k.E = int(e.Int64())
	return k, nil
}

// thumbprintRSA is the name of an RSA key by RFC 7638.
func thumbprintRSA(k *rsa.PublicKey) string {
	b64 := base64.RawURLEncoding
	jwk := fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, b64.EncodeToString(big.NewInt(int64(k.E)).Bytes()), b64.EncodeToString(k.N.Bytes()))
	sum := sha256.Sum256([]byte(jwk))
	return b64.EncodeToString(sum[:])
}
