package cardtest

import (
	"bytes"
	"crypto/des" // the management key of cards as they are sold
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"testing"

	"mohur/authn/pkitest"
)

// host speaks APDUs to a card and puts long ones together, as a driver does.
type host struct {
	*testing.T
	*Card
}

// send sends a command, in a chain if it is long, and fetches a long answer.
func (h host) send(ins, p1, p2 byte, data ...byte) ([]byte, status) {
	h.Helper()
	for len(data) > 255 {
		if out := h.Exchange(append([]byte{chained, ins, p1, p2, 255}, data[:255]...)); len(out) != 2 || out[0] != 0x90 {
			return nil, word(out)
		}
		data = data[255:]
	}
	apdu := []byte{0, ins, p1, p2}
	if len(data) > 0 {
		apdu = append(append(apdu, byte(len(data))), data...)
	}
	out := h.Exchange(append(apdu, 0))
	got := bytes.Clone(out[:len(out)-2])
	for word(out)&0xff00 == swMore {
		out = h.Exchange([]byte{0, 0xc0, 0, 0, byte(word(out))})
		got = append(got, out[:len(out)-2]...)
	}
	return got, word(out)
}

func word(out []byte) status { return status(out[len(out)-2])<<8 | status(out[len(out)-1]) }

// want fails unless the command ends with the status word.
func (h host) want(sw status, ins, p1, p2 byte, data ...byte) []byte {
	h.Helper()
	out, got := h.send(ins, p1, p2, data...)
	if got != sw {
		h.Fatalf("%02x %02x %02x %x: %04x, want %04x", ins, p1, p2, data, got, sw)
	}
	return out
}

func selected(t *testing.T, c *Card) host {
	h := host{t, c}
	h.want(swOK, 0xa4, 4, 0, application...)
	return h
}

func padded(pin string) []byte { s := newSecret(pin, 1); return s.value[:] }

func signing(digest []byte) []byte {
	return tlv(0x7c, append(tlv(0x82), tlv(0x81, digest...)...)...)
}

func TestNothingBeforeSelect(t *testing.T) {
	h := host{t, New(Settings{})}
	h.want(swWrongINS, 0x20, 0, 0x80)
	h.want(swNotFound, 0xa4, 4, 0, unhex("a000000001")...)
	h.want(swOK, 0xa4, 4, 0, application[:9]...) // its end may be missing
	h.want(swTries|3, 0x20, 0, 0x80)
	h.Reset()
	h.want(swWrongINS, 0x20, 0, 0x80)
}

func TestObjects(t *testing.T) {
	h := selected(t, New(Settings{}))
	if out := h.want(swOK, 0xcb, 0x3f, 0xff, tlv(0x5c, 0x7e)...); !bytes.Equal(out, discovery) {
		t.Errorf("%x", out)
	}
	for _, tag := range [][]byte{{0x5f, 0xc1, 2}, {0x5f, 0xc1, 7}} {
		if objects, ok := template(h.want(swOK, 0xcb, 0x3f, 0xff, tlv(0x5c, tag...)...), 0x53); !ok || len(objects) < 5 {
			t.Errorf("%x: %x", tag, objects)
		}
	}
	h.want(swNotFound, 0xcb, 0x3f, 0xff, tlv(0x5c, 0x5f, 0xc1, 5)...)
	h.want(swWrongP1P2, 0xcb, 0, 0, tlv(0x5c, 0x7e)...)
	h.want(swWrongData, 0xcb, 0x3f, 0xff, 0x5c)
}

func TestPIN(t *testing.T) {
	h := selected(t, New(Settings{Tries: 2}))
	h.want(swWrongData, 0x20, 0, 0x80, []byte("12345\xff\xff\xff")...) // costs no try
	h.want(swWrongData, 0x20, 0, 0x80, []byte("12345a\xff\xff")...)
	h.want(swWrongData, 0x20, 0, 0x80, []byte("123456\xfe\xff")...)
	h.want(swTries|1, 0x20, 0, 0x80, padded("654321")...)
	h.want(swOK, 0x20, 0, 0x80, padded("123456")...)
	h.want(swOK, 0x20, 0, 0x80) // verified
	h.want(swOK, 0x20, 0xff, 0x80)
	h.want(swTries|2, 0x20, 0, 0x80) // no more, and the tries are back
	h.want(swOK, 0x24, 0, 0x80, append(padded("123456"), padded("777777")...)...)
	h.want(swTries|1, 0x24, 0, 0x80, append(padded("123456"), padded("888888")...)...)
	h.want(swBlocked, 0x20, 0, 0x80, padded("123456")...)
	h.want(swBlocked, 0x20, 0, 0x80)
	h.want(swBlocked, 0x20, 0, 0x80, padded("777777")...)
	h.want(swTries|1, 0x2c, 0, 0x80, append(padded("87654321"), padded("888888")...)...)
	h.want(swOK, 0x2c, 0, 0x80, append(padded("12345678"), padded("888888")...)...)
	h.want(swOK, 0x20, 0, 0x80, padded("888888")...)
	h.want(swOK, 0x24, 0, 0x81, append(padded("12345678"), padded("11111111")...)...)
	h.want(swTries|1, 0x2c, 0, 0x80, append(padded("12345678"), padded("888888")...)...)
	h.want(swBlocked, 0x2c, 0, 0x80, append(padded("12345678"), padded("888888")...)...)
	if pin, puk := h.Tries(); pin != 2 || puk != 0 {
		t.Errorf("%d and %d tries", pin, puk)
	}
}

// 9A wants a PIN once, 9C before each signature, 9E never.
func TestPINPolicy(t *testing.T) {
	c := New(Settings{})
	key := pkitest.Key(t, "P-256")
	for _, s := range []Slot{Authentication, Signature, CardAuthentication} {
		c.Put(s, key, nil)
	}
	h := selected(t, c)
	digest := sha256.Sum256([]byte("text"))
	signature := func(s Slot, sw status) {
		t.Helper()
		out := h.want(sw, 0x87, algP256, byte(s), signing(digest[:])...)
		if sw != swOK {
			return
		}
		objects, _ := template(out, 0x7c)
		if !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], objects[0x82]) {
			t.Errorf("%x: the signature does not verify", s)
		}
	}
	signature(Authentication, swSecurity)
	signature(Signature, swSecurity)
	signature(CardAuthentication, swOK)
	h.want(swOK, 0x20, 0, 0x80, padded("123456")...)
	signature(Signature, swOK)
	signature(Signature, swSecurity)
	signature(Authentication, swOK)
	signature(Authentication, swOK)
	h.want(swOK, 0x20, 0, 0x80, padded("123456")...)
	signature(Authentication, swOK)
	signature(Signature, swSecurity) // something came between
	h.Reset()
	h.want(swOK, 0xa4, 4, 0, application...)
	signature(Authentication, swSecurity)
	h.want(swOK, 0x20, 0, 0x80, padded("123456")...)
	h.want(swWrongP1P2, 0x87, algP384, byte(Authentication), signing(digest[:])...)
	h.want(swWrongData, 0x87, algP256, byte(Authentication), signing(make([]byte, 33))...)
	h.want(swNoReference, 0x87, algP256, byte(KeyManagement), signing(digest[:])...)
}

// RSA is the bare operation, in a chain of commands and a chain of answers.
func TestRSA(t *testing.T) {
	c := New(Settings{})
	key := pkitest.Key(t, "RSA-2048").(*rsa.PrivateKey)
	c.Put(CardAuthentication, key, nil)
	h := selected(t, c)
	block := append([]byte{0, 1}, bytes.Repeat([]byte{7}, 254)...)
	objects, _ := template(h.want(swOK, 0x87, algRSA2048, byte(CardAuthentication), signing(block)...), 0x7c)
	back := new(big.Int).Exp(new(big.Int).SetBytes(objects[0x82]), big.NewInt(int64(key.E)), key.N)
	if !bytes.Equal(back.FillBytes(make([]byte, 256)), block) {
		t.Error("the signature is not RSA of the block")
	}
	h.want(swWrongData, 0x87, algRSA2048, byte(CardAuthentication), signing(block[1:])...)
	h.want(swWrongData, 0x87, algRSA2048, byte(CardAuthentication), signing(bytes.Repeat([]byte{0xff}, 256))...)

	// A chain that something else breaks into is none.
	h.Exchange(append([]byte{chained, 0x87, algRSA2048, 0x9e, 4}, 1, 2, 3, 4))
	h.want(swWrongData, 0xcb, 0x3f, 0xff, tlv(0x5c, 0x7e)...)
	h.want(swOK, 0xcb, 0x3f, 0xff, tlv(0x5c, 0x7e)...)
	// And one without end is cut.
	for range mostIn/255 + 2 {
		h.Exchange(append([]byte{chained, 0xdb, 0x3f, 0xff, 255}, make([]byte, 255)...))
	}
	h.want(swWrongData, 0xcb, 0x3f, 0xff, tlv(0x5c, 0x7e)...)

	c.settings.PKCS1Only = true
	digest := sha256.Sum256([]byte("text"))
	info := append(bytes.Clone(digestInfos[1]), digest[:]...)
	good := append(append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 253-len(info))...), append([]byte{0}, info...)...)
	h.want(swOK, 0x87, algRSA2048, byte(CardAuthentication), signing(good)...)
	for name, change := range map[string]func(b []byte){
		"type 2":           func(b []byte) { b[1] = 2 },
		"another filling":  func(b []byte) { b[5] = 0xfe },
		"another hash":     func(b []byte) { b[256-32-5] ^= 1 },
		"no end":           func(b []byte) { b[256-len(info)-1] = 0xff },
		"a longer filling": func(b []byte) { copy(b[:], bytes.Repeat([]byte{0xff}, 10)) },
	} {
		b := bytes.Clone(good)
		change(b)
		if _, sw := h.send(0x87, algRSA2048, byte(CardAuthentication), signing(b)...); sw != swWrongData {
			t.Errorf("%s: %04x", name, sw)
		}
	}
}

// Only who has the management key makes keys and writes objects.
func TestManagement(t *testing.T) {
	c := New(Settings{})
	h := selected(t, c)
	object := append(tlv(0x5c, 0x5f, 0xc1, 5), tlv(0x53, 0x70, 1, 9)...)
	h.want(swSecurity, 0x47, 0, 0x9a, tlv(0xac, tlv(0x80, algP256)...)...)
	h.want(swSecurity, 0xdb, 0x3f, 0xff, object...)

	block, err := des.NewTripleDESCipher(c.settings.ManagementKey)
	if err != nil {
		t.Fatal(err)
	}
	challenge := func() []byte {
		objects, _ := template(h.want(swOK, 0x87, 3, 0x9b, tlv(0x7c, tlv(0x81)...)...), 0x7c)
		return objects[0x81]
	}
	answer := make([]byte, 8)
	h.want(swSecurity, 0x87, 3, 0x9b, tlv(0x7c, tlv(0x82, answer...)...)...) // to nothing
	challenge()
	h.want(swSecurity, 0x87, 3, 0x9b, tlv(0x7c, tlv(0x82, answer...)...)...)
	block.Encrypt(answer, challenge())
	h.want(swOK, 0x87, 3, 0x9b, tlv(0x7c, tlv(0x82, answer...)...)...)
	h.want(swSecurity, 0x87, 3, 0x9b, tlv(0x7c, tlv(0x82, answer...)...)...) // once
	h.want(swWrongP1P2, 0x87, 8, 0x9b, tlv(0x7c, tlv(0x81)...)...)

	for slot, algorithm := range map[Slot]byte{Authentication: algP256, Signature: algRSA2048, CardAuthentication: algP384} {
		objects, ok := template(h.want(swOK, 0x47, 0, byte(slot), tlv(0xac, tlv(0x80, algorithm)...)...), 0x7f49)
		switch k := c.Public(slot).(type) {
		case *ecdsa.PublicKey:
			curve := map[byte]elliptic.Curve{algP256: elliptic.P256(), algP384: elliptic.P384()}[algorithm]
			point, err := k.Bytes()
			if err != nil || k.Curve != curve || !bytes.Equal(objects[0x86], point) {
				t.Errorf("%x: %x", slot, objects)
			}
		case *rsa.PublicKey:
			if !bytes.Equal(objects[0x81], k.N.Bytes()) || !bytes.Equal(objects[0x82], []byte{1, 0, 1}) {
				t.Errorf("%x: %x", slot, objects)
			}
		default:
			t.Errorf("%x: %t %x", slot, ok, objects)
		}
	}
	h.want(swWrongData, 0x47, 0, 0x9a, tlv(0xac, tlv(0x80, 0x77)...)...)
	h.want(swWrongP1P2, 0x47, 0, 0x9b, tlv(0xac, tlv(0x80, algP256)...)...)
	h.want(swOK, 0xdb, 0x3f, 0xff, object...)
	if !bytes.Equal(c.Certificate(Authentication), []byte{9}) {
		t.Errorf("%x", c.Objects())
	}
	h.want(swOK, 0xdb, 0x3f, 0xff, append(tlv(0x5c, 0x5f, 0xc1, 5), tlv(0x53)...)...)
	h.want(swNotFound, 0xcb, 0x3f, 0xff, tlv(0x5c, 0x5f, 0xc1, 5)...)
	h.Reset()
	h.want(swOK, 0xa4, 4, 0, application...)
	h.want(swSecurity, 0xdb, 0x3f, 0xff, object...)
}

// A card attests what it made, and nothing else.
func TestAttestation(t *testing.T) {
	root := pkitest.Root(t, "Maker")
	device := root.Authority(t, "Yubico PIV Attestation")
	c := New(Settings{ATR: YubiKey, Attestation: &Attestation{Key: device.Key, Certificate: device.Raw, Serial: 12345}})
	c.Put(Authentication, pkitest.Key(t, "P-256"), nil)
	h := selected(t, c)
	if out := h.want(swOK, 0xf8, 0, 0); !bytes.Equal(out, []byte{0, 0, 0x30, 0x39}) {
		t.Errorf("serial %x", out)
	}
	if out := h.want(swOK, 0xfd, 0, 0); len(out) != 3 {
		t.Errorf("version %x", out)
	}
	h.want(swWrongData, 0xf9, byte(Authentication), 0)
	c.manager = true
	h.want(swOK, 0x47, 0, byte(Authentication), tlv(0xac, tlv(0x80, algRSA2048)...)...)
	made, err := x509.ParseCertificate(h.want(swOK, 0xf9, byte(Authentication), 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := made.CheckSignatureFrom(device.Certificate); err != nil {
		t.Error(err)
	}
	if !made.PublicKey.(*rsa.PublicKey).Equal(c.Public(Authentication)) {
		t.Error("the attestation is for another key")
	}
	if objects, _ := template(h.want(swOK, 0xcb, 0x3f, 0xff, tlv(0x5c, 0x5f, 0xff, 1)...), 0x53); !bytes.Equal(objects[0x70], device.Raw) {
		t.Error("the device's own certificate is not there")
	}
	c.Put(Authentication, pkitest.Key(t, "P-256"), nil)
	h.want(swWrongData, 0xf9, byte(Authentication), 0)
	selected(t, New(Settings{})).want(swWrongINS, 0xf9, byte(Authentication), 0)
}

func TestFrames(t *testing.T) {
	reader, link := net.Pipe()
	c := New(Settings{ATR: ACOS5})
	ended := make(chan error)
	go func() { ended <- c.serve(link, func() {}) }()
	say := func(body ...byte) {
		t.Helper()
		if _, err := reader.Write(frame(body)); err != nil {
			t.Fatal(err)
		}
	}
	hear := func() []byte {
		t.Helper()
		b, err := readFrame(reader, func() {})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	say(powerOn)
	say(sendATR)
	if b := hear(); !bytes.Equal(b, ACOS5) {
		t.Errorf("%x", b)
	}
	say(append([]byte{0, 0xa4, 4, 0, byte(len(application))}, application...)...)
	if b := hear(); word(b) != swOK {
		t.Errorf("%x", b)
	}
	say(reset)
	say(0, 0x20, 0, 0x80)
	if b := hear(); word(b) != swWrongINS {
		t.Errorf("%x after a reset", b)
	}
	if n, _ := c.APDUs(); n != 2 {
		t.Errorf("%d APDUs", n)
	}
	say(0x77)
	if err := <-ended; err == nil || err == io.EOF {
		t.Errorf("an unknown control: %v", err)
	}
}

// FuzzAPDU: whatever comes, the card answers with data and a status word, and never
// signs without a PIN where one is due.
func FuzzAPDU(f *testing.F) {
	key := pkitest.Key(f, "P-256")
	digest := sha256.Sum256(nil)
	f.Add([]byte{0, 0x20, 0, 0x80}, append([]byte{0, 0x87, algP256, 0x9a, 38}, signing(digest[:])...))
	f.Add(append([]byte{chained, 0x87, algP256, 0x9c, 4}, 1, 2, 3, 4), []byte{0, 0xc0, 0, 0, 0})
	f.Add(append([]byte{0, 0xcb, 0x3f, 0xff, 5}, tlv(0x5c, 0x5f, 0xc1, 2)...), []byte{0, 0xc0, 0, 0, 0})
	f.Add(append([]byte{0, 0x87, 3, 0x9b, 4}, tlv(0x7c, tlv(0x81)...)...), append([]byte{0, 0x47, 0, 0x9a, 5}, tlv(0xac, tlv(0x80, algP256)...)...))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := New(Settings{PIN: "90817263"})
		c.Put(Authentication, key, nil)
		c.Put(Signature, key, nil)
		c.Exchange(append([]byte{0, 0xa4, 4, 0, byte(len(application))}, application...))
		for _, apdu := range [][]byte{first, second, first} {
			if out := c.Exchange(apdu); len(out) < 2 || len(out) > 258 {
				t.Fatalf("%x: %x", apdu, out)
			}
		}
		if _, signed := c.APDUs(); signed != 0 && !bytes.Contains(append(first, second...), []byte("90817263")) {
			t.Fatal("signed without a PIN")
		}
	})
}

// FuzzFrames: a reader that says anything is answered frame by frame, or left.
func FuzzFrames(f *testing.F) {
	f.Add(append(frame([]byte{sendATR}), frame([]byte{0, 0x20, 0, 0x80})...))
	f.Add([]byte{0, 0})
	f.Add([]byte{0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, said []byte) {
		var heard bytes.Buffer
		link := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(said), &heard}
		if New(Settings{}).serve(link, func() {}) == nil {
			t.Fatal("it ended without a reason")
		}
		for heard.Len() > 0 {
			if _, err := readFrame(&heard, func() {}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
