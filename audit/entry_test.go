package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/seal"
)

func TestOpenReadsWhatDraftSealed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	key, err := w.drafter.Keys.New(ctx, "cu_1")
	if err != nil {
		t.Fatal(err)
	}
	person := audit.Person{Pseudonym: "p_1", Key: key}
	stamp := func(p audit.Person) audit.Entry {
		e, err := w.draft(audit.Event{Name: "customer.renamed", Outcome: "done", Person: p, Detail: "Əli"}).Stamp("n1", 7)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	mine, bank := stamp(person), stamp(audit.Person{})
	keyless := stamp(audit.Person{Pseudonym: "p_2"})
	changed, saltless, bodyless, cut := mine, mine, mine, mine
	changed.Sealed = bytes.Clone(mine.Sealed)
	changed.Sealed[30] ^= 1
	saltless.Salt, bodyless.Sealed = nil, nil
	cut.Header = mine.Header[1:]
	erased := audit.Person{Pseudonym: "p_1"}
	for _, c := range []struct {
		name   string
		person audit.Person
		entry  audit.Entry
		want   error
	}{
		{"person", person, mine, nil},
		{"bank", audit.Person{}, bank, nil},
		{"person who had no key", audit.Person{Pseudonym: "p_2"}, keyless, nil},
		{"another's", person, bank, seal.ErrOpen},
		{"the bank has no key to a person's", audit.Person{}, mine, seal.ErrOpen},
		{"changed body", person, changed, audit.ErrCommitment},
		{"no salt", person, saltless, seal.ErrErased},
		{"no body", person, bodyless, seal.ErrErased},
		{"erased person", erased, mine, seal.ErrErased},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, err := w.drafter.Open(ctx, c.person, c.entry)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if c.want == nil && string(body) != `"Əli"` {
				t.Errorf("body %s", body)
			}
		})
	}
	if _, err := w.drafter.Open(ctx, person, cut); err == nil {
		t.Error("an unreadable header was accepted")
	}
}

func TestHeaderSaysNothingOfTheBody(t *testing.T) {
	w := newWorld(t)
	a := w.draft(audit.Event{Name: "x.y", Detail: "Əli"})
	b := w.draft(audit.Event{Name: "x.y", Detail: "Əli"})
	if a.Header.Body == b.Header.Body {
		t.Error("equal bodies have equal commitments")
	}
	e, err := a.Stamp("n1", 0)
	if err != nil || bytes.Contains(e.Header, []byte("Əli")) {
		t.Errorf("%s, %v", e.Header, err)
	}
}

func TestDraftRefusesWhatNoExportCouldCarry(t *testing.T) {
	w := newWorld(t)
	for name, e := range map[string]audit.Event{
		"body":   {Name: "x.y", Detail: strings.Repeat("a", audit.MaxBody)},
		"header": {Name: "x.y", Request: strings.Repeat("a", audit.MaxHeader)},
		"detail": {Name: "x.y", Detail: func() {}},
	} {
		if _, err := w.drafter.Draft(t.Context(), e); err == nil {
			t.Errorf("%s: drafted", name)
		}
	}
	// The largest that is drafted passes through everything.
	d := w.draft(audit.Event{Name: "x.y", Request: strings.Repeat(`"`, audit.MaxHeader/3), Detail: strings.Repeat("a", audit.MaxBody-100)})
	if err := w.store.Append(d); err != nil {
		t.Fatal(err)
	}
	w.sign()
	if r := verify(t, w.export(0), w.options()); !r.OK() || r.Covered != 1 {
		t.Errorf("%v", r.FirstBad)
	}
}

func TestParseHeader(t *testing.T) {
	w := newWorld(t)
	w.now = time.Date(2026, 11, 22, 9, 0, 0, 123456789, time.FixedZone("", 4*3600))
	d := w.draft(audit.Event{
		Name: "a.b", Outcome: "c", Reason: "<&> \u2028 \" \\ \b Ə \xff", Policy: 1, Person: audit.Person{Pseudonym: "p"},
		Credential: "d", Version: 1 << 63, Caller: "e", Request: "f",
	})
	e, err := d.Stamp("n", 1<<63)
	if err != nil {
		t.Fatal(err)
	}
	h, err := audit.ParseHeader(e.Header)
	if err != nil {
		t.Fatalf("%v: %s", err, e.Header)
	}
	want := d.Header
	want.Node, want.Seq, want.Reason = "n", 1<<63, strings.ToValidUTF8(want.Reason, "\ufffd")
	if h != want {
		t.Errorf("%+v, want %+v", h, want)
	}
	var loose map[string]any
	if err := json.Unmarshal(e.Header, &loose); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "null": "null", "array": "[]", "twice": string(e.Header) + string(e.Header),
		"space": " " + string(e.Header), "long": strings.Repeat(" ", audit.MaxHeader+1),
		"unknown member": strings.Replace(string(e.Header), "{", `{"x":1,`, 1),
		"capital":        strings.Replace(string(e.Header), `"node"`, `"Node"`, 1),
		"version":        strings.Replace(string(e.Header), `"v":1`, `"v":0`, 1),
	} {
		if _, err := audit.ParseHeader([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
