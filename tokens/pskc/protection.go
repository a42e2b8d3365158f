package pskc

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/xml"
	"errors"
	"hash"
	"strings"
)

const block = 16 // of AES

// protection is how a file says its values are protected (section 6).
type protection struct {
	named bool      // there is an <EncryptionKey>
	mac   hash.Hash // under the file's MAC key; nil: the file has no <MACMethod>
}

// macs are the MAC algorithms of section 6.1.1 and of RFC 6931.
var macs = map[string]func() hash.Hash{
	nsDSig + "hmac-sha1": sha1.New,
	"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256": sha256.New,
	"http://www.w3.org/2001/04/xmldsig-more#hmac-sha384": sha512.New384,
	"http://www.w3.org/2001/04/xmldsig-more#hmac-sha512": sha512.New,
}

// encryptionKey reads <EncryptionKey> (section 6). A pre-shared key is known by
// its name; the other ways are recognised and refused.
func (p *pass) encryptionKey() error {
	p.prot.named = true
	err := p.elements(func(e xml.StartElement) error {
		switch e.Name {
		case xml.Name{Space: nsDSig, Local: "KeyName"}:
			name, _, err := p.text()
			p.sum.KeyName = clean(strings.Trim(string(name), blanks), maxLabel)
			return err
		case xml.Name{Space: nsXEnc11, Local: "DerivedKey"}:
			return p.fault(CodeUnsupported, "files under a password (PBKDF2) are not yet supported")
		case xml.Name{Space: nsDSig, Local: "X509Data"}, xml.Name{Space: nsDSig, Local: "KeyValue"},
			xml.Name{Space: nsXEnc, Local: "EncryptedKey"}:
			return p.fault(CodeUnsupported, "files under a public key (RSA) are not yet supported")
		}
		return p.fault(CodeUnsupported, "the file names its encryption key in a way that is not supported")
	})
	if err == nil && p.opt.Decrypter == nil {
		return p.fault(CodeNoKey, "the file is encrypted: name the transport key it was made for")
	}
	return err
}

// macMethod reads <MACMethod> (section 6.1.1). The MAC key has to be one of its
// own: the fallback to the encryption key would need that key outside the HSM.
func (p *pass) macMethod(ctx context.Context, e xml.StartElement) error {
	var key encryptedData
	alg, _ := attribute(e, "Algorithm")
	err := p.elements(func(e xml.StartElement) error {
		switch {
		case e.Name == xml.Name{Space: nsPSKC, Local: "MACKey"} && !key.present:
			return p.encryptedData(&key)
		case e.Name == xml.Name{Space: nsPSKC, Local: "MACKeyReference"}:
			return p.fault(CodeUnsupported, "a MAC key outside the file is not supported")
		case e.Name.Space != nsPSKC:
			return p.extension()
		}
		return p.fault(CodeStructure, "the MAC method holds an unknown element")
	})
	if err != nil {
		return err
	}
	if !key.present {
		return p.fault(CodeNoMAC, "the file has a MAC method without a MAC key")
	}
	if err := p.supported(&key); err != nil {
		return err
	}
	newHash, ok := macs[alg]
	if !ok {
		return p.fault(CodeUnsupported, "the MAC algorithm of the file is not supported")
	}
	return p.openMACKey(ctx, &key, newHash)
}

// openMACKey decrypts the MAC key. Nothing protects its ciphertext, so whether
// its padding is good must not be seen from outside, or whoever may import files
// could ask the HSM for other values byte by byte: a key that does not open
// becomes a random one, and the first MAC fails in the same words at the same place.
func (p *pass) openMACKey(ctx context.Context, c *encryptedData, newHash func() hash.Hash) error {
	padded, err := p.decrypt(ctx, c)
	if err != nil {
		return err
	}
	defer clear(padded)
	key := make([]byte, 32)
	rand.Read(key) // drawn in any case, so that the time taken tells nothing either
	if opened, ok := unpad(padded); ok && len(opened) >= 16 && len(opened) <= 128 {
		key = opened
	}
	p.prot.mac = hmac.New(newHash, key)
	return nil
}

// verify compares a MAC over the value as it stands in the file, IV and
// ciphertext, in constant time.
func (pr *protection) verify(data, mac []byte) bool {
	pr.mac.Reset()
	pr.mac.Write(data)
	return hmac.Equal(pr.mac.Sum(nil), mac)
}

// decrypt opens IV ‖ ciphertext with the transport key and leaves the padding
// on. The caller has checked the MAC and clears the result. nil stands for a
// ciphertext of impossible length.
func (p *pass) decrypt(ctx context.Context, c *encryptedData) ([]byte, error) {
	if len(c.data) < 2*block || len(c.data)%block != 0 {
		return nil, nil
	}
	padded, err := p.opt.Decrypter.DecryptCBC(ctx, c.data[:block], c.data[block:])
	if err != nil {
		return nil, err
	}
	if len(padded) != len(c.data)-block {
		clear(padded)
		return nil, errors.New("the transport key returned a value of the wrong length")
	}
	return padded, nil
}

// unpad takes off the PKCS #5 padding of section 6.4. All its bytes are looked
// at: the padding of XML Encryption, of which only the last byte counts, would
// let a changed MAC key pass once in 256 times and so answer questions about
// what the transport key makes of any block.
func unpad(padded []byte) ([]byte, bool) {
	if len(padded) == 0 {
		return nil, false
	}
	n := int(padded[len(padded)-1])
	if n < 1 || n > block || n > len(padded) {
		return nil, false
	}
	rest, end := padded[:len(padded)-n], padded[len(padded)-n:]
	return rest, subtle.ConstantTimeCompare(end, bytes.Repeat([]byte{byte(n)}, n)) == 1
}
