package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
)

// demoBatch plays the manufacturer: it writes the tokens into an RFC 6030 file,
// every seed encrypted under the transport key (AES-128-CBC) and under a MAC key
// of the file's own (section 6).
type demoBatch struct {
	block  cipher.Block
	macKey []byte
	out    bytes.Buffer
}

func writeDemoBatch(transportKey []byte, keyName string, tokens []*demoToken) ([]byte, error) {
	block, err := aes.NewCipher(transportKey)
	if err != nil {
		return nil, err
	}
	b := &demoBatch{block: block, macKey: make([]byte, sha256.Size)}
	rand.Read(b.macKey)
	fmt.Fprintf(&b.out, `%s<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"
    xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#">
  <EncryptionKey><ds:KeyName>%s</ds:KeyName></EncryptionKey>
  <MACMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256">
    <MACKey>%s</MACKey>
  </MACMethod>
`, xml.Header, keyName, encryptedValue(b.encrypt(b.macKey)))
	for _, t := range tokens {
		b.key(t.serial, t.serial+"-1", "hotp", `<AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>`, "OTP", t.hotpSeed)
		b.key(t.serial, t.serial+"-2", "ocra", `<AlgorithmParameters><Suite>`+demoSuite+`</Suite></AlgorithmParameters>`, "CR", t.ocraSeed)
	}
	b.out.WriteString("</KeyContainer>\n")
	return b.out.Bytes(), nil
}

func (b *demoBatch) key(serial, id, algorithm, parameters, usage string, seed []byte) {
	sealed := b.encrypt(seed)
	mac := hmac.New(sha256.New, b.macKey)
	mac.Write(sealed)
	fmt.Fprintf(&b.out, `  <KeyPackage>
    <DeviceInfo><Manufacturer>Example</Manufacturer><SerialNo>%s</SerialNo><Model>Demo</Model></DeviceInfo>
    <Key Id="%s" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:%s">
      %s
      <Data>
        <Secret><EncryptedValue>%s</EncryptedValue><ValueMAC>%s</ValueMAC></Secret>
        <Counter><PlainValue>0</PlainValue></Counter>
      </Data>
      <Policy><KeyUsage>%s</KeyUsage></Policy>
    </Key>
  </KeyPackage>
`, serial, id, algorithm, parameters, encryptedValue(sealed), base64.StdEncoding.EncodeToString(mac.Sum(nil)), usage)
}

// encrypt returns IV ‖ ciphertext, padded as section 6.4 has it.
func (b *demoBatch) encrypt(plain []byte) []byte {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
	out := make([]byte, aes.BlockSize+len(padded))
	rand.Read(out[:aes.BlockSize])
	cipher.NewCBCEncrypter(b.block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], padded)
	return out
}

func encryptedValue(data []byte) string {
	return `<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/><xenc:CipherData><xenc:CipherValue>` +
		base64.StdEncoding.EncodeToString(data) + `</xenc:CipherValue></xenc:CipherData>`
}
