package api_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn/pin"
	"mohur/banktest"
	"mohur/notify"
	"mohur/parties"
	"mohur/store/bolttest"
	"mohur/tokens/pskc"
)

// secretFor has an activation secret sent and returns its text.
func (w *world) secretFor(customer, purpose, channel string) string {
	w.T.Helper()
	return w.ask(w.as("operator"), "POST", "/v1/customers/"+customer+"/activation-secrets", body{"purpose": purpose, "channel": channel}).is(201).str("secret")
}

// setPIN asks for a PIN; the proof is an activation secret, or the id of an
// authentication.
func (w *world) setPIN(customer, pin, proof string) *answer {
	w.T.Helper()
	name := "activation_secret"
	if strings.HasPrefix(proof, "at_") {
		name = "authentication"
	}
	return w.ask(w.as("frontend"), "PUT", "/v1/customers/"+customer+"/pin", body{"pin": pin, "proof": body{name: proof}})
}

// prove gives the proof of an act with a code of the device and the PIN.
func (w *world) prove(customer string, d *banktest.Device, pin, act string, data body) string {
	w.T.Helper()
	if data == nil {
		data = body{}
	}
	v := w.ask(w.as("frontend"), "POST", "/v1/authentications", body{
		"customer": customer, "purpose": "action", "action": body{"name": act, "data": data}, "channel": "internet",
		"responses": []body{{"method": "pin", "pin": pin}, {"method": "otp", "code": d.HOTP()}},
	}).is(201)
	v.has(body{"state": "granted"})
	return v.str("id")
}

// tryLogin logs in with a code and a PIN in one round trip.
func (w *world) tryLogin(customer, code, pin string) *answer {
	w.T.Helper()
	return w.ask(w.as("frontend"), "POST", "/v1/authentications", body{
		"customer": customer, "purpose": "login", "channel": "internet", "responses": []body{{"method": "pin", "pin": pin}, {"method": "otp", "code": code}},
	})
}

// notices returns what waits to be sent to a customer, by kind and channel, with
// the last text of each.
func (w *world) notices(customer string) map[string]string {
	w.T.Helper()
	all, err := w.Store.Notices(w.T.Context(), 10_000)
	w.must(nil, err)
	c, err := w.Parties.Get(w.T.Context(), customer)
	w.must(nil, err)
	out := map[string]string{}
	for _, n := range all {
		if n.Customer != customer {
			continue
		}
		text, err := w.Keys.Open(w.T.Context(), c.Key, notify.Place(n.ID), n.Sealed)
		w.must(nil, err)
		out[n.Kind+" "+n.Channel] = string(text)
	}
	return out
}

// A PIN that is guessed first is refused in words that say what to do, before the
// proof is looked at: the proof stays good.
func TestClause5_22_APINThatIsGuessedFirstIsNotTaken(t *testing.T) {
	w := newWorld(t)
	c := w.Customer()
	secret := w.secretFor(c.ID, "pin", "sms")
	for text, says := range map[string]string{
		"123456": "even steps", "150785": "date", "123123": "repeats", "12345": "6 to 12 digits", "5201314": "most people", "147258": "keypad",
	} {
		p := w.setPIN(c.ID, text, secret).refused(422, "invalid-request")
		if len(p.Errors) != 1 || p.Errors[0].Field != "pin" || !strings.Contains(p.Errors[0].Message, says) {
			t.Errorf("%s: %+v", text, p.Errors)
		}
	}
	w.setPIN(c.ID, "582013", secret).is(204)
	w.setPIN(c.ID, "930471", secret).refused(403, "authentication-failed")
}

// What the bank knows of the customer is no PIN; who has not proven himself does
// not find it out by that.
func TestClause5_22_APINIsNotTheCustomersOwnNumber(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP) // +994501234567
	for _, guess := range []string{"945012", "501234"} {
		w.setPIN(c.ID, guess, "AAAAAAAAAAAA").refused(403, "authentication-failed")
		w.setPIN(c.ID, guess, "at_00000000000000000000000000").refused(403, "proof-required")
	}
	proof := w.prove(c.ID, d, banktest.PIN, "customer.pin", nil)
	w.setPIN(c.ID, "945012", proof).faulty("pin")
	w.setPIN(c.ID, "582013", proof).refused(403, "proof-required")
	if w.Count("customer.pin", "refused", "pin-personal") != 1 {
		t.Error("the log does not tell why")
	}
	w.tryLogin(c.ID, d.HOTP(), banktest.PIN).is(201).has(body{"state": "granted"})
}

// A PIN of the history does not come back, and every proof is good for one look at
// it: by whoever holds one it cannot be searched.
func TestClause5_22_AnEarlierPINDoesNotComeBack(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	mine := []string{banktest.PIN, "582013", "930471"}
	for i, next := range mine[1:] {
		for _, old := range mine[:i+1] {
			proof := w.prove(c.ID, d, mine[i], "customer.pin", nil)
			w.setPIN(c.ID, old, proof).faulty("pin")
			w.setPIN(c.ID, next, proof).refused(403, "proof-required")
		}
		w.setPIN(c.ID, next, w.prove(c.ID, d, mine[i], "customer.pin", nil)).is(204)
		w.tryLogin(c.ID, d.HOTP(), mine[i]).refused(403, "authentication-failed")
		w.tryLogin(c.ID, d.HOTP(), next).is(201).has(body{"state": "granted"})
	}
	// An activation secret has five tries, and each of these is one.
	secret := w.secretFor(c.ID, "pin", "sms")
	for range 5 {
		w.setPIN(c.ID, banktest.PIN, secret).faulty("pin")
	}
	w.setPIN(c.ID, "640285", secret).refused(403, "authentication-failed")
	if n := w.Count("customer.pin", "refused", "pin-used-before"); n != 8 {
		t.Errorf("the log tells of %d", n)
	}
	w.tryLogin(c.ID, d.HOTP(), "930471").is(201).has(body{"state": "granted"})
}

// A PIN that was just set is not changed four times over to have the old one back;
// with a secret of the bank it is changed at once.
func TestClause5_22_APINHasALeastAge(t *testing.T) {
	w := newWorld(t)
	w.Enrollment.PINRules = pin.Rules{MinAge: 24 * time.Hour}
	c, d := w.Person(pskc.HOTP)
	w.setPIN(c.ID, "582013", w.prove(c.ID, d, banktest.PIN, "customer.pin", nil)).faulty("pin")
	w.setPIN(c.ID, "582013", w.secretFor(c.ID, "pin", "sms")).is(204)
	w.Clock.Forward(24*time.Hour - time.Minute)
	w.setPIN(c.ID, "930471", w.prove(c.ID, d, "582013", "customer.pin", nil)).faulty("pin")
	w.Clock.Forward(2 * time.Minute)
	w.setPIN(c.ID, "930471", w.prove(c.ID, d, "582013", "customer.pin", nil)).is(204)
}

// Whoever sets a PIN, the customer is told by every contact, and not what it is.
func TestAttack09_ThePersonIsToldThatAPINWasSet(t *testing.T) {
	w := newWorld(t)
	c, _ := w.Person(pskc.HOTP)
	told := w.notices(c.ID)
	for _, channel := range []string{"sms", "email"} {
		if text, there := told["pin-set "+channel]; !there || strings.Contains(text, banktest.PIN) {
			t.Errorf("by %s: %q", channel, text)
		}
	}
}

// A PIN record that was put back is found by who replaces it too: the history in
// it is an old one.
func TestClause5_27_AnOldPINPutBackIsNotBuiltUpon(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	var old []byte
	w.Edit(func(f bolttest.File) { old = f.Get("pin", c.ID) })
	w.SetPIN(c.ID, "582013")
	w.Edit(func(f bolttest.File) { f.Put("pin", c.ID, old) })
	w.start()
	secret := w.secretFor(c.ID, "pin", "sms")
	w.setPIN(c.ID, "582013", secret).refused(403, "authentication-failed")
	if n := w.Count("credential.quarantined", "", "pin-record-changed"); n != 1 {
		t.Fatalf("%d quarantines", n)
	}
	w.setPIN(c.ID, "930471", secret).is(204)
	w.tryLogin(c.ID, d.HOTP(), "930471").is(201).has(body{"state": "granted"})
}

// Two PINs at once by two secrets: one of them is the customer's, and he is told
// of no success that was none.
func TestClause5_22_TwoPINsAtOnce(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	pins := []string{"582013", "930471"}
	proofs := make([]string, len(pins))
	for i := range pins {
		proofs[i] = w.prove(c.ID, d, banktest.PIN, "customer.pin", nil)
	}
	status := make([]int, len(pins))
	var work sync.WaitGroup
	for i := range pins {
		work.Go(func() {
			// On a slow machine the work may take longer than a judgement has; then nothing was changed.
			for status[i] == 0 || status[i] == 503 {
				status[i] = w.setPIN(c.ID, pins[i], proofs[i]).status
			}
		})
	}
	work.Wait()
	right := 0
	for i := range pins {
		if status[i] != 204 {
			t.Errorf("PIN %d: %d", i, status[i])
		}
		if w.tryLogin(c.ID, d.HOTP(), pins[i]).status == 201 {
			right++
		}
	}
	if right != 1 {
		t.Errorf("%d PINs are good", right)
	}
}

// The first PIN comes by a letter that is printed from the outbox and shown to
// nobody: in the customer's language, with the secret, and nowhere else.
func TestAttack09_NobodyAtTheBankSeesTheSecretOfALetter(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Development = false })
	w.Enrollment.Development = false
	w.Enrollment.BankName = "Nümunə & Co"
	for locale, words := range map[string][]string{
		"az": {"Hörmətli", "Aktivləşdirmə kodunuz", "6–12 rəqəmli", `lang="az"`},
		"en": {"Dear", "Your activation code", "PIN of 6–12 digits", `lang="en"`},
		"ru": {"Здравствуйте", "Ваш код активации", "из 6–12 цифр", `lang="ru"`},
	} {
		t.Run(locale, func(t *testing.T) {
			id := "C-" + locale
			w.ask(w.as("operator"), "PUT", "/v1/customers/"+id, body{
				"name": "<b>Leyla</b> Əliyeva", "locale": locale, "contacts": body{"phone": "+994551112233"}, "segment": "retail",
				"contract_ref": "K-77", "contract_version": "1", "kyc_ref": "V-1",
			}).is(201)
			sent := w.ask(w.as("operator"), "POST", "/v1/customers/"+id+"/activation-secrets", body{"purpose": "pin", "channel": "letter"})
			sent.is(201).has(body{"sent_to": "the address of the contract", "secret": nil})
			page := w.notices(id)["activation-secret letter"]
			for _, want := range append(words, "&lt;b&gt;Leyla&lt;/b&gt; Əliyeva", "K-77", "Nümunə &amp; Co", "@page") {
				if !strings.Contains(page, want) {
					t.Errorf("the letter has no %q", want)
				}
			}
			if strings.Contains(page, "<script") || strings.Contains(page, "http") || strings.Contains(page, "{digits}") {
				t.Error("the letter is more than a page")
			}
			_, rest, _ := strings.Cut(page, `<p class="secret">`)
			printed, _, _ := strings.Cut(rest, "<")
			if len(printed) != 14 || strings.ContainsAny(printed, "OIL") {
				t.Fatalf("the secret is %q", printed)
			}
			secret := strings.ReplaceAll(printed, "-", "")
			for name, where := range map[string]string{"the answer": string(sent.body), "the server's log": w.log.String(), "the audit log": w.bodies(id)} {
				if strings.Contains(where, secret) || strings.Contains(where, printed) {
					t.Errorf("the secret is in %s", name)
				}
			}
			// As somebody types what he reads on paper.
			typed := strings.ToLower(strings.NewReplacer("0", "o", "1", "l").Replace(printed))
			w.setPIN(id, "582013", typed).is(204)
			w.setPIN(id, "930471", secret).refused(403, "authentication-failed")
		})
	}
	file, err := os.ReadFile(w.Path)
	w.must(nil, err)
	if strings.Contains(string(file), "Leyla") {
		t.Error("the name is on the disk")
	}
}

// bodies is the audit log in the clear, as far as it concerns a customer or nobody.
func (w *world) bodies(customer string) string {
	w.T.Helper()
	c, err := w.Parties.Get(w.T.Context(), customer)
	w.must(nil, err)
	var out strings.Builder
	for from := uint64(0); ; {
		batch, err := w.Engine.Entries(w.T.Context(), from, 1000)
		w.must(nil, err)
		if len(batch) == 0 {
			return out.String()
		}
		for _, e := range batch {
			out.Write(e.Header)
			for _, who := range []audit.Person{{Pseudonym: c.Pseudonym, Key: c.Key}, {}} {
				if text, err := w.Audit.Open(w.T.Context(), who, e); err == nil {
					out.Write(text)
				}
			}
			out.WriteByte('\n')
		}
		from += uint64(len(batch))
	}
}

// 64 customers log in at once with code and PIN: each is granted, or told that the
// server is busy and granted when he comes back; nobody's right answer is refused.
func TestAttack03_64LogInsAtOnceAreAllJudged(t *testing.T) {
	w := newWorld(t)
	const n = 64
	customers := make([]parties.Customer, n)
	devices := w.Import(n, pskc.HOTP)
	for i := range n {
		customers[i] = w.Customer()
		w.Hand(devices[i], customers[i].ID)
		w.SetPIN(customers[i].ID, banktest.PIN)
	}
	w.as("frontend")
	waiting := make([]bool, n)
	for i := range n {
		waiting[i] = true
	}
	for round := 0; slices.Contains(waiting, true); round++ {
		if round == 10 {
			t.Fatal("not all are granted after ten rounds")
		}
		var work sync.WaitGroup
		for i := range n {
			if !waiting[i] {
				continue
			}
			work.Go(func() {
				switch a := w.tryLogin(customers[i].ID, devices[i].HOTP(), banktest.PIN); a.status {
				case 201:
					waiting[i] = false
				case 503:
				default:
					t.Errorf("log-in %d: %d %s", i, a.status, a.body)
					waiting[i] = false
				}
			})
		}
		work.Wait()
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
