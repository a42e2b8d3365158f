package linked_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mohur/agent/linked"
	"mohur/agent/words"
	"mohur/canonical"
)

const issuer = "https://mohur.bank.example"

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// facts are a challenge text's members with the fixed ones.
func facts(typ string, more map[string]any) map[string]any {
	m := map[string]any{"v": 1, "typ": typ, "iss": issuer, "sub": "C-1", "nonce": "AAECAwQFBgcICQoLDA0ODw", "exp": now.Add(5 * time.Minute).Unix()}
	for k, v := range more {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

func payment(more map[string]any) map[string]any {
	m := facts("payment", map[string]any{
		"reference": "INV-7", "purpose": "rent", "amount": map[string]any{"value": "12500.00", "currency": "AZN"},
		"payer": map[string]any{"name": "Aysel", "account": "AZ21NABZ00000000137010001944", "bank": "A Bank"},
		"payee": map[string]any{"name": "Nigar MMC", "account": "AZ77VTBA00000000001234567890", "bank": "B Bank", "country": "AZ"},
	})
	for k, v := range more {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

func batch(more map[string]any) map[string]any {
	m := payment(map[string]any{"typ": "batch", "payee": nil, "amount": map[string]any{"value": "16.50", "currency": "AZN"}, "count": 2, "batch": []any{
		map[string]any{"amount": map[string]any{"value": "7.50", "currency": "AZN"}, "payee": map[string]any{"name": "X", "account": "1", "bank": "B"}},
		map[string]any{"amount": map[string]any{"value": "9", "currency": "AZN"}, "payee": map[string]any{"name": "Y", "account": "2", "bank": "B"}},
	}})
	for k, v := range more {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

func text(t testing.TB, m map[string]any) []byte {
	t.Helper()
	b, err := canonical.JSON(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lines(t *linked.Text, l words.Language) string {
	var b strings.Builder
	b.WriteString(t.Title(l) + "\n")
	for _, line := range t.Lines(l) {
		b.WriteString(line.Label + ": " + line.Value + "\n")
	}
	return b.String()
}

func TestWhatTheCustomerReads(t *testing.T) {
	for _, c := range []struct {
		facts map[string]any
		l     words.Language
		want  []string
	}{
		{facts("login", nil), words.EN, []string{"Log in to the bank"}},
		{facts("login", map[string]any{"sub": nil}), words.AZ, []string{"Banka giriş"}},
		{payment(nil), words.EN, []string{"Confirm a payment\nAmount: 12 500.00 AZN\nPayee: Nigar MMC\nPayee's account: AZ77VTBA00000000001234567890\n", "Purpose: rent", "From account: AZ21"}},
		{payment(nil), words.RU, []string{"Сумма: 12 500.00 AZN", "Получатель: Nigar MMC"}},
		{payment(map[string]any{"holder": "H-1"}), words.AZ, []string{"Məbləğ: 12 500.00 AZN", "Alan: Nigar MMC", "Hesabın sahibi: H-1"}},
		{facts("action", map[string]any{"action": "limits.raise", "data_sha256": strings.Repeat("ab", 32)}), words.EN, []string{"raising of limits", strings.Repeat("ab", 32)}},
		{facts("action", map[string]any{"action": "new.thing"}), words.EN, []string{"What for: new.thing"}},
		{batch(nil), words.EN, []string{"Amount: 16.50 AZN\nNumber of payments: 2", "— 1 —", "Amount: 7.50 AZN\nPayee: X", "Amount: 9 AZN\nPayee: Y"}},
		{batch(map[string]any{"batch": nil, "count": 500, "batch_sha256": strings.Repeat("cd", 32)}), words.EN,
			[]string{"Amount: 16.50 AZN\nNumber of payments: 500", "too long to be shown", "Fingerprint of the list (SHA-256): " + strings.Repeat("cd", 32)}},
		{payment(map[string]any{"series": "S-1"}), words.EN, []string{"Recurring payment: S-1"}},
	} {
		parsed, err := linked.Parse(text(t, c.facts))
		if err != nil {
			t.Errorf("%v: %v", c.facts, err)
			continue
		}
		got := lines(parsed, c.l)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%q lacks %q", got, want)
			}
		}
	}
}

// A payee whose name turns the line round, or hides what follows.
func TestCharactersThatDeceiveAreShownAsNumbers(t *testing.T) {
	for name, want := range map[string]string{
		"Nigar\u202e00.5": "Nigar[U+202E]00.5", "a\u200bb": "a[U+200B]b", "a\nAmount: 1": "a[U+000A]Amount: 1", "\u2066x": "[U+2066]x",
		"x\u3164": "x[U+3164]", "אב": "[U+05D0][U+05D1]", "z\u0335\u0336": "z\u0335[U+0336]", "Şəhla Ёлкина": "Şəhla Ёлкина", "a\u00a0b": "a[U+00A0]b", "a\x1b[2J": "a[U+001B][2J",
	} {
		parsed, err := linked.Parse(text(t, payment(map[string]any{"payee": map[string]any{"name": name, "account": "1", "bank": "B"}})))
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if got := lines(parsed, words.EN); !strings.Contains(got, "\nPayee: "+want+"\n") {
			t.Errorf("%q is shown as %q", name, got)
		}
	}
	if got := linked.Show(strings.Repeat("x", 500)); len(got) > 160 {
		t.Errorf("a long name is shown whole: %q", got)
	}
}

func TestTextsThatAreNotUnderstoodAreRefused(t *testing.T) {
	good := string(text(t, payment(nil)))
	for name, raw := range map[string]string{
		"empty": "", "array": "[]", "null": "null", "number": "1", "not canonical": good + " ", "two": good + good,
		"member twice":             strings.Replace(good, `"purpose":"rent"`, `"purpose":"rent","purpose":"x"`, 1),
		"other letters":            string(text(t, payment(map[string]any{"Purpose": "x"}))),
		"other letters inside":     string(text(t, payment(map[string]any{"amount": map[string]any{"value": "1", "Value": "9", "currency": "AZN"}}))),
		"unknown member":           string(text(t, payment(map[string]any{"fee": "1"}))),
		"unknown member inside":    string(text(t, payment(map[string]any{"amount": map[string]any{"value": "1", "currency": "AZN", "more": "0"}}))),
		"unknown type":             string(text(t, facts("transfer", nil))),
		"version":                  string(text(t, facts("login", map[string]any{"v": 2}))),
		"log-in with an amount":    string(text(t, facts("login", map[string]any{"amount": map[string]any{"value": "1", "currency": "AZN"}}))),
		"log-in with null":         strings.Replace(string(text(t, facts("login", map[string]any{"purpose": "x"}))), `"x"`, "null", 1),
		"payment as a batch":       string(text(t, payment(map[string]any{"typ": "batch"}))),
		"no amount":                string(text(t, payment(map[string]any{"amount": nil}))),
		"no payee":                 string(text(t, payment(map[string]any{"payee": nil}))),
		"amount with a sign":       string(text(t, payment(map[string]any{"amount": map[string]any{"value": "-1", "currency": "AZN"}}))),
		"amount with a zero":       string(text(t, payment(map[string]any{"amount": map[string]any{"value": "01", "currency": "AZN"}}))),
		"amount as a number":       string(text(t, payment(map[string]any{"amount": map[string]any{"value": 1, "currency": "AZN"}}))),
		"currency":                 string(text(t, payment(map[string]any{"amount": map[string]any{"value": "1", "currency": "AZN "}}))),
		"a payee's name too long":  string(text(t, payment(map[string]any{"payee": map[string]any{"name": strings.Repeat("x", 141), "account": "1", "bank": "B"}}))),
		"a payee without account":  string(text(t, payment(map[string]any{"payee": map[string]any{"name": "x", "bank": "B"}}))),
		"no iss":                   string(text(t, facts("login", map[string]any{"iss": nil}))),
		"no nonce":                 string(text(t, facts("login", map[string]any{"nonce": nil}))),
		"exp as text":              string(text(t, facts("login", map[string]any{"exp": "1"}))),
		"batch: another count":     string(text(t, batch(map[string]any{"count": 3}))),
		"batch: no count":          string(text(t, batch(map[string]any{"count": nil}))),
		"batch: another sum":       string(text(t, batch(map[string]any{"amount": map[string]any{"value": "16.51", "currency": "AZN"}}))),
		"batch: another currency":  string(text(t, batch(map[string]any{"amount": map[string]any{"value": "16.50", "currency": "USD"}}))),
		"batch: list and hash":     string(text(t, batch(map[string]any{"batch_sha256": strings.Repeat("cd", 32)}))),
		"batch: half a hash":       string(text(t, batch(map[string]any{"batch": nil, "batch_sha256": strings.Repeat("cd", 16)}))),
		"batch: hash and payee":    string(text(t, batch(map[string]any{"batch": nil, "batch_sha256": strings.Repeat("cd", 32), "payee": map[string]any{"name": "X", "account": "1", "bank": "B"}}))),
		"batch: nothing listed":    string(text(t, batch(map[string]any{"batch": nil}))),
		"batch: too many":          string(text(t, batch(map[string]any{"batch": nil, "count": 10001, "batch_sha256": strings.Repeat("cd", 32)}))),
		"an empty batch":           string(text(t, payment(map[string]any{"typ": "batch", "payee": nil, "batch": []any{}}))),
		"an action without a name": string(text(t, facts("action", nil))),
	} {
		if parsed, err := linked.Parse([]byte(raw)); err == nil {
			t.Errorf("%s: %q is %+v", name, raw, parsed)
		}
	}
}

// site serves texts as a front end of the bank does.
type site struct {
	*httptest.Server
	texts map[string][]byte
	serve func(w http.ResponseWriter, r *http.Request) bool
}

func newSite(t *testing.T) *site {
	s := &site{texts: map[string][]byte{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.serve != nil && s.serve(w, r) {
			return
		}
		text, ok := s.texts[strings.TrimPrefix(r.URL.Path, linked.Path)]
		if !ok || r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(text)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) put(raw []byte) []byte {
	sum := sha256.Sum256(raw)
	s.texts[base64.RawURLEncoding.EncodeToString(sum[:])] = raw
	return sum[:]
}

func say(err error) words.Key {
	var e *linked.Error
	if errors.As(err, &e) {
		return e.Say
	}
	return ""
}

func TestResolve(t *testing.T) {
	s := newSite(t)
	r := linked.Resolver{Issuers: []string{issuer}, Now: func() time.Time { return now }}
	resolve := func(sum []byte) error {
		t.Helper()
		_, err := r.Resolve(t.Context(), s.URL, crypto.SHA256, sum)
		return err
	}
	if err := resolve(s.put(text(t, payment(nil)))); err != nil {
		t.Errorf("a payment: %v", err)
	}
	if err := resolve(make([]byte, 32)); say(err) != words.UnknownRequest {
		t.Errorf("an unknown hash: %v", err)
	}
	other := s.put(text(t, payment(map[string]any{"purpose": "other"})))
	s.texts[base64.RawURLEncoding.EncodeToString(other)] = text(t, payment(nil))
	if err := resolve(other); say(err) != words.WrongText {
		t.Errorf("another text: %v", err)
	}
	if err := resolve(s.put(text(t, facts("login", map[string]any{"iss": "https://other.example"})))); say(err) != words.OtherIssuer {
		t.Errorf("another bank's text: %v", err)
	}
	for name, exp := range map[string]time.Time{"old": now.Add(-3 * time.Minute), "far": now.Add(2 * time.Hour)} {
		if err := resolve(s.put(text(t, facts("login", map[string]any{"exp": exp.Unix()})))); say(err) != words.OldRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	sum := s.put([]byte(strings.Repeat("x", 70<<10)))
	if err := resolve(sum); say(err) != words.WrongText {
		t.Errorf("a text too long: %v", err)
	}
	sum = s.put(text(t, facts("login", nil)))
	for name, serve := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"redirect": func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Has("again") {
				return false
			}
			http.Redirect(w, r, r.URL.Path+"?again", http.StatusFound)
			return true
		},
		"error": func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true },
		"cut off": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("{"))
			return true
		},
	} {
		s.serve = serve
		if err := resolve(sum); say(err) != words.NoNetwork {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.serve = nil
	if err := resolve(sum); err != nil {
		t.Errorf("without a fault: %v", err)
	}
	s.Close()
	if err := resolve(sum); say(err) != words.NoNetwork {
		t.Errorf("a site that is away: %v", err)
	}
}

// FuzzParse: what is taken has no member that was not shown or known, and no line
// has a character that deceives.
// Blanks in a row push what follows to where a line begins, and there it looks like a
// line of ours.
func TestBlanksInARowAreSeen(t *testing.T) {
	got, err := linked.Parse(text(t, payment(map[string]any{"payee": map[string]any{
		"name": " Nigar MMC" + strings.Repeat(" ", 60) + "Amount: 12.50 AZN ", "account": "AZ77VTBA00000000001234567890", "bank": "B Bank", "country": "AZ"}})))
	if err != nil {
		t.Fatal(err)
	}
	if s := lines(got, words.EN); strings.Contains(s, "  ") || !strings.Contains(s, "Payee: [U+0020]Nigar MMC"+" "+strings.Repeat("[U+0020]", 59)+"Amount: 12.50 AZN[U+0020]") {
		t.Errorf("%s", s)
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range []map[string]any{facts("login", nil), payment(nil), facts("action", map[string]any{"action": "approval", "data_sha256": strings.Repeat("0", 64)}),
		payment(map[string]any{"payee": map[string]any{"name": "a\u202eb", "account": "1", "bank": "B"}})} {
		f.Add(text(f, m))
	}
	f.Add(text(f, batch(nil)))
	f.Add(text(f, batch(map[string]any{"batch": nil, "batch_sha256": strings.Repeat("cd", 32)})))
	f.Add([]byte(`{"v":1,"typ":"batch","batch":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		parsed, err := linked.Parse(raw)
		if err != nil {
			return
		}
		again, err := canonical.Bytes(raw)
		if err != nil || string(again) != string(raw) {
			t.Fatalf("%q is taken and not canonical", raw)
		}
		for _, l := range []words.Language{words.AZ, words.EN, words.RU} {
			for _, r := range lines(parsed, l) {
				if r != '\n' && (r < ' ' || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff) {
					t.Fatalf("%q shows %U", raw, r)
				}
			}
		}
		if parsed.Type == linked.Payment && !strings.Contains(fmt.Sprint(parsed.Lines(words.EN)), "Amount") {
			t.Fatalf("%q is a payment without an amount", raw)
		}
	})
}
