package dpop_test

import (
	"encoding/json"
	"os"
	"testing"

	"mohur/authn/dpop"
)

// FuzzVerify is given whole proofs: what nobody signed for this request is never right.
func FuzzVerify(f *testing.F) {
	text, err := os.ReadFile("testdata/rfc9449.json")
	if err != nil {
		f.Fatal(err)
	}
	var v struct{ Proofs []struct{ Proof string } }
	if err := json.Unmarshal(text, &v); err != nil {
		f.Fatal(err)
	}
	for _, e := range v.Proofs {
		f.Add(e.Proof)
	}
	f.Add("")
	f.Add("e30.e30.AA")
	f.Fuzz(func(t *testing.T, proof string) {
		if p, err := dpop.Verify(proof, request()); err == nil {
			t.Fatalf("%q is accepted: %+v", proof, p)
		}
	})
}

// FuzzClaims signs whatever claims it is given with the right key, so that only the
// reading of them stands between them and an acceptance. What is accepted says the same
// to a reader that matches names loosely and keeps the last of two.
func FuzzClaims(f *testing.F) {
	s := es256(f)
	header, err := json.Marshal(s.header())
	if err != nil {
		f.Fatal(err)
	}
	good, err := json.Marshal(claims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"jti":"1","htm":"POST","htu":"HTTPS://bank.example:443/p%61yments","iat":1.7e9}`))
	f.Add([]byte(`{"jti":"1","jti":"2"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		p, err := dpop.Verify(s.sign(t, header, payload), request())
		if err != nil {
			return
		}
		var loose struct {
			JTI, HTM, Ath, Nonce string
			IAT                  float64
		}
		if err := json.Unmarshal(payload, &loose); err != nil || loose.JTI == "" || loose.HTM != "POST" || loose.Ath != claims()["ath"] ||
			loose.Nonce != "n1" && loose.Nonce != "n2" || p.Until.Before(now) {
			t.Fatalf("accepted %s: %+v, %v", payload, p, err)
		}
	})
}
