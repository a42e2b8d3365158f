package pkcs11

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" // what cards are sold with
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"mohur/agent/pcsc"
)

// Stock PKCS#11 modules make no keys on PIV cards, so that this is done with the
// card's own commands (NIST SP 800-73-4 part 2), in the slot for logging in.
const pivSlot = 0x9a

// The objects of that slot's certificate, and of a YubiKey's attestation.
var (
	pivCertificate = []byte{0x5c, 0x03, 0x5f, 0xc1, 0x05}
	pivDevice      = []byte{0x5c, 0x03, 0x5f, 0xff, 0x01}
)

const (
	swOK          = 0x9000
	swNotFound    = 0x6a82
	swLocked      = 0x6983
	swUnknownINS  = 0x6d00
	pivAlgRSA2048 = 0x07
	pivAlgP256    = 0x11
	pivAlgP384    = 0x14
)

// pivCard is a card whose PIV application is selected.
type pivCard struct {
	transmit func([]byte) ([]byte, error)
}

func withPIV(op string, q request, secret []byte) response {
	if q.Split < 0 || q.Split > len(secret) {
		return failed(&Failure{Kind: Device, Detail: "this is no request"})
	}
	ctx, err := pcsc.Open()
	if err != nil {
		return failed(&Failure{Kind: Device, Detail: err.Error()})
	}
	defer ctx.Close()
	card, err := ctx.Connect(q.Reader)
	if err != nil {
		return failed(pivFailure(err))
	}
	defer card.Close()
	p := pivCard{card.Transmit}
	if _, err := p.command(0xa4, 0x04, 0x00, []byte{0xa0, 0, 0, 0x03, 0x08, 0, 0, 0x10, 0, 0x01, 0}, true); err != nil {
		return failed(&Failure{Kind: Unsupported, Detail: "this is no PIV card"})
	}
	a, err := p.perform(op, q, secret[:q.Split], secret[q.Split:])
	if err != nil {
		return failed(pivFailure(err))
	}
	return a
}

func (p pivCard) perform(op string, q request, pin, second []byte) (a response, err error) {
	switch op {
	case opMake:
		a.Key, err = p.make(q, second)
	case opSignKey:
		a.Signature, err = p.sign(q, pin)
	case opStore:
		err = p.store(q, second)
	case opPIN:
		err = p.changePIN(q, pin, second)
	case opAttest:
		a.Attestation, err = p.attestation()
	default:
		err = errors.New("there is no such operation")
	}
	return a, err
}

// statusError is what a card said instead of yes.
type statusError struct {
	ins byte
	sw  uint16
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the card answers %04X to %02X", e.sw, e.ins)
}

func pivFailure(err error) *Failure {
	var f *Failure
	var s *statusError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, pcsc.ErrNoCard):
		return &Failure{Kind: Gone, Detail: err.Error()}
	case errors.As(err, &s) && s.sw == swUnknownINS:
		return &Failure{Kind: Unsupported, Detail: err.Error()}
	}
	return &Failure{Kind: Device, Detail: err.Error()}
}

// maxPIVParts is more parts, of 256 bytes at most, than any answer has.
const maxPIVParts = 64

// command sends a command, in a chain where it is long, and collects its answer.
func (p pivCard) command(ins, p1, p2 byte, data []byte, answers bool) ([]byte, error) {
	const most = 255
	for len(data) > most {
		part := append([]byte{0x10, ins, p1, p2, most}, data[:most]...)
		out, err := p.transmit(part)
		clear(part)
		if _, err := checked(ins, out, err); err != nil {
			return nil, err
		}
		data = data[most:]
	}
	apdu := make([]byte, 0, 6+most)
	apdu = append(apdu, 0x00, ins, p1, p2)
	if len(data) > 0 {
		apdu = append(append(apdu, byte(len(data))), data...)
	}
	if answers {
		apdu = append(apdu, 0)
	}
	defer clear(apdu)
	out, err := p.transmit(apdu)
	var all []byte
	for n := 0; n < maxPIVParts && err == nil && len(out) >= 2 && out[len(out)-2] == 0x61; n++ {
		all = append(all, out[:len(out)-2]...)
		out, err = p.transmit([]byte{0x00, 0xc0, 0x00, 0x00, out[len(out)-1]})
	}
	last, err := checked(ins, out, err)
	return append(all, last...), err
}

func checked(ins byte, out []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	if len(out) < 2 {
		return nil, errors.New("the card's answer has no status")
	}
	if sw := uint16(out[len(out)-2])<<8 | uint16(out[len(out)-1]); sw != swOK {
		return nil, &statusError{ins, sw}
	}
	return out[:len(out)-2], nil
}

// object reads a certificate out of a data object; nil when it is empty.
func (p pivCard) object(name []byte) ([]byte, error) {
	out, err := p.command(0xcb, 0x3f, 0xff, name, true)
	var s *statusError
	if errors.As(err, &s) && s.sw == swNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content, ok := member(out, 0x53)
	if ok && len(content) == 0 {
		return nil, nil
	}
	der, is := member(content, 0x70)
	if !ok || !is {
		return nil, errors.New("the object holds no certificate")
	}
	return der, nil
}

// manage shows the card that the bank has its management key.
func (p pivCard) manage(key []byte) error {
	wrong := &Failure{Kind: Management, Detail: "the management key is not the card's"}
	for _, id := range map[int][]byte{16: {0x08}, 24: {0x0a, 0x03}, 32: {0x0c}}[len(key)] {
		out, err := p.command(0x87, id, 0x9b, []byte{0x7c, 0x02, 0x81, 0x00}, true)
		var s *statusError
		if errors.As(err, &s) {
			continue // another cipher
		}
		if err != nil {
			return err
		}
		block, err := managementCipher(id, key)
		if err != nil {
			return err
		}
		inner, _ := member(out, 0x7c)
		challenge, _ := member(inner, 0x81)
		if len(challenge) != block.BlockSize() {
			return errors.New("the card's challenge has another length than its cipher's")
		}
		response := make([]byte, len(challenge))
		block.Encrypt(response, challenge)
		_, err = p.command(0x87, id, 0x9b, tlv(0x7c, tlv(0x82, response)), false)
		if errors.As(err, &s) {
			return wrong
		}
		return err
	}
	return wrong
}

func managementCipher(id byte, key []byte) (cipher.Block, error) {
	if id == 0x03 {
		return des.NewTripleDESCipher(key)
	}
	return aes.NewCipher(key)
}

// make makes the pair of the slot. One that the card proves to have made itself and
// that has no certificate waits for it.
func (p pivCard) make(q request, management []byte) (*Key, error) {
	id := []byte{0x01} // as OpenSC numbers the slots
	der, err := p.object(pivCertificate)
	if err != nil {
		return nil, err
	}
	if der != nil && !q.Renew {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		return &Key{ID: id, Public: c.RawSubjectPublicKeyInfo, Certificate: der}, nil
	}
	if proof, err := p.attestation(); err == nil && der == nil {
		if c, err := x509.ParseCertificate(proof[0]); err == nil {
			return &Key{ID: id, Public: c.RawSubjectPublicKeyInfo}, nil
		}
	}
	if err := p.manage(management); err != nil {
		return nil, err
	}
	if der != nil { // no certificate stays beside a key that is not its own
		if _, err := p.command(0xdb, 0x3f, 0xff, append(bytes.Clone(pivCertificate), 0x53, 0x00), false); err != nil {
			return nil, err
		}
	}
	algorithm, ok := map[string]byte{RSA2048: pivAlgRSA2048, P256: pivAlgP256, P384: pivAlgP384}[q.Type]
	if !ok {
		return nil, &Failure{Kind: Unsupported, Detail: "there is no key of the type " + q.Type}
	}
	out, err := p.command(0x47, 0x00, pivSlot, []byte{0xac, 0x03, 0x80, 0x01, algorithm}, true)
	if err != nil {
		return nil, err
	}
	public, err := pivPublic(out, algorithm)
	if err != nil {
		return nil, err
	}
	return &Key{ID: id, Public: public, Made: true}, nil
}

// pivPublic reads the public half that the card gives (SP 800-73-4 part 2 section 3.3.2).
func pivPublic(out []byte, algorithm byte) ([]byte, error) {
	inner, ok := member(out, 0x7f49)
	if !ok {
		return nil, errors.New("the card does not tell the public key")
	}
	if algorithm == pivAlgRSA2048 {
		n, hasN := member(inner, 0x81)
		e, hasE := member(inner, 0x82)
		if !hasN || !hasE || len(e) == 0 || len(e) > 4 || len(n) > 257 {
			return nil, errors.New("the card's public key is none of RSA-2048")
		}
		return x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())})
	}
	curve := elliptic.P256()
	if algorithm == pivAlgP384 {
		curve = elliptic.P384()
	}
	point, _ := member(inner, 0x86)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key)
}

// mayTry refuses before a try is used up.
func (p pivCard) mayTry(last bool) error {
	out, err := p.transmit([]byte{0x00, 0x20, 0x00, 0x80})
	if err != nil || len(out) < 2 {
		return errors.Join(err, errors.New("the card does not tell how many tries are left"))
	}
	switch sw := uint16(out[len(out)-2])<<8 | uint16(out[len(out)-1]); {
	case sw == swLocked || sw == 0x63c0:
		return &Failure{Kind: PINLocked}
	case sw == 0x63c1 && !last:
		return &Failure{Kind: LastTry, PINLast: true}
	}
	return nil
}

// padded is a PIN as the card takes it.
func padded(pin []byte) ([]byte, error) {
	if len(pin) < 6 || len(pin) > 8 {
		return nil, &Failure{Kind: PINInvalid}
	}
	out := bytes.Repeat([]byte{0xff}, 8)
	copy(out, pin)
	return out, nil
}

func pinFailure(err error) error {
	var s *statusError
	switch {
	case !errors.As(err, &s):
		return err
	case s.sw>>4 == 0x63c && s.sw&0xf != 0:
		return &Failure{Kind: PINIncorrect, PINLast: s.sw&0xf == 1}
	case s.sw == swLocked || s.sw>>4 == 0x63c:
		return &Failure{Kind: PINLocked}
	}
	return &Failure{Kind: PINInvalid, Detail: err.Error()}
}

func (p pivCard) sign(q request, pin []byte) ([]byte, error) {
	algorithm, block := byte(0), q.Digest
	switch size := len(q.Digest); {
	case q.Algorithm == "RS256" && size == 32:
		algorithm, block = pivAlgRSA2048, emsa(append(bytes.Clone(sha256Info), q.Digest...), 256)
	case q.Algorithm == "ES256" && size == 32:
		algorithm = pivAlgP256
	case q.Algorithm == "ES384" && size == 48:
		algorithm = pivAlgP384
	default:
		return nil, &Failure{Kind: Unsupported, Detail: "the digest does not fit " + q.Algorithm}
	}
	secret, err := padded(pin)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	if err := p.mayTry(q.LastTry); err != nil {
		return nil, err
	}
	if _, err := p.command(0x20, 0x00, 0x80, secret, false); err != nil {
		return nil, pinFailure(err)
	}
	// What the PIN has opened does not stay open for the next program.
	defer func() { _, _ = p.command(0x20, 0xff, 0x80, nil, false) }()
	out, err := p.command(0x87, algorithm, pivSlot, tlv(0x7c, append(tlv(0x82, nil), tlv(0x81, block)...)), true)
	if err != nil {
		return nil, err
	}
	inner, _ := member(out, 0x7c)
	signature, ok := member(inner, 0x82)
	if !ok {
		return nil, errors.New("there is no signature in the card's answer")
	}
	if algorithm == pivAlgRSA2048 {
		return signature, nil
	}
	var rs struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(signature, &rs); err != nil || len(rest) > 0 || rs.R.Sign() <= 0 || rs.S.Sign() <= 0 || rs.R.BitLen() > 8*len(q.Digest) || rs.S.BitLen() > 8*len(q.Digest) {
		return nil, errors.New("the card's signature is none of ECDSA")
	}
	size := len(q.Digest)
	flat := make([]byte, 2*size)
	rs.R.FillBytes(flat[:size])
	rs.S.FillBytes(flat[size:])
	return flat, nil
}

// sha256Info is the beginning of a DigestInfo with SHA-256 (RFC 8017 section 9.2).
var sha256Info = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}

// emsa is EMSA-PKCS1-v1_5 of a DigestInfo (RFC 8017 section 9.2).
func emsa(info []byte, size int) []byte {
	block := bytes.Repeat([]byte{0xff}, size)
	block[0], block[1] = 0x00, 0x01
	block[size-len(info)-1] = 0x00
	copy(block[size-len(info):], info)
	return block
}

func (p pivCard) store(q request, management []byte) error {
	if err := p.manage(management); err != nil {
		return err
	}
	content := append(append(tlv(0x70, q.DER), 0x71, 0x01, 0x00), 0xfe, 0x00)
	if _, err := p.command(0xdb, 0x3f, 0xff, append(bytes.Clone(pivCertificate), tlv(0x53, content)...), false); err != nil {
		return err
	}
	if got, err := p.object(pivCertificate); err != nil || !bytes.Equal(got, q.DER) {
		return errors.Join(err, errors.New("the certificate that was written cannot be read back"))
	}
	return nil
}

func (p pivCard) changePIN(q request, old, next []byte) error {
	was, err := padded(old)
	if err != nil {
		return err
	}
	defer clear(was)
	will, err := padded(next)
	if err != nil {
		return err
	}
	defer clear(will)
	if err := p.mayTry(q.LastTry); err != nil {
		return err
	}
	both := append(append(make([]byte, 0, 16), was...), will...)
	defer clear(both)
	_, err = p.command(0x24, 0x00, 0x80, both, false)
	return pinFailure(err)
}

// attestation is INS F9 for the slot, and the device's own certificate.
func (p pivCard) attestation() ([][]byte, error) {
	key, err := p.command(0xf9, pivSlot, 0x00, nil, true)
	if err != nil {
		return nil, &Failure{Kind: Unsupported, Detail: "the card does not prove that it made its key: " + err.Error()}
	}
	device, err := p.object(pivDevice)
	if err == nil && device == nil {
		err = errors.New("the card has no certificate to attest with")
	}
	if err != nil {
		return nil, err
	}
	return [][]byte{key, device}, nil
}

// tlv is a data object of BER (ISO/IEC 7816-4 section 5.2.2), its tag of one byte.
func tlv(tag byte, value []byte) []byte {
	out := []byte{tag}
	switch n := len(value); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 0x100:
		out = append(out, 0x81, byte(n))
	default:
		out = append(out, 0x82, byte(n>>8), byte(n))
	}
	return append(out, value...)
}

// member returns the value of the first data object with the tag in a list of them.
func member(list []byte, want int) ([]byte, bool) {
	for len(list) > 0 {
		tag := int(list[0])
		list = list[1:]
		if tag&0x1f == 0x1f {
			if len(list) == 0 {
				return nil, false
			}
			tag, list = tag<<8|int(list[0]), list[1:]
		}
		if len(list) == 0 {
			return nil, false
		}
		n := int(list[0])
		list = list[1:]
		if n >= 0x80 {
			more := n & 0x7f
			if more == 0 || more > 2 || len(list) < more {
				return nil, false
			}
			n = 0
			for _, b := range list[:more] {
				n = n<<8 | int(b)
			}
			list = list[more:]
		}
		if n > len(list) {
			return nil, false
		}
		if tag == want {
			return list[:n], true
		}
		list = list[n:]
	}
	return nil, false
}
