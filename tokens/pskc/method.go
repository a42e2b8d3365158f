package pskc

import (
	"encoding/xml"
	"strings"

	"mohur/hsm"
	"mohur/tokens/seedfile"
	"mohur/tokens/strictxml"
)

// family is a way of encrypting values.
type family int

// The ways of RFC 6030 section 6. Only CBC lacks a check of its own and needs a
// MAC (section 6.1.1).
const (
	cbc family = iota + 1
	kw
	asymmetric
)

// method is an encryption algorithm of XML Encryption. It is comparable: all values
// of a file are under the same.
type method struct {
	family  family
	size    int // of the AES key, in bytes
	padding hsm.RSAPadding
}

// methods are the algorithms that are read. RFC 6030 writes rsa_1_5 for what XML
// Encryption calls rsa-1_5.
var methods = map[string]method{
	nsXEnc + "aes128-cbc":       {family: cbc, size: 16},
	nsXEnc + "aes192-cbc":       {family: cbc, size: 24},
	nsXEnc + "aes256-cbc":       {family: cbc, size: 32},
	nsXEnc + "kw-aes128":        {family: kw, size: 16},
	nsXEnc + "kw-aes192":        {family: kw, size: 24},
	nsXEnc + "kw-aes256":        {family: kw, size: 32},
	nsXEnc11 + "kw-aes-128-pad": {family: kw, size: 16},
	nsXEnc11 + "kw-aes-192-pad": {family: kw, size: 24},
	nsXEnc11 + "kw-aes-256-pad": {family: kw, size: 32},
	nsXEnc + "rsa-1_5":          {family: asymmetric, padding: hsm.PKCS1v15},
	nsXEnc + "rsa_1_5":          {family: asymmetric, padding: hsm.PKCS1v15},
	nsXEnc + "rsa-oaep-mgf1p":   {family: asymmetric, padding: hsm.OAEP},
	nsXEnc11 + "rsa-oaep":       {family: asymmetric, padding: hsm.OAEP},
}

// encryptionMethod reads <xenc:EncryptionMethod>. What stands in it changes how an
// RSA value is padded; only what XML Encryption takes without being told is read.
func (p *pass) encryptionMethod(c *encryptedData, e xml.StartElement) error {
	if c.method != "" {
		return p.Fault(seedfile.CodeStructure, "an encrypted value names two methods")
	}
	c.method, _ = strictxml.Attribute(e, "Algorithm")
	return p.Elements(func(e xml.StartElement) error {
		alg, _ := strictxml.Attribute(e, "Algorithm")
		switch {
		case e.Name == xml.Name{Space: nsDSig, Local: "DigestMethod"} && alg == nsDSig+"sha1",
			e.Name == xml.Name{Space: nsXEnc11, Local: "MGF"} && alg == nsXEnc11+"mgf1sha1",
			e.Name == xml.Name{Space: nsXEnc, Local: "KeySize"}:
		default:
			c.parameters = true
		}
		return p.Skip()
	})
}

// supported returns the method of a value, which has to be one that is read and
// the file's own. All values of a file are protected alike (section 6), so the
// file is refused and not the record.
func (p *pass) supported(c *encryptedData) (method, error) {
	m, known := methods[c.method]
	switch {
	case c.ownKey:
		return m, p.Fault(seedfile.CodeUnsupported, "a value that names an encryption key of its own is not supported")
	case c.method == "":
		return m, p.Fault(seedfile.CodeUnsupported, "an encrypted value does not say how it is encrypted")
	case !known:
		return m, p.Fault(seedfile.CodeUnsupported, "the encryption algorithm of the file is not supported: "+seedfile.Clean(strings.TrimPrefix(c.method, nsXEnc), 80))
	case c.parameters && m.family == asymmetric:
		return m, p.Fault(seedfile.CodeUnsupported, "RSA-OAEP with another hash than SHA-1, or with parameters, is not supported")
	case c.parameters:
		return m, p.Fault(seedfile.CodeUnsupported, "an encryption algorithm with parameters is not supported")
	case p.prot.method != (method{}) && p.prot.method != m:
		return m, p.Fault(seedfile.CodeStructure, "the values of the file are encrypted in different ways")
	case p.prot.certified && m.family != asymmetric:
		return m, p.Fault(seedfile.CodeUnsupported, "the file names a certificate and its values are not under RSA")
	case p.prot.derived != nil && m.family == asymmetric:
		return m, p.Fault(seedfile.CodeUnsupported, "the file names a password and its values are under RSA")
	}
	p.prot.method = m
	return m, nil
}
