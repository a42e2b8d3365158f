package pskc

import (
	"encoding/xml"
	"strings"
)

// encryptedData is an xenc:EncryptedDataType: <EncryptedValue> and <MACKey>.
type encryptedData struct {
	present bool
	method  string
	data    []byte // IV ‖ ciphertext
	ownKey  bool   // it names a key of its own
}

// encryptedData reads the element just entered (XML Encryption section 3).
func (p *pass) encryptedData(c *encryptedData) error {
	c.present = true
	return p.elements(func(e xml.StartElement) error {
		switch e.Name {
		case xml.Name{Space: nsXEnc, Local: "EncryptionMethod"}:
			if c.method != "" {
				return p.fault(CodeStructure, "an encrypted value names two methods")
			}
			c.method, _ = attribute(e, "Algorithm")
			return p.skip()
		case xml.Name{Space: nsXEnc, Local: "CipherData"}:
			return p.cipherData(c)
		case xml.Name{Space: nsDSig, Local: "KeyInfo"}:
			c.ownKey = true
			return p.skip()
		case xml.Name{Space: nsXEnc, Local: "EncryptionProperties"}:
			return p.extension()
		}
		return p.fault(CodeStructure, "an encrypted value holds an unknown element")
	})
}

// cipherData reads <xenc:CipherData>. A <CipherReference> would have the server
// fetch what somebody else chose; it is never followed.
func (p *pass) cipherData(c *encryptedData) error {
	return p.elements(func(e xml.StartElement) error {
		if (e.Name == xml.Name{Space: nsXEnc, Local: "CipherReference"}) {
			return p.fault(CodeForbidden, "a reference to a value outside the file is not accepted")
		}
		if (e.Name != xml.Name{Space: nsXEnc, Local: "CipherValue"}) || c.data != nil {
			return p.fault(CodeStructure, "an encrypted value holds an unknown element")
		}
		text, long, err := p.text()
		if err != nil {
			return err
		}
		if long {
			return p.fault(CodeLimit, "an encrypted value is too long")
		}
		if c.data, err = decodeBase64(text); err != nil {
			return p.fault(CodeWrongKey, wrongKey)
		}
		return nil
	})
}

// supported refuses every encryption but AES-CBC. All values of a file are
// protected alike, so the file is refused and not the record.
func (p *pass) supported(c *encryptedData) error {
	if c.ownKey {
		return p.fault(CodeUnsupported, "a value that names an encryption key of its own is not supported")
	}
	name, ok := strings.CutPrefix(c.method, nsXEnc)
	switch {
	case ok && (name == "aes128-cbc" || name == "aes192-cbc" || name == "aes256-cbc"):
		return nil
	case strings.Contains(c.method, "#kw-aes"):
		return p.fault(CodeUnsupported, "AES key wrap is not yet supported")
	case strings.Contains(c.method, "#rsa"):
		return p.fault(CodeUnsupported, "files under a public key (RSA) are not yet supported")
	case c.method == "":
		return p.fault(CodeUnsupported, "an encrypted value does not say how it is encrypted")
	}
	return p.fault(CodeUnsupported, "the encryption algorithm of the file is not supported")
}
