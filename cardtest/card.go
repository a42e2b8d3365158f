package cardtest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"sync"
)

// Slot is a place for a key with its certificate (SP 800-73 part 1).
type Slot byte

// The slots.
const (
	Authentication     Slot = 0x9a // PIN once
	Signature          Slot = 0x9c // PIN before every signature
	KeyManagement      Slot = 0x9d // PIN once
	CardAuthentication Slot = 0x9e // no PIN
)

// certificateOf names the objects that hold the slots' certificates.
var certificateOf = map[Slot]int{Authentication: 0x5fc105, Signature: 0x5fc10a, KeyManagement: 0x5fc10b, CardAuthentication: 0x5fc101}

// ATRs of cards that a virtual one may pretend to be. OpenSC drives it all the
// same, by the application on it.
var (
	// PIV is the ATR of no card there is.
	PIV = unhex("3b85016d6f687572e9")
	// ACOS5 is that of an ACOS5-64 v2.00.
	ACOS5 = unhex("3bbe9600004105200000000000000000009000")
	// YubiKey is that of a YubiKey 5.
	YubiKey = unhex("3bfd1300008131fe158073c021c057597562694b657940")
)

// Settings make a card. Zero values are those of a card as it is bought.
type Settings struct {
	PIN           string // six to eight digits; "": 123456
	PUK           string // eight digits; "": 12345678
	Tries         int    // of PIN and of PUK; 0: three
	ATR           []byte // nil: PIV
	ManagementKey []byte // of 3DES or, with AES, of that; nil: the one all cards are sold with
	AES           bool
	// PKCS1Only refuses every RSA input but EMSA-PKCS1-v1_5 of a DigestInfo, and
	// elliptic curves: all that ACOS5 can do.
	PKCS1Only bool
	// Attestation makes it a YubiKey; give it that ATR, too. nil: none.
	Attestation *Attestation
}

// Card is a virtual PIV card. It is safe for concurrent use.
type Card struct {
	settings Settings

	mu      sync.Mutex
	pin     secret
	puk     secret
	keys    map[Slot]crypto.Signer
	made    map[Slot]bool  // keys made on the card
	objects map[int][]byte // contents of the data objects, by tag
	apdus   int
	signed  int
	onSign  func()

	// What a reset ends.
	selected bool
	verified bool
	fresh    bool // verified just now: what Signature asks for
	manager  bool
	witness  []byte
	chain    *command
	pending  []byte
}

// secret is a PIN or a PUK with its tries.
type secret struct {
	value       [8]byte
	tries, most int
}

// New makes a card without keys.
func New(s Settings) *Card {
	if s.PIN == "" {
		s.PIN = "123456"
	}
	if s.PUK == "" {
		s.PUK = "12345678"
	}
	if s.Tries == 0 {
		s.Tries = 3
	}
	if s.ATR == nil {
		s.ATR = PIV
	}
	if s.ManagementKey == nil {
		s.ManagementKey = unhex("010203040506070801020304050607080102030405060708")
	}
	guid := make([]byte, 16)
	_, _ = rand.Read(guid)
	c := &Card{settings: s, keys: map[Slot]crypto.Signer{}, made: map[Slot]bool{}, objects: map[int][]byte{}}
	c.pin, c.puk = newSecret(s.PIN, s.Tries), newSecret(s.PUK, s.Tries)
	if a := s.Attestation; a != nil {
		c.objects[0x5fff01] = certificateObject(a.Certificate)
	}
	chuid := bytes.Join([][]byte{
		tlv(0x30, unhex("d4e739da739ced39ce739d836858210842108421c84210c3eb")...),
		tlv(0x34, guid...), tlv(0x35, []byte("20491231")...), tlv(0x3e), tlv(0xfe),
	}, nil)
	c.objects[0x5fc102] = chuid
	c.objects[0x5fc107] = bytes.Join([][]byte{
		tlv(0xf0, append(unhex("a000000116ff02"), guid[:14]...)...), tlv(0xf1, 0x21), tlv(0xf2, 0x21), tlv(0xf3), tlv(0xf4, 0),
		tlv(0xf5, 0x10), tlv(0xf6), tlv(0xf7), tlv(0xfa), tlv(0xfb), tlv(0xfc), tlv(0xfd), tlv(0xfe),
	}, nil)
	return c
}

// Put puts a key and its certificate (DER; nil: none) into a slot. The key is RSA
// of 1024 to 4096 bits, P-256 or P-384.
func (c *Card) Put(slot Slot, key crypto.Signer, certificate []byte) {
	if _, ok := algorithmOf(key.Public()); !ok || certificateOf[slot] == 0 {
		panic(fmt.Sprintf("cardtest: no %T in slot %x", key, slot))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[slot], c.made[slot] = key, false
	if certificate != nil {
		c.objects[certificateOf[slot]] = certificateObject(certificate)
	}
}

// certificateObject is the content of an object with a certificate, not compressed.
func certificateObject(der []byte) []byte {
	return bytes.Join([][]byte{tlv(0x70, der...), tlv(0x71, 0), tlv(0xfe)}, nil)
}

// Certificate returns the certificate in a slot, or nil.
func (c *Card) Certificate(slot Slot) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	tag, der, _, ok := readTLV(c.objects[certificateOf[slot]])
	if !ok || tag != 0x70 {
		return nil
	}
	return bytes.Clone(der)
}

// Public returns the public key in a slot, or nil.
func (c *Card) Public(slot Slot) crypto.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.keys[slot]; k != nil {
		return k.Public()
	}
	return nil
}

// Tries returns how many tries the PIN and the PUK have left.
func (c *Card) Tries() (pin, puk int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pin.tries, c.puk.tries
}

// APDUs returns how many commands there were, and how many signatures.
func (c *Card) APDUs() (commands, signatures int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apdus, c.signed
}

// OnSign has f called when a signature is asked for, before it is made: to pull the
// card out then, or to let it hang. nil ends that.
func (c *Card) OnSign(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onSign = f
}

// ATR returns the answer to a reset.
func (c *Card) ATR() []byte { return bytes.Clone(c.settings.ATR) }

// Reset is what power does: nothing is verified any more.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.selected, c.verified, c.fresh, c.manager = false, false, false, false
	c.witness, c.chain, c.pending = nil, nil, nil
}

// Exchange answers one command APDU: data and status word.
func (c *Card) Exchange(apdu []byte) []byte {
	c.mu.Lock()
	f := c.onSign
	c.mu.Unlock()
	if f != nil && len(apdu) >= 4 && apdu[0]&chained == 0 && apdu[1] == 0x87 && Slot(apdu[3]) != 0x9b {
		f() // without the lock: it may pull the card
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apdus++
	cla, cmd, sw := parseAPDU(apdu)
	var data []byte
	if sw == swOK {
		data, sw = c.answer(cla, cmd)
	}
	if len(data) > cmd.most {
		data, c.pending = data[:cmd.most], data[cmd.most:]
		sw = swMore
		if n := len(c.pending); n < mostOut {
			sw |= status(n)
		}
	}
	return append(bytes.Clone(data), byte(sw>>8), byte(sw))
}

// answer puts chains together.
func (c *Card) answer(cla byte, cmd command) ([]byte, status) {
	switch {
	case cla&^chained != 0:
		return nil, swWrongCLA
	case cmd.ins == 0xc0: // GET RESPONSE
		data := c.pending
		c.pending = nil
		if data == nil {
			return nil, swNotFound
		}
		return data, swOK
	}
	c.pending = nil
	if before := c.chain; before != nil {
		c.chain = nil
		if before.ins != cmd.ins || before.p1 != cmd.p1 || before.p2 != cmd.p2 {
			return nil, swWrongData
		}
		cmd.data = append(before.data, cmd.data...)
	}
	if len(cmd.data) > mostIn {
		return nil, swNoSpace
	}
	if cla&chained != 0 {
		cmd.data = bytes.Clone(cmd.data)
		c.chain = &cmd
		return nil, swOK
	}
	return c.execute(cmd)
}

func (c *Card) execute(cmd command) ([]byte, status) {
	if cmd.ins == 0xa4 {
		return c.choose(cmd)
	}
	if !c.selected {
		return nil, swWrongINS
	}
	switch cmd.ins {
	case 0xcb:
		return c.getData(cmd)
	case 0x20:
		return c.verify(cmd)
	case 0x24:
		return c.changeReference(cmd)
	case 0x2c:
		return c.resetRetries(cmd)
	case 0x87:
		return c.authenticate(cmd)
	case 0x47:
		return c.generate(cmd)
	case 0xdb:
		return c.putData(cmd)
	case 0xf8, 0xf9, 0xfd:
		return c.yubico(cmd)
	}
	return nil, swWrongINS
}

// application is the PIV application's identifier (SP 800-73 part 1 section 2.2).
var application = unhex("a000000308000010000100")

// choose is SELECT by name, of which the end may be missing.
func (c *Card) choose(cmd command) ([]byte, status) {
	if cmd.p1 != 4 || len(cmd.data) < 5 || !bytes.HasPrefix(application, cmd.data) {
		return nil, swNotFound
	}
	c.selected = true
	return tlv(0x61, append(tlv(0x4f, application[5:]...), tlv(0x79, tlv(0x4f, application[:5]...)...)...)...), swOK
}

// discovery says that the PIN of the application is the one in use.
var discovery = tlv(0x7e, append(tlv(0x4f, application...), tlv(0x5f2f, 0x40, 0)...)...)

func (c *Card) getData(cmd command) ([]byte, status) {
	if cmd.p1 != 0x3f || cmd.p2 != 0xff {
		return nil, swWrongP1P2
	}
	tag, ok := objectTag(cmd.data)
	if !ok {
		return nil, swWrongData
	}
	if tag == 0x7e {
		return discovery, swOK
	}
	content, ok := c.objects[tag]
	if !ok {
		return nil, swNotFound
	}
	return tlv(0x53, content...), swOK
}

// objectTag reads the tag list 5C, of one tag.
func objectTag(b []byte) (int, bool) {
	t, value, _, ok := readTLV(b)
	if !ok || t != 0x5c || len(value) == 0 || len(value) > 3 {
		return 0, false
	}
	tag := 0
	for _, x := range value {
		tag = tag<<8 | int(x)
	}
	return tag, true
}

// Objects returns the data objects by their tags, for tests of what was put there.
func (c *Card) Objects() map[int][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.objects)
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
