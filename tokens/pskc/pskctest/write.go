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
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
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
	w       io.Writer
	uri     string              // of the encryption algorithm
	encrypt func([]byte) []byte // nil: in the clear
	mac     hash.Hash           // nil: values without a MAC
	err     error
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
	return begin(w, fmt.Sprintf("<ds:KeyName>%s</ds:KeyName>", text(name)), fmt.Sprintf("%saes%d-cbc", nsXEnc, 8*len(transportKey)), cbc(transportKey), mac)
}

// NewWrappedWriter begins a file under a transport key with AES key wrap, which
// needs no MAC.
func NewWrappedWriter(w io.Writer, transportKey []byte, name string) *Writer {
	return begin(w, fmt.Sprintf("<ds:KeyName>%s</ds:KeyName>", text(name)), fmt.Sprintf("%skw-aes%d", nsXEnc, 8*len(transportKey)),
		func(value []byte) []byte { return Wrap(transportKey, value) }, 0)
}

// NewPasswordWriter begins a file under AES-128-CBC with a key derived from a
// password by PBKDF2 with HMAC-SHA1, as in figure 7 (section 6.2).
func NewPasswordWriter(w io.Writer, password string, iterations int) *Writer {
	salt := make([]byte, 16)
	rand.Read(salt)
	key, err := pbkdf2.Key(sha1.New, password, salt, iterations, 16)
	if err != nil {
		panic("pskctest: " + err.Error())
	}
	const pkcs5 = "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#"
	params := fmt.Sprintf("<Salt xmlns=''><Specified>%s</Specified></Salt><IterationCount xmlns=''>%d</IterationCount><KeyLength xmlns=''>16</KeyLength><PRF xmlns=''/>", b64(salt), iterations)
	named := fmt.Sprintf("<xenc11:DerivedKey xmlns:xenc11=%q><xenc11:KeyDerivationMethod Algorithm=\"%spbkdf2\"><pkcs5:PBKDF2-params xmlns:pkcs5=%q>%s</pkcs5:PBKDF2-params></xenc11:KeyDerivationMethod></xenc11:DerivedKey>",
		"http://www.w3.org/2009/xmlenc11#", pkcs5, pkcs5, params)
	return begin(w, named, nsXEnc+"aes128-cbc", cbc(key), hsm.SHA1)
}

// NewPublicWriter begins a file under RSA (section 6.3); with mac 0 its values have
// no MAC, as in figure 8.
func NewPublicWriter(w io.Writer, public *rsa.PublicKey, padding hsm.RSAPadding, mac hsm.Hash) *Writer {
	//lint:ignore SA1019 RFC 6030 section 6.3 recommends it, so files have it
	uri, encrypt := nsXEnc+"rsa-1_5", func(value []byte) ([]byte, error) { return rsa.EncryptPKCS1v15(rand.Reader, public, value) }
	if padding == hsm.OAEP {
		uri = nsXEnc + "rsa-oaep-mgf1p"
		encrypt = func(value []byte) ([]byte, error) {
			return rsa.EncryptOAEP(sha1.New(), rand.Reader, public, value, nil)
		}
	}
	return begin(w, "<ds:X509Data/>", uri, func(value []byte) []byte {
		out, err := encrypt(value)
		if err != nil {
			panic("pskctest: " + err.Error())
		}
		return out
	}, mac)
}

// begin writes the head of an encrypted file.
func begin(w io.Writer, named, uri string, encrypt func([]byte) []byte, mac hsm.Hash) *Writer {
	pw := &Writer{w: w, uri: uri, encrypt: encrypt}
	pw.printf("%s<KeyContainer Version=\"1.0\" xmlns=%q xmlns:ds=%q xmlns:xenc=%q>\n", xml.Header, nsPSKC, nsDSig, nsXEnc)
	pw.printf("  <EncryptionKey>%s</EncryptionKey>\n", named)
	if mac == 0 {
		return pw
	}
	newHash, macURI := sha256.New, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
	if mac == hsm.SHA1 {
		newHash, macURI = sha1.New, "http://www.w3.org/2000/09/xmldsig#hmac-sha1"
	}
	macKey := make([]byte, newHash().Size())
	rand.Read(macKey)
	pw.mac = hmac.New(newHash, macKey)
	pw.printf("  <MACMethod Algorithm=%q>\n    <MACKey>%s</MACKey>\n  </MACMethod>\n", macURI, pw.cipherData(encrypt(macKey)))
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
	if pw.encrypt == nil {
		pw.printf("        <Secret><PlainValue>%s</PlainValue></Secret>\n", b64(seed))
		return
	}
	data := pw.encrypt(seed)
	pw.printf("        <Secret>\n          <EncryptedValue>%s</EncryptedValue>\n", pw.cipherData(data))
	if pw.mac != nil {
		pw.mac.Reset()
		pw.mac.Write(data)
		pw.printf("          <ValueMAC>%s</ValueMAC>\n", b64(pw.mac.Sum(nil)))
	}
	pw.printf("        </Secret>\n")
}

// cbc returns the function that makes IV ‖ AES-CBC ciphertext, padded as section
// 6.4 has it. It panics on a key of an impossible length.
func cbc(key []byte) func([]byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("pskctest: " + err.Error())
	}
	return func(plain []byte) []byte {
		n := aes.BlockSize - len(plain)%aes.BlockSize
		padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
		out := make([]byte, aes.BlockSize+len(padded))
		rand.Read(out[:aes.BlockSize])
		cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], padded)
		return out
	}
}

func (pw *Writer) cipherData(data []byte) string {
	return fmt.Sprintf("<xenc:EncryptionMethod Algorithm=\"%s\"/><xenc:CipherData><xenc:CipherValue>%s</xenc:CipherValue></xenc:CipherData>",
		pw.uri, b64(data))
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// text escapes s for an element or an attribute.
func text(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
