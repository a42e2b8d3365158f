package pskc

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/xml"
	"errors"
	"hash"
	"strings"

	"mohur/tokens/seedfile"
	"mohur/tokens/strictxml"
)

// protection is how a file says its values are protected (section 6).
type protection struct {
	named     bool        // there is an <EncryptionKey>
	certified bool        // it names a certificate or a public key (section 6.3)
	derived   *derivation // it names a password (section 6.2)
	method    method      // of the values met so far, which all have the same
	macNamed  bool        // there is a <MACMethod>
	mac       hash.Hash   // under the file's MAC key; nil: the values have none
}

// macs are the MAC algorithms of section 6.1.1 and of RFC 6931.
var macs = map[string]func() hash.Hash{
	nsDSig + "hmac-sha1":   sha1.New,
	nsMore + "hmac-sha256": sha256.New,
	nsMore + "hmac-sha384": sha512.New384,
	nsMore + "hmac-sha512": sha512.New,
}

// encryptionKey reads <EncryptionKey> (section 6): a key both sides have, known by
// its name, one derived from a password, or the bank's public key.
func (p *pass) encryptionKey() error {
	p.prot.named = true
	err := p.Elements(func(e xml.StartElement) error {
		switch e.Name {
		case xml.Name{Space: nsDSig, Local: "KeyName"}:
			return p.keyName()
		case xml.Name{Space: nsXEnc11, Local: "DerivedKey"}:
			return p.derivedKey()
		case xml.Name{Space: nsDSig, Local: "X509Data"}, xml.Name{Space: nsDSig, Local: "KeyValue"}:
			p.prot.certified = true
			return p.Skip() // whose it is shows when a value opens
		case xml.Name{Space: nsXEnc, Local: "EncryptedKey"}:
			return p.Fault(seedfile.CodeUnsupported, "a file that carries its own encryption key is not supported")
		}
		return p.Fault(seedfile.CodeUnsupported, "the file names its encryption key in a way that is not supported")
	})
	if err != nil {
		return err
	}
	return p.keyGiven()
}

// keyName keeps what the file calls its key.
func (p *pass) keyName() error {
	name, _, err := p.Text()
	p.sum.KeyName = seedfile.Clean(strings.Trim(string(name), seedfile.Blanks), 256)
	return err
}

// keyGiven holds what the file needs against what the caller has named.
func (p *pass) keyGiven() error {
	password := p.keys.password != nil
	switch {
	case p.prot.certified && p.prot.derived != nil:
		return p.Fault(seedfile.CodeStructure, "the file names a password and a certificate")
	case p.prot.derived != nil && !password:
		return p.Fault(seedfile.CodeNoKey, "the file is under a password: name it")
	case p.prot.derived != nil:
		return nil
	case password:
		return p.Fault(seedfile.CodeNoKey, "a password was named and the file is not under one: name its transport key")
	case p.opt.Decrypter == nil:
		return p.Fault(seedfile.CodeNoKey, "the file is encrypted: name the transport key it was made for")
	}
	return nil
}

// macMethod reads <MACMethod> (section 6.1.1). The MAC key has to be one of its
// own: the fallback to the encryption key would need that key outside the HSM.
func (p *pass) macMethod(ctx context.Context, e xml.StartElement) error {
	var key encryptedData
	p.prot.macNamed = true
	alg, named := strictxml.Attribute(e, "Algorithm")
	err := p.Elements(func(e xml.StartElement) error {
		switch {
		case e.Name == xml.Name{Space: nsPSKC, Local: "MACKey"} && !key.present:
			return p.encryptedData(&key)
		case e.Name == xml.Name{Space: nsPSKC, Local: "MACKeyReference"}:
			return p.Fault(seedfile.CodeUnsupported, "a MAC key outside the file is not supported")
		case e.Name.Space != nsPSKC:
			return p.extension()
		}
		return p.Fault(seedfile.CodeStructure, "the MAC method holds an unknown element")
	})
	if err != nil {
		return err
	}
	if !key.present {
		return p.Fault(seedfile.CodeNoMAC, "the file has a MAC method without a MAC key")
	}
	m, err := p.supported(&key)
	if err != nil {
		return err
	}
	if !named && m.family == kw {
		// Some makers write the key and name no algorithm where there is no MAC to
		// check. A <ValueMAC> in such a file is refused.
		return p.opens(ctx, m, key.data)
	}
	newHash, ok := macs[alg]
	if !ok {
		return p.Fault(seedfile.CodeUnsupported, "the MAC algorithm of the file is not supported")
	}
	return p.openMACKey(ctx, m, key.data, newHash)
}

// openMACKey decrypts the MAC key. Nothing protects its ciphertext, so whether
// its padding is good must not be seen from outside, or whoever may import files
// could ask the HSM for other values byte by byte: a key that does not open
// becomes a random one, and the first MAC fails in the same words at the same place.
func (p *pass) openMACKey(ctx context.Context, m method, data []byte, newHash func() hash.Hash) error {
	key := make([]byte, 32)
	rand.Read(key) // drawn in any case, so that the time taken tells nothing either
	o, err := p.open(ctx, m, data)
	if err != nil && !errors.Is(err, ErrNotOpened) {
		return err
	}
	defer o.clear()
	if err == nil && o.padded && len(o.value) >= 16 && len(o.value) <= 128 {
		key = o.value
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
