package cardtest

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" // what cards are sold with
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"math/big"
)

// manage is GENERAL AUTHENTICATE with the management key (SP 800-73 part 2 appendix
// A): the host proves that it has it, or both do.
func (c *Card) manage(algorithm byte, objects map[int][]byte) ([]byte, status) {
	block, id, err := c.managementCipher()
	if err != nil || algorithm != id && algorithm != 0 {
		return nil, swWrongP1P2
	}
	size := block.BlockSize()
	witness := c.witness
	c.witness = nil
	w, hasWitness := objects[0x80]
	challenge, hasChallenge := objects[0x81]
	response, hasResponse := objects[0x82]
	out := make([]byte, size)
	switch {
	case hasWitness && len(w) == 0: // mutual: a witness, encrypted
		c.witness = random(size)
		block.Encrypt(out, c.witness)
		return tlv(0x7c, tlv(0x80, out...)...), swOK
	case hasWitness && hasChallenge && len(challenge) == size: // … and back, with a challenge to us
		if witness == nil || subtle.ConstantTimeCompare(witness, w) != 1 {
			return nil, swSecurity
		}
		c.manager = true
		block.Encrypt(out, challenge)
		return tlv(0x7c, tlv(0x82, out...)...), swOK
	case hasChallenge && len(challenge) == 0: // the host alone: a challenge
		c.witness = random(size)
		return tlv(0x7c, tlv(0x81, c.witness...)...), swOK
	case hasResponse: // … and back, encrypted
		if witness == nil {
			return nil, swSecurity
		}
		block.Encrypt(out, witness)
		if subtle.ConstantTimeCompare(out, response) != 1 {
			return nil, swSecurity
		}
		c.manager = true
		return nil, swOK
	}
	return nil, swWrongData
}

func (c *Card) managementCipher() (cipher.Block, byte, error) {
	key := c.settings.ManagementKey
	if !c.settings.AES {
		block, err := des.NewTripleDESCipher(key)
		return block, 0x03, err
	}
	block, err := aes.NewCipher(key)
	return block, map[int]byte{16: 0x08, 24: 0x0a, 32: 0x0c}[len(key)], err
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// generate is GENERATE ASYMMETRIC KEY PAIR: the key is made on the card and only
// its public half leaves it.
func (c *Card) generate(cmd command) ([]byte, status) {
	objects, ok := template(cmd.data, 0xac)
	switch {
	case !c.manager:
		return nil, swSecurity
	case cmd.p1 != 0 || certificateOf[Slot(cmd.p2)] == 0:
		return nil, swWrongP1P2
	case !ok || len(objects[0x80]) != 1:
		return nil, swWrongData
	}
	key, err := newKey(objects[0x80][0])
	if err != nil || key == nil {
		return nil, swWrongData
	}
	if _, curve := key.(*ecdsa.PrivateKey); curve && c.settings.PKCS1Only {
		return nil, swWrongData
	}
	c.keys[Slot(cmd.p2)], c.made[Slot(cmd.p2)] = key, true
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		return tlv(0x7f49, append(tlv(0x81, k.N.Bytes()...), tlv(0x82, big.NewInt(int64(k.E)).Bytes()...)...)...), swOK
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return nil, swWrongData
		}
		return tlv(0x7f49, tlv(0x86, point...)...), swOK
	}
	return nil, swWrongData
}

// newKey makes a key, or none for an algorithm that is not known.
func newKey(algorithm byte) (crypto.Signer, error) {
	switch algorithm {
	case algRSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case algRSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case algP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case algP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return nil, nil
}

// putData is PUT DATA: a data object, or an empty one to remove it.
func (c *Card) putData(cmd command) ([]byte, status) {
	switch {
	case !c.manager:
		return nil, swSecurity
	case cmd.p1 != 0x3f || cmd.p2 != 0xff:
		return nil, swWrongP1P2
	}
	tag, ok := objectTag(cmd.data)
	if !ok {
		return nil, swWrongData
	}
	_, _, rest, _ := readTLV(cmd.data)
	t, content, rest, ok := readTLV(rest)
	if !ok || t != 0x53 || len(rest) != 0 {
		return nil, swWrongData
	}
	if len(content) == 0 {
		delete(c.objects, tag)
		return nil, swOK
	}
	if len(c.objects) >= 40 && c.objects[tag] == nil {
		return nil, swNoSpace
	}
	c.objects[tag] = bytes.Clone(content)
	return nil, swOK
}
