package canonical_test

import (
	"encoding/json"
	"testing"

	"mohur/canonical"
)

// RFC 8785 section 3.2: order of names, escapes and numbers.
func TestCanonicalForm(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":2}`:                                       `{"a":2,"b":1}`,
		"{ \"a\" : [ 1.0 , 1e2, 0.5 ] }":                      `{"a":[1,100,0.5]}`,
		`{"\u20ac":"\u0259\n\u001f\/"}`:                       `{"€":"ə\n\u001f/"}`,
		`{"\ufb33":1,"\ud83d\ude00":2,"\u00e9":3}`:            "{\"\u00e9\":3,\"\U0001f600\":2,\"\ufb33\":1}",
		`{"amount":{"value":"10.00","currency":"AZN"},"v":1}`: `{"amount":{"currency":"AZN","value":"10.00"},"v":1}`,
	} {
		got, err := canonical.Bytes([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
		if got, err = canonical.JSON(json.RawMessage(in)); err != nil || string(got) != want {
			t.Errorf("as a value %s: %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestTextsWithoutOneMeaningAreRefused(t *testing.T) {
	for _, in := range []string{"", "{", `{"a":1,"a":2}`, `{"a":1}x`, "{\"a\":\"\xff\"}", `{a:1}`, `[1,]`, `NaN`} {
		if got, err := canonical.Bytes([]byte(in)); err == nil {
			t.Errorf("%q became %s", in, got)
		}
	}
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte(`{"b":1,"a":[true,null,"\u20ac"]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		once, err := canonical.Bytes(in)
		if err != nil {
			return
		}
		twice, err := canonical.Bytes(once)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("%q: %q, then %q, %v", in, once, twice, err)
		}
	})
}
