package pskc_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/tokens/pskc/pskctest"
	"mohur/tokens/seedfile"
)

// tool runs a program of the OATH Toolkit. Without it a test is skipped, except
// where CI promises that everything is installed.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func file(t *testing.T, doc []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys.xml")
	if err := os.WriteFile(name, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The files of pskctest are PSKC to an independent reader: valid by the RFC's
// schema, and with the same values in them.
func TestPskctoolReadsOurFiles(t *testing.T) {
	f := batch(6)
	f.Keys[0].Expiry, f.Keys[0].Uses = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), 5
	f.Keys[0].PIN = seedfile.PINPolicy{Mode: seedfile.PINLocal, MinLength: 4, MaxLength: 8}
	f.Keys[1].Model, f.Keys[1].Issuer, f.Keys[1].FriendlyName, f.Keys[1].UserID = "m", "i", "f", "u"
	for name, doc := range map[string][]byte{"plain": f.Plain(), "encrypted": f.Encrypted(transport)} {
		if out := tool(t, "pskctool", "--validate", file(t, doc)); !strings.Contains(out, "OK") {
			t.Errorf("%s: %s", name, out)
		}
	}
	info := tool(t, "pskctool", "--info", file(t, f.Plain()))
	for _, want := range []string{"SerialNo: S-000005", "Key Secret (base64): MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "Key TimeInterval: 60",
		"Suite: HMAC-SHA256", "Suite: OCRA-1:HOTP-SHA256-8:C-QN08", "Policy ExpiryDate: 2099-01-01"} {
		if !strings.Contains(info, want) {
			t.Errorf("no %q in\n%s", want, info)
		}
	}
}

// A file written by pskctool, which can sign what others have made, is read.
func TestPskctoolMakesAFile(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM := file(t, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	certPEM := file(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	in := file(t, batch(3).Plain())
	made := tool(t, "pskctool", "--sign", "--sign-key="+keyPEM, "--sign-crt="+certPEM, in)
	o := read([]byte(made), plain)
	if o.err != nil || len(o.keys) != 3 || !o.sum.Signed {
		t.Errorf("%d keys, %+v, %v\n%s", len(o.keys), o.rejected, o.err, made)
	}
	if fmt.Sprint(o.keys) != fmt.Sprint(read(batch(3).Plain(), plain).keys) {
		t.Errorf("%v", o.keys)
	}
}

// The seed that comes out of an encrypted file computes the codes of an
// independent client that was given the seed by other means.
func TestOathtoolAgrees(t *testing.T) {
	seed := make([]byte, 20)
	rand.Read(seed)
	doc := pskctest.File{Keys: []pskctest.Key{{Serial: "1", Counter: 41, Secret: bytes.Clone(seed)}}}.Encrypted(transport)
	o := read(doc, encrypted)
	if len(o.keys) != 1 {
		t.Fatal(o.err)
	}
	k := o.keys[0]
	mac := hmac.New(sha1.New, k.Secret)
	binary.Write(mac, binary.BigEndian, k.Counter)
	sum := mac.Sum(nil)
	bits := binary.BigEndian.Uint32(sum[sum[19]&15:]) & 0x7fffffff
	code := fmt.Sprintf("%06d", bits%1_000_000)
	if want := strings.TrimSpace(tool(t, "oathtool", "--counter=41", hex.EncodeToString(seed))); code != want {
		t.Errorf("%s, oathtool says %s", code, want)
	}
}
