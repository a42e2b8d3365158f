package pskc_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
	"mohur/tokens/seedfile"
)

var (
	seed20 = []byte("12345678901234567890")
	seed32 = []byte("12345678901234567890123456789012")
	seed64 = []byte("1234567890123456789012345678901234567890123456789012345678901234")

	transport = pskctest.TransportKey("0123456789abcdef")

	plain     = pskc.Options{AllowPlain: true}
	encrypted = pskc.Options{Decrypter: transport}
)

// outcome is everything that came out of one reading.
type outcome struct {
	keys     []pskc.Key
	rejected []seedfile.Rejection
	sum      seedfile.Summary
	err      error
}

func read(doc []byte, opt pskc.Options) outcome {
	var o outcome
	o.sum, o.err = pskc.Read(context.Background(), bytes.NewReader(doc), opt, func(k pskc.Key) error {
		k.Secret = bytes.Clone(k.Secret)
		o.keys = append(o.keys, k)
		return nil
	}, func(r seedfile.Rejection) { o.rejected = append(o.rejected, r) })
	return o
}

// code is the code of a refusal, empty if the file was taken.
func (o outcome) code() seedfile.Code {
	var refused *seedfile.FileError
	if errors.As(o.err, &refused) {
		return refused.Code
	}
	if o.err != nil {
		return seedfile.Code("other: " + o.err.Error())
	}
	return ""
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// refused fails the test unless the file was refused with code and nothing came out.
func refused(t *testing.T, o outcome, code seedfile.Code) {
	t.Helper()
	if o.code() != code {
		t.Errorf("code %q (%v), want %q", o.code(), o.err, code)
	}
	if len(o.keys)+len(o.rejected) != 0 || o.sum != (seedfile.Summary{}) {
		t.Errorf("a refused file gave out %d keys, %d rejections and %+v", len(o.keys), len(o.rejected), o.sum)
	}
}

// rejected fails the test unless exactly one record was rejected, with reason in
// its reason, and good others came out.
func rejected(t *testing.T, o outcome, good int, reason string) {
	t.Helper()
	if o.err != nil || len(o.keys) != good || len(o.rejected) != 1 {
		t.Fatalf("%d keys, rejections %+v, %v; want %d keys and one rejection", len(o.keys), o.rejected, o.err, good)
	}
	if !strings.Contains(o.rejected[0].Reason, reason) {
		t.Errorf("reason %q, want %q", o.rejected[0].Reason, reason)
	}
	if o.sum.Keys != good+1 || o.sum.Delivered != good || o.sum.Rejected != 1 {
		t.Errorf("summary %+v", o.sum)
	}
}

// batch is n good keys of changing kinds.
func batch(n int) pskctest.File {
	var f pskctest.File
	for i := range n {
		k := pskctest.Key{Serial: fmt.Sprintf("S-%06d", i), Secret: slices.Clone(seed20)}
		switch i % 3 {
		case 1:
			k.Algorithm, k.Hash, k.Digits, k.Step, k.Secret = pskc.TOTP, hsm.SHA256, 8, time.Minute, slices.Clone(seed32)
		case 2:
			k.Algorithm, k.Suite, k.Secret = pskc.OCRA, "OCRA-1:HOTP-SHA256-8:C-QN08", slices.Clone(seed32)
		}
		f.Keys = append(f.Keys, k)
	}
	return f
}

// with replaces old by new in doc, which must hold it.
func with(t testing.TB, doc []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(doc, []byte(old)) {
		t.Fatalf("the file does not hold %q", old)
	}
	return bytes.Replace(doc, []byte(old), []byte(new), 1)
}
