package jws_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"mohur/hsm"
	"mohur/jws"
)

// soft signs with keys in memory.
type soft map[hsm.Key]*ecdsa.PrivateKey

func (s soft) Sign(_ context.Context, key hsm.Key, digest []byte) ([]byte, error) {
	r, t, err := ecdsa.Sign(rand.Reader, s[key], digest)
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, 32)), t.FillBytes(make([]byte, 32))...), nil
}

func (s soft) Public(_ context.Context, key hsm.Key) (*ecdsa.PublicKey, error) {
	return &s[key].PublicKey, nil
}

func newSoft(t testing.TB, keys ...hsm.Key) soft {
	t.Helper()
	s := soft{}
	for _, k := range keys {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s[k] = key
	}
	return s
}

type claims struct {
	Sub string `json:"sub"`
}

func TestSignAndVerify(t *testing.T) {
	s := newSoft(t, hsm.TokenSigning, hsm.AuthorizationSigning)
	token, err := jws.Sign(t.Context(), s, hsm.TokenSigning, "at+jwt", claims{"C-1"})
	if err != nil {
		t.Fatal(err)
	}
	var got claims
	pub := &s[hsm.TokenSigning].PublicKey
	if err := jws.Verify(token, "at+jwt", pub, &got); err != nil || got.Sub != "C-1" {
		t.Fatalf("%+v, %v", got, err)
	}
	// An independent library agrees.
	if parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256}); err != nil {
		t.Error(err)
	} else if _, err := parsed.Verify(pub); err != nil {
		t.Error(err)
	}
	parts := strings.Split(token, ".")
	enc := base64.RawURLEncoding
	header := func(h map[string]any) string {
		b, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		return enc.EncodeToString(b)
	}
	none := header(map[string]any{"alg": "none", "typ": "at+jwt"}) + "." + parts[1] + "."
	hs := header(map[string]any{"alg": "HS256", "typ": "at+jwt"}) + "." + parts[1]
	raw, err := pub.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(hs))
	hs += "." + enc.EncodeToString(mac.Sum(nil))
	for name, bad := range map[string]string{
		"empty": "", "no signature": parts[0] + "." + parts[1] + ".", "alg none": none, "HMAC with the public key": hs,
		"changed claims": parts[0] + "." + enc.EncodeToString([]byte(`{"sub":"C-2"}`)) + "." + parts[2],
		"cut":            token[:len(token)-4], "too long": token + strings.Repeat("A", 20000), "two dots": parts[0] + "." + parts[1], "JSON form": `{"payload":"x"}`,
	} {
		if err := jws.Verify(bad, "at+jwt", pub, &got); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if jws.Verify(token, "mohur-authorization+jwt", pub, &got) == nil {
		t.Error("a token of another type was accepted")
	}
	if jws.Verify(token, "at+jwt", &s[hsm.AuthorizationSigning].PublicKey, &got) == nil {
		t.Error("a token under another key was accepted")
	}
}

func FuzzVerify(f *testing.F) {
	s := newSoft(f, hsm.TokenSigning)
	token, err := jws.Sign(f.Context(), s, hsm.TokenSigning, "at+jwt", claims{"C-1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		var c claims
		if err := jws.Verify(text, "at+jwt", &s[hsm.TokenSigning].PublicKey, &c); err == nil && c.Sub != "C-1" {
			t.Fatalf("%q verified with %+v", text, c)
		}
	})
}
