package cardtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
)

// Algorithm identifiers (SP 800-78 table 6-2).
const (
	algRSA1024 = 0x06
	algRSA2048 = 0x07
	algRSA3072 = 0x05
	algRSA4096 = 0x16
	algP256    = 0x11
	algP384    = 0x14
)

// algorithmOf returns the identifier for a key.
func algorithmOf(public crypto.PublicKey) (byte, bool) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		a, ok := map[int]byte{1024: algRSA1024, 2048: algRSA2048, 3072: algRSA3072, 4096: algRSA4096}[k.N.BitLen()]
		return a, ok
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return algP256, true
		case elliptic.P384():
			return algP384, true
		}
	}
	return 0, false
}

// authenticate is GENERAL AUTHENTICATE: a signature, or the management key.
func (c *Card) authenticate(cmd command) ([]byte, status) {
	objects, ok := template(cmd.data, 0x7c)
	if !ok {
		return nil, swWrongData
	}
	if cmd.p2 == 0x9b {
		return c.manage(cmd.p1, objects)
	}
	slot := Slot(cmd.p2)
	key := c.keys[slot]
	if key == nil {
		return nil, swNoReference
	}
	algorithm, _ := algorithmOf(key.Public())
	if cmd.p1 != algorithm {
		return nil, swWrongP1P2
	}
	allowed := c.verified
	switch slot {
	case Signature:
		allowed = c.fresh
	case CardAuthentication:
		allowed = true
	}
	c.fresh = false
	if !allowed {
		return nil, swSecurity
	}
	input, response := objects[0x81], objects[0x82]
	if input == nil || response == nil || len(response) != 0 {
		return nil, swWrongData
	}
	signature, ok := c.sign(key, input)
	if !ok {
		return nil, swWrongData
	}
	c.signed++
	return tlv(0x7c, tlv(0x82, signature...)...), swOK
}

// sign does what the chip does: RSA of a whole block that is padded already, ECDSA
// of a hash no longer than the curve.
func (c *Card) sign(key crypto.Signer, input []byte) ([]byte, bool) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		m := new(big.Int).SetBytes(input)
		if len(input) != k.Size() || m.Cmp(k.N) >= 0 || c.settings.PKCS1Only && !isPKCS1(input) {
			return nil, false
		}
		return rawRSA(k, m).FillBytes(make([]byte, k.Size())), true
	case *ecdsa.PrivateKey:
		if c.settings.PKCS1Only || len(input) == 0 || len(input) > (k.Curve.Params().BitSize+7)/8 {
			return nil, false
		}
		signature, err := ecdsa.SignASN1(rand.Reader, k, input)
		return signature, err == nil
	}
	return nil, false
}

// rawRSA is RSADP (RFC 8017 section 5.1.2) by the Chinese remainder theorem.
func rawRSA(k *rsa.PrivateKey, m *big.Int) *big.Int {
	p, q := k.Primes[0], k.Primes[1]
	one := big.NewInt(1)
	a := new(big.Int).Exp(m, new(big.Int).Mod(k.D, new(big.Int).Sub(p, one)), p)
	b := new(big.Int).Exp(m, new(big.Int).Mod(k.D, new(big.Int).Sub(q, one)), q)
	h := a.Sub(a, b)
	h.Mul(h, new(big.Int).ModInverse(q, p)).Mod(h, p)
	return h.Mul(h, q).Add(h, b)
}

// digestInfos are how DigestInfos begin, for SHA-1, SHA-256, SHA-384 and SHA-512
// (RFC 8017 section 9.2, notes).
var digestInfos = [][]byte{
	unhex("3021300906052b0e03021a05000414"), unhex("3031300d060960864801650304020105000420"),
	unhex("3041300d060960864801650304020205000430"), unhex("3051300d060960864801650304020305000440"),
}

// isPKCS1 reports whether a block is EMSA-PKCS1-v1_5: 00 01 FF… 00 DigestInfo.
func isPKCS1(block []byte) bool {
	rest, ok := bytes.CutPrefix(block, []byte{0, 1})
	if !ok {
		return false
	}
	end := bytes.IndexByte(rest, 0)
	if end < 8 || bytes.Count(rest[:end], []byte{0xff}) != end {
		return false
	}
	info := rest[end+1:]
	for _, prefix := range digestInfos {
		if digest, ok := bytes.CutPrefix(info, prefix); ok {
			return len(digest) == int(prefix[len(prefix)-1])
		}
	}
	return false
}
