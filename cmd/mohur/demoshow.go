package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// hidden are the members whose values are secrets; of the others only long
// values are cut.
var hidden = map[string]bool{
	"pin": true, "key": true, "hex": true, "secret": true, "activation_secret": true, "access_token": true, "authorization": true,
}

// leftOut is what says nothing new on a screen: when, by whom, and the parts of
// a problem that repeat its type.
var leftOut = map[string]bool{
	"instance": true, "title": true, "status": true, "by": true, "history": true, "format": true, "sent_to": true,
	"created_at": true, "updated_at": true, "ended_at": true, "expires_at": true, "idle_expires_at": true,
	"manufacturer": true, "model": true, "profile": true, "label": true, "locked": true, "policy_version": true,
}

const (
	showText = 48 // characters of a value
	showList = 3  // items of a list
	showLine = 400
)

// shortened returns a JSON document as it may be shown on a screen that others
// see: secrets cut to their beginning, long values and lists cut, what says
// nothing new left out.
func shortened(text []byte) json.RawMessage {
	if len(text) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		v = clip(string(text), showText)
	}
	return ordered(nil, cut("", v))
}

// first is what is read first of an object; the rest follows by the alphabet.
var first = []string{"id", "method", "state", "decision", "exemption", "customer", "amount", "payee", "type", "detail", "acr", "amr"}

// ordered appends v as JSON, the members of objects in the order of interest.
func ordered(b []byte, v any) []byte {
	object, ok := v.(map[string]any)
	if !ok {
		return append(b, encoded(v)...)
	}
	keys := slices.SortedFunc(maps.Keys(object), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, encoded(k)...), ':')
		b = ordered(b, object[k])
	}
	return append(b, '}')
}

func rank(key string) int {
	if i := slices.Index(first, key); i >= 0 {
		return i
	}
	return len(first)
}

// encoded is v as JSON without the escapes that are for web pages. What is in a
// list stays in the order of encoding/json.
func encoded(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return []byte("null")
	}
	return bytes.TrimSpace(out.Bytes())
}

func cut(name string, v any) any {
	switch x := v.(type) {
	case string:
		if hidden[name] {
			return mask(x)
		}
		return clip(strings.TrimPrefix(x, "urn:mohur:problem:"), showText)
	case map[string]any:
		for k, member := range x {
			if x[k] = cut(k, member); leftOut[k] {
				delete(x, k)
			}
		}
	case []any:
		for i := range x {
			x[i] = cut(name, x[i])
		}
		if len(x) > showList {
			return append(x[:showList:showList], fmt.Sprintf("… %d more", len(x)-showList))
		}
	}
	return v
}

// mask keeps of a secret what tells it from another.
func mask(s string) string {
	if len(s) < 12 {
		return "••••••"
	}
	return s[:6] + "…"
}
