package pskc_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
	"mohur/tokens/seedfile"
)

const wrongKey = "the transport key does not fit this file or the file was changed"

var (
	cipherValue = regexp.MustCompile(`<xenc:CipherValue>([^<]*)<`)
	valueMAC    = regexp.MustCompile(`<ValueMAC>([^<]*)<`)
)

// flip changes one bit of the nth base64 value that the pattern finds.
func flip(t *testing.T, doc []byte, pattern *regexp.Regexp, n, octet int) []byte {
	t.Helper()
	at := pattern.FindAllSubmatchIndex(doc, -1)[n]
	raw, err := base64.StdEncoding.DecodeString(string(doc[at[2]:at[3]]))
	if err != nil {
		t.Fatal(err)
	}
	raw[octet] ^= 1
	out := bytes.Clone(doc)
	copy(out[at[2]:at[3]], base64.StdEncoding.EncodeToString(raw))
	return out
}

// A wrong transport key, a changed MAC, seed or MAC key, in whichever key of the
// file: all refuse the file, in the same words, and nothing comes out.
func TestClause5_20_WrongKeyOrChangedFile(t *testing.T) {
	doc := batch(4).Encrypted(transport)
	files := map[string][]byte{
		"MAC not base64":   with(t, doc, "<ValueMAC>", "<ValueMAC>!"),
		"MAC cut":          valueMAC.ReplaceAll(doc, []byte("<ValueMAC>AAAA<")),
		"MAC empty":        valueMAC.ReplaceAll(doc, []byte("<ValueMAC><")),
		"value not base64": with(t, doc, "<EncryptedValue><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes128-cbc\"/><xenc:CipherData><xenc:CipherValue>", "<EncryptedValue><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes128-cbc\"/><xenc:CipherData><xenc:CipherValue>!"),
		"value empty":      cipherValue.ReplaceAll(doc, []byte("<xenc:CipherValue><")),
		"last key, IV":     flip(t, doc, cipherValue, 4, 0),
		"last key, seed":   flip(t, doc, cipherValue, 4, 20),
		"last key, end":    flip(t, doc, cipherValue, 4, 47),
		"last key, MAC":    flip(t, doc, valueMAC, 3, 31),
	}
	for octet := range 64 {
		files[fmt.Sprintf("MAC key, byte %d", octet)] = flip(t, doc, cipherValue, 0, octet)
	}
	for name, doc := range files {
		t.Run(name, func(t *testing.T) {
			o := read(doc, encrypted)
			refused(t, o, seedfile.CodeWrongKey)
			if o.err != nil && !strings.HasSuffix(o.err.Error(), wrongKey) {
				t.Error(o.err)
			}
		})
	}
	for name, key := range map[string]string{"other": "0123456789abcdeF", "longer": "0123456789abcdef0123456789abcdef"} {
		o := read(doc, pskc.Options{Decrypter: pskctest.TransportKey(key)})
		refused(t, o, seedfile.CodeWrongKey)
		if !strings.HasSuffix(fmt.Sprint(o.err), wrongKey) {
			t.Errorf("%s key: %v", name, o.err)
		}
	}
}

// Whether the padding of the MAC key was good cannot be seen: the refusal comes
// from the same line, after the same calls of the HSM.
func TestClause5_20_NoPaddingOracle(t *testing.T) {
	doc := batch(2).Encrypted(transport)
	said := map[string]int{}
	for i := range 1024 {
		at := cipherValue.FindSubmatchIndex(doc)
		raw, _ := base64.StdEncoding.DecodeString(string(doc[at[2]:at[3]]))
		if i < 256 {
			raw[len(raw)-17] = byte(i) // decides over the last byte of the padding, and changes the key
		} else {
			binary.BigEndian.PutUint16(raw[len(raw)-9:], uint16(i)) // some other padding behind the right key
		}
		changed := bytes.Clone(doc)
		copy(changed[at[2]:at[3]], base64.StdEncoding.EncodeToString(raw))
		if bytes.Equal(changed, doc) {
			continue
		}
		hsm := &counting{}
		_, err := pskc.Validate(t.Context(), bytes.NewReader(changed), pskc.Options{Decrypter: hsm})
		said[fmt.Sprint(err, " after ", hsm.calls)]++
	}
	if len(said) != 1 {
		t.Errorf("the answers differ: %v", said)
	}
}

type counting struct {
	pskctest.TransportKey
	calls int
}

func (c *counting) DecryptCBC(ctx context.Context, iv, ciphertext []byte) ([]byte, error) {
	c.calls++
	return transport.DecryptCBC(ctx, iv, ciphertext)
}

// No seed is decrypted before its MAC, and the MACs of the whole file, are right.
func TestClause5_20_MACBeforeDecryption(t *testing.T) {
	doc := batch(50).Encrypted(transport)
	hsm := &counting{}
	if o := read(flip(t, doc, valueMAC, 49, 0), pskc.Options{Decrypter: hsm}); o.code() != seedfile.CodeWrongKey || hsm.calls != 1 {
		t.Errorf("%v after %d decryptions; the MAC key is the only one", o.err, hsm.calls)
	}
	hsm = &counting{}
	if o := read(doc, pskc.Options{Decrypter: hsm}); o.err != nil || hsm.calls != 2+50 {
		t.Errorf("%v after %d decryptions", o.err, hsm.calls)
	}
}

// What is not protected as it has to be refuses the file.
func TestClause5_20_MissingProtection(t *testing.T) {
	doc := batch(2).Encrypted(transport)
	encryption := regexp.MustCompile(`(?s)\s*<EncryptionKey>.*</EncryptionKey>`)
	method := regexp.MustCompile(`(?s)\s*<MACMethod .*</MACMethod>`)
	macKey := regexp.MustCompile(`(?s)\s*<MACKey>.*</MACKey>`)
	inClear := bytes.Replace(batch(1).Plain(), []byte("S-000000"), []byte("S-999999"), 1)
	inClear = regexp.MustCompile(`(?s)<KeyPackage>.*</KeyPackage>`).Find(inClear)
	oneMAC := valueMAC.FindAllIndex(doc, -1)[1]
	for name, c := range map[string]struct {
		doc  []byte
		code seedfile.Code
	}{
		"no MAC method":        {method.ReplaceAll(doc, nil), seedfile.CodeNoMAC},
		"no MAC key":           {macKey.ReplaceAll(doc, nil), seedfile.CodeNoMAC},
		"no MACs":              {regexp.MustCompile(`<ValueMAC>.*</ValueMAC>`).ReplaceAll(doc, nil), seedfile.CodeNoMAC},
		"one MAC missing":      {append(bytes.Clone(doc[:oneMAC[0]]), doc[oneMAC[1]+len("/ValueMAC>"):]...), seedfile.CodeNoMAC},
		"no encryption key":    {encryption.ReplaceAll(doc, nil), seedfile.CodeStructure},
		"neither":              {encryption.ReplaceAll(method.ReplaceAll(doc, nil), nil), seedfile.CodeStructure},
		"MAC method twice":     {with(t, doc, "<MACMethod", string(method.Find(doc))+"<MACMethod"), seedfile.CodeStructure},
		"encryption key twice": {with(t, doc, "<EncryptionKey>", "<EncryptionKey/><EncryptionKey>"), seedfile.CodeStructure},
		"a seed in the clear":  {with(t, doc, "</KeyContainer>", string(inClear)+"</KeyContainer>"), seedfile.CodePlain},
		"MD5":                  {with(t, doc, "xmldsig-more#hmac-sha256", "xmldsig-more#hmac-md5"), seedfile.CodeUnsupported},
		"no MAC algorithm":     {regexp.MustCompile(`<MACMethod [^>]*>`).ReplaceAll(doc, []byte("<MACMethod>")), seedfile.CodeUnsupported},
		"MAC key elsewhere":    {macKey.ReplaceAll(doc, []byte("<MACKeyReference>k</MACKeyReference>")), seedfile.CodeUnsupported},
		"triple DES":           {bytes.ReplaceAll(doc, []byte("aes128-cbc"), []byte("tripledes-cbc")), seedfile.CodeUnsupported},
		"key wrap":             {bytes.ReplaceAll(doc, []byte("aes128-cbc"), []byte("kw-aes128")), seedfile.CodeWrongKey},
		"RSA":                  {bytes.ReplaceAll(doc, []byte("aes128-cbc"), []byte("rsa-oaep-mgf1p")), seedfile.CodeWrongKey},
		"AES-CBC of others":    {bytes.ReplaceAll(doc, []byte("http://www.w3.org/2001/04/xmlenc#aes128-cbc"), []byte("urn:x#aes128-cbc")), seedfile.CodeUnsupported},
		"no method":            {bytes.ReplaceAll(doc, []byte(`<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>`), nil), seedfile.CodeUnsupported},
		"key of its own":       {with(t, doc, "<EncryptedValue>", "<EncryptedValue><ds:KeyInfo><ds:KeyName>mine</ds:KeyName></ds:KeyInfo>"), seedfile.CodeUnsupported},
		"value elsewhere":      {with(t, doc, "<xenc:CipherValue>", `<xenc:CipherReference URI="http://127.0.0.1/"/><xenc:CipherValue>`), seedfile.CodeForbidden},
		"two values":           {with(t, doc, "<xenc:CipherValue>", "<xenc:CipherValue>AAAA</xenc:CipherValue><xenc:CipherValue>"), seedfile.CodeStructure},
		"two methods":          {with(t, doc, "<xenc:CipherData>", `<xenc:EncryptionMethod Algorithm="x"/><xenc:CipherData>`), seedfile.CodeStructure},
		"endless value":        {with(t, doc, "<xenc:CipherValue>", "<xenc:CipherValue>"+strings.Repeat("AAAA", 1025)), seedfile.CodeLimit},
	} {
		t.Run(name, func(t *testing.T) { refused(t, read(c.doc, encrypted), c.code) })
	}
}

// What is taken in the clear, and what is not: the caller decides, never the file.
func TestClause5_20_PlainFiles(t *testing.T) {
	clear, sealed := batch(2).Plain(), batch(2).Encrypted(transport)
	both := pskc.Options{AllowPlain: true, Decrypter: transport}
	refused(t, read(clear, pskc.Options{}), seedfile.CodePlain)
	refused(t, read(clear, encrypted), seedfile.CodePlain)
	refused(t, read(clear, both), seedfile.CodePlain) // a key was named: this is not the file that was sent
	refused(t, read(sealed, plain), seedfile.CodeNoKey)
	refused(t, read(sealed, pskc.Options{}), seedfile.CodeNoKey)
	if o := read(clear, plain); o.err != nil || o.sum.Encrypted || len(o.sum.Warnings()) != 1 {
		t.Errorf("%+v %v", o.sum, o.err)
	}
	if o := read(sealed, both); o.err != nil || !o.sum.Encrypted || o.sum.KeyName != pskctest.DefaultKeyName {
		t.Errorf("%+v %v", o.sum, o.err)
	}
}

// sealed is a file with one key whose padded seed is given, under good MACs.
func sealed(t *testing.T, padded []byte) []byte {
	t.Helper()
	iv, macKey := make([]byte, aes.BlockSize), bytes.Repeat([]byte{7}, 32)
	seal := func(padded []byte) (string, []byte) {
		block, err := aes.NewCipher(transport)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, len(padded))
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, padded)
		out = append(bytes.Clone(iv), out...)
		return base64.StdEncoding.EncodeToString(out), out
	}
	doc := pskctest.File{Keys: []pskctest.Key{hotp}}.Encrypted(transport)
	values := cipherValue.FindAllSubmatch(doc, -1)
	sealedMACKey, _ := seal(append(bytes.Clone(macKey), bytes.Repeat([]byte{16}, 16)...))
	sealedSeed, raw := seal(padded)
	mac := hmac.New(sha256.New, macKey)
	mac.Write(raw)
	doc = bytes.Replace(doc, values[0][1], []byte(sealedMACKey), 1)
	doc = bytes.Replace(doc, values[1][1], []byte(sealedSeed), 1)
	return valueMAC.ReplaceAll(doc, []byte("<ValueMAC>"+base64.StdEncoding.EncodeToString(mac.Sum(nil))+"<"))
}

// Under a good MAC a bad padding or length is the maker's fault in one record.
func TestPaddingOfTheSeed(t *testing.T) {
	pad := func(seed []byte, end ...byte) []byte { return append(bytes.Clone(seed), end...) }
	for name, c := range map[string]struct {
		padded []byte
		reason string
	}{
		"PKCS #5":              {pad(seed20, bytes.Repeat([]byte{12}, 12)...), ""},
		"whole block":          {pad(seed20[:16], bytes.Repeat([]byte{16}, 16)...), ""},
		"XML Encryption":       {pad(seed20, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 99, 12), "not padded"},
		"none":                 {seed32, "not padded"},
		"zero":                 {pad(seed20, make([]byte, 12)...), "not padded"},
		"more than a block":    {pad(seed20, bytes.Repeat([]byte{17}, 12)...), "not padded"},
		"seed of 15":           {pad(seed20[:15], 1), "15 bytes"},
		"seed of 0":            {bytes.Repeat([]byte{16}, 16), "0 bytes"},
		"seed of 65":           {pad(append(bytes.Clone(seed64), 'x'), bytes.Repeat([]byte{15}, 15)...), "65 bytes"},
		"seed of 64 (longest)": {pad(seed64, bytes.Repeat([]byte{16}, 16)...), ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := read(sealed(t, c.padded), encrypted)
			if c.reason != "" {
				rejected(t, o, 0, c.reason)
				return
			}
			want := c.padded[:len(c.padded)-int(c.padded[len(c.padded)-1])]
			if len(o.keys) != 1 || !bytes.Equal(o.keys[0].Secret, want) {
				t.Errorf("%+v %v", o.rejected, o.err)
			}
		})
	}
}

// A record rejected for another fault does not hide a wrong MAC.
func TestWrongMACInARejectedRecord(t *testing.T) {
	doc := with(t, batch(3).Encrypted(transport), "S-000001", "S 000001")
	rejected(t, read(doc, encrypted), 2, "serial number")
	refused(t, read(flip(t, doc, valueMAC, 1, 0), encrypted), seedfile.CodeWrongKey)
}

// RFC 6030 does not say how an encrypted number is written; its MAC counts all the same.
func TestEncryptedCounter(t *testing.T) {
	doc := pskctest.File{Keys: []pskctest.Key{hotp}}.Encrypted(transport)
	value := regexp.MustCompile(`(?s)<EncryptedValue>.*</ValueMAC>`).Find(doc)
	doc = with(t, doc, count, "<Counter>"+string(value)+"</Counter>")
	rejected(t, read(doc, encrypted), 0, "an encrypted <Counter> is not supported")
	refused(t, read(flip(t, doc, valueMAC, 1, 0), encrypted), seedfile.CodeWrongKey)
}

// Every AES key length works; which one the file names is of no consequence to
// the HSM, which has one key under the name given.
func TestKeyLengths(t *testing.T) {
	for _, n := range []int{16, 24, 32} {
		key := pskctest.TransportKey(bytes.Repeat([]byte{byte(n)}, n))
		doc := batch(1).Encrypted(key)
		if !bytes.Contains(doc, fmt.Appendf(nil, "#aes%d-cbc", 8*n)) {
			t.Errorf("the file does not say AES-%d", 8*n)
		}
		if o := read(doc, pskc.Options{Decrypter: key}); len(o.keys) != 1 {
			t.Errorf("%d: %v", n, o.err)
		}
	}
}
