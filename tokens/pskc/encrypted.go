package pskc

import (
	"encoding/xml"

	"mohur/tokens/seedfile"
)

// encryptedData is an xenc:EncryptedDataType: <EncryptedValue> and <MACKey>.
type encryptedData struct {
	present    bool
	method     string
	parameters bool   // the method has some that are not taken
	data       []byte // of CBC: IV ‖ ciphertext
	ownKey     bool   // it names a key of its own
}

// encryptedData reads the element just entered (XML Encryption section 3).
func (p *pass) encryptedData(c *encryptedData) error {
	c.present = true
	return p.Elements(func(e xml.StartElement) error {
		switch e.Name {
		case xml.Name{Space: nsXEnc, Local: "EncryptionMethod"}:
			return p.encryptionMethod(c, e)
		case xml.Name{Space: nsXEnc, Local: "CipherData"}:
			return p.cipherData(c)
		case xml.Name{Space: nsDSig, Local: "KeyInfo"}:
			c.ownKey = true
			return p.Skip()
		case xml.Name{Space: nsXEnc, Local: "EncryptionProperties"}:
			return p.extension()
		}
		return p.Fault(seedfile.CodeStructure, "an encrypted value holds an unknown element")
	})
}

// cipherData reads <xenc:CipherData>. A <CipherReference> would have the server
// fetch what somebody else chose; it is never followed.
func (p *pass) cipherData(c *encryptedData) error {
	return p.Elements(func(e xml.StartElement) error {
		if (e.Name == xml.Name{Space: nsXEnc, Local: "CipherReference"}) {
			return p.Fault(seedfile.CodeForbidden, "a reference to a value outside the file is not accepted")
		}
		if (e.Name != xml.Name{Space: nsXEnc, Local: "CipherValue"}) || c.data != nil {
			return p.Fault(seedfile.CodeStructure, "an encrypted value holds an unknown element")
		}
		text, long, err := p.Text()
		if err != nil {
			return err
		}
		if long {
			return p.Fault(seedfile.CodeLimit, "an encrypted value is too long")
		}
		if c.data, err = decodeBase64(text); err != nil {
			return p.Fault(seedfile.CodeWrongKey, wrongKey)
		}
		return nil
	})
}
