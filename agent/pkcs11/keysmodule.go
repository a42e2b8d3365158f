//go:build cgo

package pkcs11

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"strings"

	p11 "github.com/miekg/pkcs11"
)

// desk is a session on a token in which keys are made.
type desk struct {
	m       *p11.Ctx
	session p11.SessionHandle
	slot    uint
}

// open finds the token and opens a session that may write.
func open(m *p11.Ctx, q request) (*desk, *Failure) {
	slots, err := m.GetSlotList(true)
	if err != nil {
		return nil, device(err, "C_GetSlotList")
	}
	for _, slot := range slots {
		about, err := m.GetSlotInfo(slot)
		if err != nil || about.SlotDescription != q.Reader {
			continue
		}
		info, err := m.GetTokenInfo(slot)
		if err != nil || strings.TrimSpace(info.SerialNumber) != strings.TrimSpace(q.Serial) {
			continue
		}
		if info.Flags&p11.CKF_USER_PIN_INITIALIZED == 0 {
			return nil, &Failure{Kind: PINUnset}
		}
		if f := mayTry(m, slot, q.LastTry); f != nil {
			return nil, f
		}
		session, err := m.OpenSession(slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
		if err != nil {
			return nil, device(err, "C_OpenSession")
		}
		return &desk{m, session, slot}, nil
	}
	return nil, &Failure{Kind: Gone, Detail: "the token is not there any more"}
}

func (d *desk) login(pin []byte) *Failure {
	if err := d.m.Login(d.session, p11.CKU_USER, string(pin)); err != nil {
		return loginFailure(d.m, d.slot, err)
	}
	return nil
}

func (d *desk) close() {
	_ = d.m.Logout(d.session)
	_ = d.m.CloseSession(d.session)
}

// keyWork does what makes and certifies keys.
func keyWork(m *p11.Ctx, q request, secret []byte) response {
	if q.Split < 0 || q.Split > len(secret) {
		return failed(&Failure{Kind: Device, Detail: "this is no request"})
	}
	d, f := open(m, q)
	if f != nil {
		return failed(f)
	}
	defer d.close()
	pin := secret[:q.Split]
	if q.Op == opPIN {
		if err := m.SetPIN(d.session, string(pin), string(secret[q.Split:])); err != nil {
			return failed(loginFailure(m, d.slot, err))
		}
		return response{}
	}
	if f := d.login(pin); f != nil {
		return failed(f)
	}
	switch q.Op {
	case opMake:
		key, f := d.make(q)
		return response{Key: key, Failure: f}
	case opSignKey:
		signature, f := d.sign(q)
		return response{Signature: signature, Failure: f}
	}
	return failed(d.store(q))
}

// make returns the pair of that name that waits for its certificate, else the one that
// has it, or a new one.
func (d *desk) make(q request) (*Key, *Failure) {
	if q.Renew {
		return d.generate(q)
	}
	pairs, f := d.named(q.Label)
	if f != nil {
		return nil, f
	}
	for i, k := range pairs {
		if k.Certificate == nil {
			return &pairs[i], d.kept(k.ID)
		}
	}
	if len(pairs) > 0 {
		return &pairs[0], nil
	}
	return d.generate(q)
}

// named are the pairs of a name, with their certificates.
func (d *desk) named(label string) ([]Key, *Failure) {
	objects, err := find(d.m, d.session, maxCertificates, p11.NewAttribute(p11.CKA_CLASS, p11.CKO_PRIVATE_KEY), p11.NewAttribute(p11.CKA_LABEL, label))
	if err != nil {
		return nil, device(err, "C_FindObjects")
	}
	var all []Key
	for _, object := range objects {
		id, err := attribute(d.m, d.session, object, p11.CKA_ID)
		if err != nil || len(id) == 0 {
			continue
		}
		public, f := d.public(id)
		if f != nil {
			return nil, f
		}
		certificate, f := d.certificate(id)
		if f != nil {
			return nil, f
		}
		all = append(all, Key{ID: id, Public: public, Certificate: certificate})
	}
	return all, nil
}

func (d *desk) with(class uint, id []byte) ([]p11.ObjectHandle, *Failure) {
	objects, err := find(d.m, d.session, maxCertificates, p11.NewAttribute(p11.CKA_CLASS, class), p11.NewAttribute(p11.CKA_ID, id))
	if err != nil {
		return nil, device(err, "C_FindObjects")
	}
	return objects, nil
}

// certificate is one with the id; nil when there is none.
func (d *desk) certificate(id []byte) ([]byte, *Failure) {
	objects, f := d.with(p11.CKO_CERTIFICATE, id)
	if f != nil || len(objects) == 0 {
		return nil, f
	}
	der, err := attribute(d.m, d.session, objects[0], p11.CKA_VALUE)
	if err != nil {
		return nil, device(err, "C_GetAttributeValue")
	}
	return der, nil
}

// curves are those of PKCS#11's CKA_EC_PARAMS.
var curves = []struct {
	name   string
	curve  elliptic.Curve
	params []byte
}{
	{P256, elliptic.P256(), []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}},
	{P384, elliptic.P384(), []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}},
}

// public reads the public half with the id.
func (d *desk) public(id []byte) ([]byte, *Failure) {
	objects, f := d.with(p11.CKO_PUBLIC_KEY, id)
	if f != nil {
		return nil, f
	}
	if len(objects) == 0 { // a token that keeps none: RSA's private half tells the modulus
		if objects, f = d.with(p11.CKO_PRIVATE_KEY, id); f != nil {
			return nil, f
		}
	}
	if len(objects) == 0 {
		return nil, &Failure{Kind: NoKey}
	}
	get := func(typ uint) []byte {
		value, _ := attribute(d.m, d.session, objects[0], typ)
		return value
	}
	if modulus := get(p11.CKA_MODULUS); len(modulus) > 0 {
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(get(p11.CKA_PUBLIC_EXPONENT)).Int64())}
		return spki(key)
	}
	params, point := get(p11.CKA_EC_PARAMS), get(p11.CKA_EC_POINT)
	for _, c := range curves {
		if !bytes.Equal(params, c.params) {
			continue
		}
		// An OCTET STRING by the standard; some modules give the point bare.
		var inner []byte
		if rest, err := asn1.Unmarshal(point, &inner); err == nil && len(rest) == 0 {
			point = inner
		}
		key, err := ecdsa.ParseUncompressedPublicKey(c.curve, point)
		if err != nil {
			return nil, &Failure{Kind: Device, Detail: "the public key is no point of its curve"}
		}
		return spki(key)
	}
	return nil, &Failure{Kind: Unsupported, Detail: "the token does not tell the public key"}
}

func spki(key any) ([]byte, *Failure) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, &Failure{Kind: Device, Detail: err.Error()}
	}
	return der, nil
}

// generate makes the pair. One that the token would give away is destroyed.
func (d *desk) generate(q request) (*Key, *Failure) {
	id := make([]byte, 8)
	rand.Read(id)
	public := []*p11.Attribute{
		p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_VERIFY, true), p11.NewAttribute(p11.CKA_LABEL, q.Label), p11.NewAttribute(p11.CKA_ID, id),
	}
	private := []*p11.Attribute{
		p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_PRIVATE, true), p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false), p11.NewAttribute(p11.CKA_SIGN, true), p11.NewAttribute(p11.CKA_LABEL, q.Label), p11.NewAttribute(p11.CKA_ID, id),
	}
	how := uint(p11.CKM_EC_KEY_PAIR_GEN)
	if q.Type == RSA2048 {
		how = p11.CKM_RSA_PKCS_KEY_PAIR_GEN
		public = append(public, p11.NewAttribute(p11.CKA_MODULUS_BITS, 2048), p11.NewAttribute(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
	}
	for _, c := range curves {
		if c.name == q.Type {
			public = append(public, p11.NewAttribute(p11.CKA_EC_PARAMS, c.params))
		}
	}
	if q.Type != RSA2048 && len(public) == 4 {
		return nil, &Failure{Kind: NoKey, Detail: "there is no key of that name, and none of the type " + q.Type}
	}
	half, whole, err := d.m.GenerateKeyPair(d.session, []*p11.Mechanism{p11.NewMechanism(how, nil)}, public, private)
	if err != nil {
		f := device(err, "C_GenerateKeyPair")
		if strings.Contains(f.Detail, "CKR_FUNCTION_NOT_SUPPORTED") {
			f.Kind = Unsupported
		}
		return nil, f
	}
	if f := d.kept(id); f != nil {
		_, _ = d.m.DestroyObject(d.session, whole), d.m.DestroyObject(d.session, half)
		return nil, f
	}
	der, f := d.public(id)
	if f != nil {
		return nil, f
	}
	return &Key{ID: id, Public: der, Made: true}, nil
}

// kept: the private half was made here and never leaves. A module may leave open where
// it was made.
func (d *desk) kept(id []byte) *Failure {
	keys, f := d.with(p11.CKO_PRIVATE_KEY, id)
	if f != nil {
		return f
	}
	if len(keys) != 1 {
		return &Failure{Kind: NoKey}
	}
	for typ, want := range map[uint]byte{p11.CKA_LOCAL: 1, p11.CKA_SENSITIVE: 1, p11.CKA_EXTRACTABLE: 0} {
		got, err := attribute(d.m, d.session, keys[0], typ)
		if typ == p11.CKA_LOCAL && (err != nil || len(got) == 0) {
			continue
		}
		if err != nil || !bytes.Equal(got, []byte{want}) {
			return &Failure{Kind: Unsupported, Detail: "the key was not made on the token, or can be read out of it"}
		}
	}
	return nil
}

func (d *desk) sign(q request) ([]byte, *Failure) {
	how, input, f := prepare(q.Algorithm, q.Digest)
	if f != nil {
		return nil, f
	}
	keys, f := d.with(p11.CKO_PRIVATE_KEY, q.ID)
	if f != nil {
		return nil, f
	}
	if len(keys) != 1 {
		return nil, &Failure{Kind: NoKey}
	}
	if err := d.m.SignInit(d.session, how, keys[0]); err != nil {
		return nil, device(err, "C_SignInit")
	}
	signature, err := d.m.Sign(d.session, input)
	if err != nil {
		return nil, device(err, "C_Sign")
	}
	return signature, nil
}

// store writes the certificate, reads it back, and only then removes what it replaces.
func (d *desk) store(q request) *Failure {
	c, err := x509.ParseCertificate(q.DER)
	if err != nil {
		return &Failure{Kind: Device, Detail: "this is no certificate"}
	}
	public, f := d.public(q.ID)
	if f != nil {
		return f
	}
	if !bytes.Equal(public, c.RawSubjectPublicKeyInfo) {
		return &Failure{Kind: NoKey, Detail: "the certificate is for another key"}
	}
	before, f := d.with(p11.CKO_CERTIFICATE, q.ID)
	if f != nil {
		return f
	}
	serial, err := asn1.Marshal(c.SerialNumber)
	if err != nil {
		return &Failure{Kind: Device, Detail: err.Error()}
	}
	made, err := d.m.CreateObject(d.session, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_CERTIFICATE), p11.NewAttribute(p11.CKA_CERTIFICATE_TYPE, p11.CKC_X_509),
		p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_PRIVATE, false), p11.NewAttribute(p11.CKA_LABEL, q.Label), p11.NewAttribute(p11.CKA_ID, q.ID),
		p11.NewAttribute(p11.CKA_SUBJECT, c.RawSubject), p11.NewAttribute(p11.CKA_ISSUER, c.RawIssuer), p11.NewAttribute(p11.CKA_SERIAL_NUMBER, serial),
		p11.NewAttribute(p11.CKA_VALUE, q.DER),
	})
	if err != nil {
		return device(err, "C_CreateObject")
	}
	if got, err := attribute(d.m, d.session, made, p11.CKA_VALUE); err != nil || !bytes.Equal(got, q.DER) {
		return &Failure{Kind: Device, Detail: "the certificate that was written cannot be read back"}
	}
	for _, object := range before {
		if err := d.m.DestroyObject(d.session, object); err != nil {
			return device(err, "C_DestroyObject")
		}
	}
	return d.removeOthers(q.Label, q.ID)
}

// removeOthers removes the pairs of a name but one, and their certificates.
func (d *desk) removeOthers(label string, but []byte) *Failure {
	pairs, f := d.named(label)
	if f != nil {
		return f
	}
	for _, k := range pairs {
		if bytes.Equal(k.ID, but) {
			continue
		}
		for _, class := range []uint{p11.CKO_PRIVATE_KEY, p11.CKO_CERTIFICATE, p11.CKO_PUBLIC_KEY} {
			objects, f := d.with(class, k.ID)
			if f != nil {
				return f
			}
			for _, object := range objects {
				if err := d.m.DestroyObject(d.session, object); err != nil {
					return device(err, "C_DestroyObject")
				}
			}
		}
	}
	return nil
}
