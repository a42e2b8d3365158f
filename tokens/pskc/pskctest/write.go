// Package pskctest plays the manufacturer: it makes the PSKC files of RFC 6030
// that package pskc reads, in the clear or under a transport key, for tests and
// for the demonstration. It holds a software stand-in for the transport key in
// the HSM; no server uses either.
package pskctest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"hash"
	"io"

	"mohur/hsm"
)

// DefaultKeyName is the name a file gives to its transport key if none is set.
const DefaultKeyName = "transport"

// Writer writes one file, key by key, so that a file may be of any length. The
// first error stays and is returned by Close.
type Writer struct {
	w     io.Writer
	block cipher.Block // nil: in the clear
	bits  int          // of the transport key
	mac   hash.Hash
	err   error
}

// NewWriter begins a file with its seeds in the clear.
func NewWriter(w io.Writer) *Writer {
	pw := &Writer{w: w}
	pw.printf("%s<KeyContainer Version=\"1.0\" xmlns=%q>\n", xml.Header, nsPSKC)
	return pw
}

// NewEncryptedWriter begins a file under a transport key of 16, 24 or 32 bytes,
// known by name to both sides: AES-CBC with an HMAC under a MAC key of the
// file's own, SHA-1 as in the RFC's figure 6 or SHA-256 (section 6.1). It panics
// on a key of another length.
func NewEncryptedWriter(w io.Writer, transportKey []byte, name string, mac hsm.Hash) *Writer {
	block, err := aes.NewCipher(transportKey)
	if err != nil {
		panic("pskctest: " + err.Error())
	}
	newHash, uri := sha256.New, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
	if mac == hsm.SHA1 {
		newHash, uri = sha1.New, "http://www.w3.org/2000/09/xmldsig#hmac-sha1"
	}
	macKey := make([]byte, newHash().Size())
	rand.Read(macKey)
	pw := &Writer{w: w, block: block, bits: 8 * len(transportKey), mac: hmac.New(newHash, macKey)}
	pw.printf("%s<KeyContainer Version=\"1.0\" xmlns=%q xmlns:ds=%q xmlns:xenc=%q>\n", xml.Header, nsPSKC, nsDSig, nsXEnc)
	pw.printf("  <EncryptionKey><ds:KeyName>%s</ds:KeyName></EncryptionKey>\n", text(name))
	pw.printf("  <MACMethod Algorithm=%q>\n    <MACKey>%s</MACKey>\n  </MACMethod>\n", uri, pw.cipherData(pw.encrypt(macKey)))
	return pw
}

// Close ends the file.
func (pw *Writer) Close() error {
	pw.printf("</KeyContainer>\n")
	return pw.err
}

func (pw *Writer) printf(format string, args ...any) {
	if pw.err == nil {
		_, pw.err = fmt.Fprintf(pw.w, format, args...)
	}
}

// secret writes the seed as the file has it.
func (pw *Writer) secret(seed []byte) {
	if pw.block == nil {
		pw.printf("        <Secret><PlainValue>%s</PlainValue></Secret>\n", b64(seed))
		return
	}
	data := pw.encrypt(seed)
	pw.mac.Reset()
	pw.mac.Write(data)
	pw.printf("        <Secret>\n          <EncryptedValue>%s</EncryptedValue>\n", pw.cipherData(data))
	pw.printf("          <ValueMAC>%s</ValueMAC>\n        </Secret>\n", b64(pw.mac.Sum(nil)))
}

// encrypt returns IV ‖ AES-CBC ciphertext, padded as section 6.4 has it.
func (pw *Writer) encrypt(plain []byte) []byte {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
	out := make([]byte, aes.BlockSize+len(padded))
	rand.Read(out[:aes.BlockSize])
	cipher.NewCBCEncrypter(pw.block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], padded)
	return out
}

func (pw *Writer) cipherData(data []byte) string {
	return fmt.Sprintf("<xenc:EncryptionMethod Algorithm=\"%saes%d-cbc\"/><xenc:CipherData><xenc:CipherValue>%s</xenc:CipherValue></xenc:CipherData>",
		nsXEnc, pw.bits, b64(data))
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// text escapes s for an element or an attribute.
func text(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
