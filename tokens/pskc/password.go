package pskc

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/xml"
	"fmt"
	"hash"
	"slices"
	"strings"

	"mohur/tokens/seedfile"
	"mohur/tokens/strictxml"
)

// Bounds on PBKDF2 (RFC 8018 section 4): fewer iterations or a shorter salt than
// these protect nothing, more are somebody's attempt to keep the server busy: the
// most take about a second.
const (
	MinIterations = 1000
	MaxIterations = 2_000_000
	MinSalt       = 8 // bytes
	MaxSalt       = 256
)

// derivation is how a file has its key derived from a password (section 6.2). It
// is comparable, so that one derivation serves both passes.
type derivation struct {
	salt       string
	iterations int
	length     int // of the key, in bytes; 0: as the method has it
	prf        string
}

// kdfs are the ways PBKDF2 is called: in figure 7 and the schema of PKCS #5, in the
// text of section 6.2, and in XML Encryption 1.1.
var kdfs = []string{nsPKCS5 + "pbkdf2", "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5#pbkdf2", nsXEnc11 + "pbkdf2"}

// derivedKey reads <xenc11:DerivedKey>.
func (p *pass) derivedKey() error {
	if p.prot.derived != nil {
		return p.Fault(seedfile.CodeStructure, "the file names two passwords")
	}
	p.prot.derived = &derivation{}
	known := false
	err := p.Elements(func(e xml.StartElement) error {
		switch {
		case e.Name == xml.Name{Space: nsXEnc11, Local: "KeyDerivationMethod"} && !known:
			known = true
			return p.derivationMethod(e)
		case e.Name.Space == nsXEnc11 && (e.Name.Local == "MasterKeyName" || e.Name.Local == "DerivedKeyName"):
			return p.keyName()
		case e.Name == xml.Name{Space: nsXEnc, Local: "ReferenceList"}:
			return p.Skip() // it repeats which values are under the key
		}
		return p.Fault(seedfile.CodeStructure, "the derived key holds an unknown element")
	})
	if err == nil && !known {
		return p.Fault(seedfile.CodeUnsupported, "the file does not say how its key is derived from the password")
	}
	return err
}

// derivationMethod reads <xenc11:KeyDerivationMethod> with the parameters of
// PBKDF2. In figure 7 these are in no namespace.
func (p *pass) derivationMethod(e xml.StartElement) error {
	alg, _ := strictxml.Attribute(e, "Algorithm")
	if !slices.Contains(kdfs, alg) {
		return p.Fault(seedfile.CodeUnsupported, "the key is derived from the password by another way than PBKDF2")
	}
	params := false
	err := p.Elements(func(e xml.StartElement) error {
		if e.Name.Local != "PBKDF2-params" || !ofPBKDF2(e) || params {
			return p.Fault(seedfile.CodeStructure, "the derivation of the key holds an unknown element")
		}
		params = true
		return p.derivationParameters(p.prot.derived)
	})
	if err != nil {
		return err
	}
	return p.checkDerivation(p.prot.derived)
}

func ofPBKDF2(e xml.StartElement) bool {
	return e.Name.Space == "" || e.Name.Space == nsPKCS5 || e.Name.Space == nsXEnc11
}

// derivationParameters reads <PBKDF2-params>: <Salt>, <IterationCount>, <KeyLength>
// and <PRF>, each once.
func (p *pass) derivationParameters(d *derivation) error {
	var seen []string
	return p.Elements(func(e xml.StartElement) error {
		if !ofPBKDF2(e) || slices.Contains(seen, e.Name.Local) {
			return p.Fault(seedfile.CodeStructure, "the parameters of PBKDF2 hold an unknown element")
		}
		seen = append(seen, e.Name.Local)
		switch e.Name.Local {
		case "Salt":
			return p.salt(d)
		case "IterationCount":
			return p.derivationNumber(&d.iterations, "number of iterations", MinIterations, MaxIterations)
		case "KeyLength":
			return p.derivationNumber(&d.length, "length of the key", 16, 32)
		case "PRF":
			d.prf, _ = strictxml.Attribute(e, "Algorithm")
			return p.Skip()
		}
		return p.Fault(seedfile.CodeStructure, "the parameters of PBKDF2 hold an unknown element")
	})
}

func (p *pass) salt(d *derivation) error {
	return p.Elements(func(e xml.StartElement) error {
		if e.Name.Local != "Specified" || !ofPBKDF2(e) || d.salt != "" {
			return p.Fault(seedfile.CodeUnsupported, "a salt outside the file is not supported")
		}
		text, long, err := p.Text()
		if err != nil {
			return err
		}
		salt, fault := decodeBase64(text)
		if fault != nil || long {
			return p.Fault(seedfile.CodeStructure, "the salt is not base64")
		}
		d.salt = string(salt)
		return nil
	})
}

func (p *pass) derivationNumber(to *int, name string, min, max int64) error {
	text, _, err := p.Text()
	if err != nil {
		return err
	}
	n, fault := parseInt(string(text), min, max)
	if fault != nil {
		return p.Fault(seedfile.CodeLimit, "the "+name+" of PBKDF2 is "+fault.Error())
	}
	*to = int(n)
	return nil
}

func (p *pass) checkDerivation(d *derivation) error {
	switch {
	case d.iterations == 0:
		return p.Fault(seedfile.CodeStructure, "PBKDF2 has no number of iterations")
	case len(d.salt) < MinSalt || len(d.salt) > MaxSalt:
		return p.Fault(seedfile.CodeLimit, fmt.Sprintf("the salt of PBKDF2 has %d bytes; %d to %d are taken", len(d.salt), MinSalt, MaxSalt))
	case d.length%8 != 0:
		return p.Fault(seedfile.CodeStructure, "the length of the key of PBKDF2 is not that of an AES key")
	case prf(d.prf) == nil:
		return p.Fault(seedfile.CodeUnsupported, "the pseudo-random function of PBKDF2 is not supported")
	}
	return nil
}

// prf is the hash of the HMAC: SHA-1 where the file names none (RFC 8018 appendix
// A.2).
func prf(alg string) func() hash.Hash {
	if alg == "" || strings.EqualFold(alg, nsPKCS5+"hmac-sha1") || strings.EqualFold(alg, nsPKCS5+"id-hmacWithSHA1") {
		return sha1.New
	}
	return macs[alg]
}

// keyring holds the password of one import and the key last derived from it.
type keyring struct {
	password []byte
	last     derivation
	key      Decrypter
}

// derive returns the key for a derivation, of size bytes where the file does not
// say. The bytes of the key are cleared; AES keeps its round keys until the ring
// is let go.
func (k *keyring) derive(p *pass, d derivation, size int) (Decrypter, error) {
	if d.length == 0 {
		d.length = size
	}
	if d.length != size {
		return nil, p.Fault(seedfile.CodeStructure, "the derived key has not the length that its algorithm needs")
	}
	if k.key != nil && k.last == d {
		return k.key, nil
	}
	// The library takes a string: this copy of the password is the collector's.
	key, err := pbkdf2.Key(prf(d.prf), string(k.password), []byte(d.salt), d.iterations, d.length)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	made, err := newMemoryKey(key)
	if err != nil {
		return nil, err
	}
	k.key, k.last = made, d
	return made, nil
}
