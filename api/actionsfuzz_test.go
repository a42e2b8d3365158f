package api

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"mohur/problem"
)

// What is accepted as the data of an action has one canonical form, and to write it anew
// makes no other of it: what was proven is what is done.
func FuzzActionData(f *testing.F) {
	for _, seed := range []string{`{}`, `{"b":1,"a":[2,{"c":null}]}`, `{"n":9007199254740993}`, `{"n":1e3}`, `{"n":1e15}`, `{"n":1E20}`, `{"n":-0}`, `{"n":123456789012345}`, `{"a":1,"a":2}`, `[]`, `"x"`, `{"s":"\u20ac\ud800"}`, `{"a":1} `, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var c problem.Check
		out := actionIn{Name: "x.a", Data: jsontext.Value(text)}.named(&c)
		if c.Err() != nil {
			return
		}
		again := actionIn{Name: "x.a", Data: jsontext.Value(out.Data)}.named(&c)
		if c.Err() != nil || !bytes.Equal(again.Data, out.Data) || !json.Valid(out.Data) || out.Data[0] != '{' {
			t.Errorf("%q: %q, then %q, %v", text, out.Data, again.Data, c.Err())
		}
	})
}
