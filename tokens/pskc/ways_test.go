package pskc_test

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
	"mohur/tokens/seedfile"
)

// The ways of RFC 6030 section 6 beside AES-CBC under a key of both sides: AES key
// wrap, a password, RSA.

// bankKey is the bank's RSA key, made once.
var bankKey = sync.OnceValue(func() pskctest.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pskctest.PrivateKey{PrivateKey: key}
})

const password = "qwerty"

// ways are files of the same keys, and what opens each.
func ways(f pskctest.File) map[string]struct {
	doc []byte
	opt pskc.Options
} {
	type way = struct {
		doc []byte
		opt pskc.Options
	}
	public := &bankKey().PublicKey
	bare, withMAC := f, f
	bare.MAC, withMAC.MAC = 0, hsm.SHA256
	secret, private := pskc.Options{Password: []byte(password)}, pskc.Options{Decrypter: bankKey()}
	return map[string]way{
		"key wrap":              {f.Wrapped(transport), encrypted},
		"password":              {f.Password(password), secret},
		"PKCS #1 v1.5":          {bare.Public(public, hsm.PKCS1v15), private},
		"PKCS #1 v1.5 with MAC": {withMAC.Public(public, hsm.PKCS1v15), private},
		"OAEP":                  {bare.Public(public, hsm.OAEP), private},
		"OAEP with MAC":         {withMAC.Public(public, hsm.OAEP), private},
	}
}

func TestClause5_20_EveryProtectionOpens(t *testing.T) {
	want := read(batch(6).Plain(), plain).keys
	for name, w := range ways(batch(6)) {
		o := read(w.doc, w.opt)
		if o.err != nil || !reflect.DeepEqual(o.keys, want) || !o.sum.Encrypted {
			t.Errorf("%s: %#v\n%+v %v", name, fields(o.keys), o.sum, o.err)
		}
		if bare := name == "OAEP" || name == "PKCS #1 v1.5"; bare != o.sum.Unauthenticated || len(o.sum.Warnings()) != map[bool]int{true: 1}[bare] {
			t.Errorf("%s: %q", name, o.sum.Warnings())
		}
	}
}

// Whatever is changed in an encrypted value, in whichever record, and whichever
// other key is tried: the file is refused, in the same words, and nothing came out.
func TestClause5_20_EveryProtectionRefusesWhole(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wrong := map[string]pskc.Options{
		"key wrap": {Decrypter: pskctest.TransportKey("0123456789abcdeF")}, "password": {Password: []byte("qwertz")},
		"": {Decrypter: pskctest.PrivateKey{PrivateKey: other}},
	}
	for name, w := range ways(batch(3)) {
		same := func(what string, o outcome) {
			t.Helper()
			refused(t, o, seedfile.CodeWrongKey)
			if o.err == nil || !strings.HasSuffix(o.err.Error(), wrongKey) {
				t.Errorf("%s, %s: %v", name, what, o.err)
			}
		}
		opt, known := wrong[name]
		if !known {
			opt = wrong[""]
		}
		same("another key", read(w.doc, opt))
		values := cipherValue.FindAllSubmatch(w.doc, -1)
		for n, v := range values {
			raw, err := base64.StdEncoding.DecodeString(string(v[1]))
			if err != nil {
				t.Fatal(err)
			}
			for _, octet := range []int{0, 7, 8, len(raw) / 2, len(raw) - 1} {
				same(fmt.Sprintf("value %d, byte %d", n, octet), read(flip(t, w.doc, cipherValue, n, octet), w.opt))
			}
			for cut, text := range map[string]string{
				"empty": "", "one block less": base64.StdEncoding.EncodeToString(raw[:len(raw)-8]), "one byte less": base64.StdEncoding.EncodeToString(raw[1:]),
				"longer": base64.StdEncoding.EncodeToString(append(bytes.Clone(raw), raw...)),
			} {
				same(fmt.Sprintf("value %d, %s", n, cut), read(bytes.Replace(w.doc, v[1], []byte(text), 1), w.opt))
			}
		}
		for n := range valueMAC.FindAll(w.doc, -1) {
			same(fmt.Sprintf("MAC %d", n), read(flip(t, w.doc, valueMAC, n, 3), w.opt))
		}
	}
}

// A file is opened by what it is under and nothing else, and says so.
func TestWhatOpensAFile(t *testing.T) {
	files := ways(batch(1))
	secret, private := pskc.Options{Password: []byte(password)}, pskc.Options{Decrypter: bankKey()}
	for _, c := range []struct {
		name string
		doc  []byte
		opt  pskc.Options
		code seedfile.Code
		says string
	}{
		{"password, none named", files["password"].doc, plain, seedfile.CodeNoKey, "name it"},
		{"password, a transport key named", files["password"].doc, encrypted, seedfile.CodeNoKey, "under a password"},
		{"empty password", files["password"].doc, pskc.Options{Password: []byte{}}, seedfile.CodeWrongKey, wrongKey},
		{"transport key, a password named", batch(1).Encrypted(transport), secret, seedfile.CodeNoKey, "not under one"},
		{"key wrap, a password named", files["key wrap"].doc, secret, seedfile.CodeNoKey, "not under one"},
		{"RSA, a password named", files["OAEP"].doc, secret, seedfile.CodeNoKey, "not under one"},
		{"RSA, an AES key named", files["OAEP"].doc, encrypted, seedfile.CodeWrongKey, wrongKey},
		{"key wrap, an RSA key named", files["key wrap"].doc, private, seedfile.CodeWrongKey, wrongKey},
		{"RSA, nothing named", files["OAEP"].doc, plain, seedfile.CodeNoKey, "name the transport key"},
		{"in the clear, a password named", batch(1).Plain(), pskc.Options{Password: []byte(password), AllowPlain: true}, seedfile.CodePlain, "a password was named"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := read(c.doc, c.opt)
			refused(t, o, c.code)
			if !strings.Contains(fmt.Sprint(o.err), c.says) {
				t.Error(o.err)
			}
		})
	}
}

// Whether the padding of an RSA value was good cannot be seen where there is a MAC:
// a MAC key that does not open is another key, and the first MAC fails.
func TestClause5_20_NoRSAPaddingOracle(t *testing.T) {
	f := batch(1)
	f.MAC = hsm.SHA1
	doc := f.Public(&bankKey().PublicKey, hsm.PKCS1v15)
	macKey := cipherValue.FindSubmatch(doc)[1]
	said := map[string]int{}
	for _, key := range [][]byte{nil, make([]byte, 1), make([]byte, 16), make([]byte, 20), make([]byte, 200)} {
		//lint:ignore SA1019 RFC 6030 section 6.3 recommends it, so files have it
		box, err := rsa.EncryptPKCS1v15(rand.Reader, &bankKey().PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		o := read(bytes.Replace(doc, macKey, []byte(base64.StdEncoding.EncodeToString(box)), 1), pskc.Options{Decrypter: bankKey()})
		said[fmt.Sprint(o.err)]++
	}
	for i := range 4 { // no padding at all
		o := read(flip(t, doc, cipherValue, 0, 100+i), pskc.Options{Decrypter: bankKey()})
		said[fmt.Sprint(o.err)]++
	}
	if len(said) != 1 {
		t.Errorf("the answers differ: %v", said)
	}
}

// What a file says of its protection has to hold together.
func TestProtectionThatContradictsItself(t *testing.T) {
	f := batch(2)
	f.MAC = hsm.SHA256
	public := f.Public(&bankKey().PublicKey, hsm.OAEP)
	wrapped, secret := f.Wrapped(transport), f.Password(password)
	oaep := `<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"`
	digest := func(inside string) []byte {
		return bytes.ReplaceAll(public, []byte(oaep+"/>"), []byte(oaep+">"+inside+"</xenc:EncryptionMethod>"))
	}
	private := pskc.Options{Decrypter: bankKey()}
	for _, c := range []struct {
		name string
		doc  []byte
		opt  pskc.Options
		code seedfile.Code
	}{
		{"a MAC of no kind", with(t, wrapped, "</EncryptedValue>", "</EncryptedValue><ValueMAC>AAAA</ValueMAC>"), encrypted, seedfile.CodeNoMAC},
		{"two ways", with(t, wrapped, "kw-aes128", "aes128-cbc"), encrypted, seedfile.CodeNoMAC},
		{"two lengths", with(t, wrapped, "kw-aes128", "kw-aes256"), encrypted, ""},
		{"AES under a certificate", with(t, wrapped, "<ds:KeyName>transport</ds:KeyName>", "<ds:X509Data/>"), encrypted, seedfile.CodeUnsupported},
		{"RSA under a password", bytes.ReplaceAll(secret, []byte("aes128-cbc"), []byte("rsa-1_5")), pskc.Options{Password: []byte(password)}, seedfile.CodeUnsupported},
		{"password and certificate", with(t, secret, "</EncryptionKey>", "<ds:X509Data/></EncryptionKey>"), pskc.Options{Password: []byte(password)}, seedfile.CodeStructure},
		{"OAEP with SHA-1, said", digest(`<ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>`), private, "good"},
		{"OAEP with SHA-256", digest(`<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>`), private, seedfile.CodeUnsupported},
		{"OAEP with a label", digest(`<xenc:OAEPparams>AAAA</xenc:OAEPparams>`), private, seedfile.CodeUnsupported},
		{"a key of its own", with(t, public, "<ds:X509Data/>", "<xenc:EncryptedKey/>"), private, seedfile.CodeUnsupported},
		{"GCM", bytes.ReplaceAll(wrapped, []byte("http://www.w3.org/2001/04/xmlenc#kw-aes128"), []byte("http://www.w3.org/2009/xmlenc11#aes128-gcm")), encrypted, seedfile.CodeUnsupported},
		{"Camellia", bytes.ReplaceAll(wrapped, []byte("2001/04/xmlenc#kw-aes128"), []byte("2001/04/xmldsig-more#kw-camellia128")), encrypted, seedfile.CodeUnsupported},
		{"key wrap with padding, by its own name", bytes.ReplaceAll(wrapped, []byte("http://www.w3.org/2001/04/xmlenc#kw-aes128"), []byte("http://www.w3.org/2009/xmlenc11#kw-aes-128-pad")), encrypted, "good"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := read(c.doc, c.opt)
			switch c.code {
			case "good":
				if o.err != nil || len(o.keys) != 2 {
					t.Errorf("%+v %v", o.rejected, o.err)
				}
			case "": // refused, whichever fault is met first
				if o.err == nil {
					t.Error("taken")
				}
			default:
				refused(t, o, c.code)
			}
		})
	}
}

// Where some values have a MAC, all have: one that was taken off is noticed.
func TestClause5_20_OneMACTakenOff(t *testing.T) {
	f := batch(2)
	f.MAC = hsm.SHA256
	doc := f.Public(&bankKey().PublicKey, hsm.OAEP)
	at := valueMAC.FindIndex(doc)
	refused(t, read(append(bytes.Clone(doc[:at[0]]), doc[at[1]+len("/ValueMAC>"):]...), pskc.Options{Decrypter: bankKey()}), seedfile.CodeNoMAC)
}

// PBKDF2 of a file: what is bounded, what is read, and that it is done once.
func TestAttack12_IterationBombs(t *testing.T) {
	doc := batch(1).Password(password)
	opt := pskc.Options{Password: []byte(password)}
	for name, c := range map[string]struct {
		old, new string
		code     seedfile.Code
	}{
		"too many iterations":     {">1000<", ">2000001<", seedfile.CodeLimit},
		"iterations beyond 64":    {">1000<", ">99999999999999999999<", seedfile.CodeLimit},
		"too few iterations":      {">1000<", ">999<", seedfile.CodeLimit},
		"no iterations":           {"<IterationCount xmlns=''>1000</IterationCount>", "", seedfile.CodeStructure},
		"iterations twice":        {"<IterationCount xmlns=''>", "<IterationCount xmlns=''>1000</IterationCount><IterationCount xmlns=''>", seedfile.CodeStructure},
		"negative":                {">1000<", ">-1000<", seedfile.CodeLimit},
		"a key of 1 GB":           {">16</KeyLength>", ">1073741824</KeyLength>", seedfile.CodeLimit},
		"a key of 17 bytes":       {">16</KeyLength>", ">17</KeyLength>", seedfile.CodeStructure},
		"a key of another length": {">16</KeyLength>", ">32</KeyLength>", seedfile.CodeStructure},
		"salt outside the file":   {"<Specified>", "<Other/><Specified>", seedfile.CodeUnsupported},
		"MD5":                     {"<PRF xmlns=''/>", "<PRF xmlns='' Algorithm='http://www.w3.org/2001/04/xmldsig-more#hmac-md5'/>", seedfile.CodeUnsupported},
		"another function":        {"#pbkdf2", "#pbkdf1", seedfile.CodeUnsupported},
		"unknown parameter":       {"<PRF xmlns=''/>", "<Pepper xmlns=''/>", seedfile.CodeStructure},
		"parameters of others":    {"<PRF xmlns=''/>", "<PRF xmlns='urn:x'/>", seedfile.CodeStructure},
	} {
		t.Run(name, func(t *testing.T) { refused(t, read(with(t, doc, c.old, c.new), opt), c.code) })
	}
	salt := doc[bytes.Index(doc, []byte("<Specified>"))+11 : bytes.Index(doc, []byte("</Specified>"))]
	for _, text := range []string{"AAAA", base64.StdEncoding.EncodeToString(make([]byte, 257)), ""} {
		refused(t, read(with(t, doc, string(salt), text), opt), seedfile.CodeLimit)
	}
	refused(t, read(with(t, doc, string(salt), "!"), opt), seedfile.CodeStructure)
	if o := read(with(t, doc, "<KeyLength xmlns=''>16</KeyLength>", ""), opt); len(o.keys) != 1 {
		t.Errorf("without a length, which the algorithm has: %v", o.err)
	}
	if o := read(doc, opt); len(o.keys) != 1 {
		t.Error(o.err)
	}
}

// Figure 7 is the RFC's example of a password. It lacks the counter that the RFC
// itself wants of HOTP (section 10.1); with one it is a key like the others.
func TestClause5_20_Figure7(t *testing.T) {
	opt := pskc.Options{Password: []byte("qwerty")}
	doc := sample(t, "rfc6030-figure7.xml")
	o := read(doc, opt)
	rejected(t, o, 0, "no <Counter>")
	if !o.sum.Encrypted || o.sum.KeyName != "My Password 1" {
		t.Errorf("%+v", o.sum)
	}
	doc = with(t, doc, "</pskc:Secret>", "</pskc:Secret><pskc:Counter><pskc:PlainValue>0</pskc:PlainValue></pskc:Counter>")
	want := pskc.Key{Index: 1, Manufacturer: "TokenVendorAcme", Serial: "987654321", KeyID: "123456", Issuer: "Example-Issuer",
		Algorithm: pskc.HOTP, Hash: hsm.SHA1, Digits: 8, Secret: seed20}
	if o := read(doc, opt); o.err != nil || len(o.keys) != 1 || !reflect.DeepEqual(o.keys[0], want) {
		t.Errorf("%#v\n%v", fields(o.keys), o.err)
	}
	refused(t, read(doc, pskc.Options{Password: []byte("Qwerty")}), seedfile.CodeWrongKey)
	refused(t, read(doc, plain), seedfile.CodeNoKey)
}

// Figure 8 is under a public key whose private half nobody has published: it is
// refused as every file that is under another key.
func TestClause5_20_Figure8(t *testing.T) {
	doc := sample(t, "rfc6030-figure8.xml")
	refused(t, read(doc, pskc.Options{Decrypter: bankKey()}), seedfile.CodeWrongKey)
	refused(t, read(doc, plain), seedfile.CodeNoKey)
	//lint:ignore SA1019 figure 8 is under it
	box, err := rsa.EncryptPKCS1v15(rand.Reader, &bankKey().PublicKey, seed20)
	if err != nil {
		t.Fatal(err)
	}
	value := cipherValueOf(t, doc)
	o := read(with(t, doc, value, base64.StdEncoding.EncodeToString(box)), pskc.Options{Decrypter: bankKey()})
	if o.err != nil || len(o.keys) != 1 || !bytes.Equal(o.keys[0].Secret, seed20) {
		t.Errorf("the same file under our key: %+v %v", o.rejected, o.err)
	}
}

func cipherValueOf(t *testing.T, doc []byte) string {
	t.Helper()
	m := cipherValue.FindSubmatch(doc)
	if m == nil {
		t.Fatal("no value")
	}
	return string(m[1])
}

// The file of another maker with AES key wrap: a seed of 20 bytes, which takes RFC
// 5649, under the name of RFC 3394, and a MAC key for no MAC.
func TestPythonPSKCKeyWrap(t *testing.T) {
	key := pskctest.TransportKey(unhex("000102030405060708090a0b0c0d0e0f"))
	o := read(sample(t, "python3-pskc-kw-aes128.xml"), pskc.Options{Decrypter: key})
	if o.err != nil || len(o.keys) != 1 || !bytes.Equal(o.keys[0].Secret, seed20) || o.keys[0].Serial != "PY-0001" {
		t.Errorf("%#v\n%v", fields(o.keys), o.err)
	}
}

// The vectors of RFC 3394 section 4 and RFC 5649 section 6.
func TestUnwrap(t *testing.T) {
	kek := "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	data := "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
	for name, c := range map[string]struct{ kek, wrapped, want string }{
		"RFC 3394 4.1": {kek[:32], "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5", data[:32]},
		"RFC 3394 4.2": {kek[:48], "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d", data[:32]},
		"RFC 3394 4.3": {kek, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7", data[:32]},
		"RFC 3394 4.4": {kek[:48], "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2", data[:48]},
		"RFC 3394 4.5": {kek, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1", data[:48]},
		"RFC 3394 4.6": {kek, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21", data},
		"RFC 5649 6, 20 bytes": {"5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
			"138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a", "c37b7e64925843 40bed12207808941155068f738"},
	} {
		block, err := aes.NewCipher(unhex(c.kek))
		if err != nil {
			t.Fatal(err)
		}
		decrypt := func(b []byte) ([]byte, error) {
			out := make([]byte, len(b))
			block.Decrypt(out, b)
			return out, nil
		}
		want := unhex(strings.ReplaceAll(c.want, " ", ""))
		got, err := pskc.Unwrap(unhex(c.wrapped), decrypt)
		if err != nil || !bytes.Equal(got, want) || !bytes.Equal(pskctest.Wrap(unhex(c.kek), want), unhex(c.wrapped)) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
		wrapped := unhex(c.wrapped)
		for i := range wrapped {
			changed := bytes.Clone(wrapped)
			changed[i] ^= 0x40
			if got, err := pskc.Unwrap(changed, decrypt); !errors.Is(err, pskc.ErrNotOpened) || got != nil {
				t.Fatalf("%s, byte %d changed: %x, %v", name, i, got, err)
			}
		}
		for n := range wrapped {
			if _, err := pskc.Unwrap(wrapped[:n], decrypt); !errors.Is(err, pskc.ErrNotOpened) {
				t.Fatalf("%s, cut to %d: %v", name, n, err)
			}
		}
		boom := errors.New("boom")
		if _, err := pskc.Unwrap(wrapped, func([]byte) ([]byte, error) { return nil, boom }); err != boom {
			t.Errorf("a fault of the module: %v", err)
		}
	}
}
