package agent_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mohur/agent"
	"mohur/agent/agenttest"
	"mohur/agent/dialog/dialogtest"
	"mohur/authn/card"
	"mohur/authn/pkitest"
)

// What the agent makes, the server takes, and knows that the text was shown.
func TestLogInAndPaymentAreTakenByTheServer(t *testing.T) {
	for _, kind := range []string{"RSA-2048", "P-256", "P-384"} {
		t.Run(kind, func(t *testing.T) {
			d := newDesk(t, kind)
			v := d.verifier()
			for _, text := range [][]byte{d.site.Text("login", nil), d.site.Text("payment", nil)} {
				token, err := d.logIn(text, rightPIN)
				if err != nil {
					t.Fatal(err)
				}
				verdict := v.VerifyToken(t.Context(), card.TokenInput{Token: token, Nonce: agenttest.Nonce(text), At: time.Now()})
				if !verdict.OK || verdict.Shown != card.ShownAgent || verdict.Origin != d.site.URL {
					t.Errorf("the server says %+v", verdict)
				}
				if other := v.VerifyToken(t.Context(), card.TokenInput{Token: token, Nonce: agenttest.Nonce([]byte("x")), At: time.Now()}); other.OK {
					t.Error("the token answers another nonce")
				}
			}
			if shown := d.shown.All(); !strings.Contains(shown, "Amount: 12 500.00 AZN") || !strings.Contains(shown, "Payee: Nigar MMC") || !strings.Contains(shown, "Site: "+d.site.URL) {
				t.Errorf("the customer saw\n%s", shown)
			}
		})
	}
}

func TestClause5_18_ACardSignsWhatTheCustomerSaw(t *testing.T) {
	d := newDesk(t, "P-256", "sign:P-256")
	raw, err := d.do(agent.GetSigningCertificate, map[string]any{}, dialogtest.Answer{Yes: true})
	if err != nil {
		t.Fatal(err)
	}
	var c agent.SigningCertificate
	if err := json.Unmarshal(raw, &c); err != nil || c.Certificate != base64.StdEncoding.EncodeToString(d.pairs[1].Raw) ||
		len(c.Algorithms) != 1 || c.Algorithms[0] != (agent.SignatureAlgorithm{Crypto: "ECC", Hash: "SHA-256", Padding: "NONE"}) {
		t.Fatalf("%s, %v", raw, err)
	}
	text := d.site.Text("payment", nil)
	args := map[string]any{"hash": agenttest.Nonce(text), "hashFunction": "SHA-256", "certificate": c.Certificate}
	raw, err = d.do(agent.Sign, args, rightPIN)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.shown.All(), "Amount: 12 500.00 AZN") {
		t.Errorf("the customer saw\n%s", d.shown.All())
	}
	var response map[string]any
	if err := json.Unmarshal(raw, &response); err != nil {
		t.Fatal(err)
	}
	response["certificate"] = c.Certificate
	raw, _ = json.Marshal(response)
	v := d.verifier()
	if verdict := v.VerifySignature(t.Context(), card.SignatureInput{Response: raw, Text: text, At: time.Now()}); !verdict.OK {
		t.Errorf("the server says %+v", verdict)
	}

	args["certificate"] = base64.StdEncoding.EncodeToString(d.pairs[0].Raw)
	_, err = d.do(agent.Sign, args, dialogtest.Answer{Cancel: true})
	d.refused("the certificate for logging in", err, agent.CodeCancelled, "another card")
	args = map[string]any{"hash": agenttest.Nonce(d.site.Text("login", nil)), "hashFunction": "SHA-256", "certificate": c.Certificate}
	_, err = d.do(agent.Sign, args)
	d.refused("a log-in with a signing certificate", err, agent.CodeFatal)
	// Its own enrolment is an action that it signs.
	args["hash"] = agenttest.Nonce(d.site.Text("action", map[string]any{"action": "credential.enroll", "data_sha256": strings.Repeat("0", 64)}))
	if _, err = d.do(agent.Sign, args, rightPIN); err != nil || !strings.Contains(d.shown.All(), "registration of a new card or key") {
		t.Errorf("the enrolment of the signing certificate: %v\n%s", err, d.shown.All())
	}
}

func TestAttack10_NothingIsSignedThatTheBankDoesNotVouchFor(t *testing.T) {
	d := newDesk(t, "P-256")
	good := d.site.Text("payment", nil)
	for name, c := range map[string]struct {
		args map[string]any
		code string
		told string
	}{
		"another site":      {map[string]any{"challengeNonce": agenttest.Nonce(good), "origin": "https://bank.example.evil.example"}, agent.CodeFatal, "not a site of the bank"},
		"an unknown nonce":  {map[string]any{"challengeNonce": agenttest.Nonce([]byte("x"))}, agent.CodeFatal, "does not know this request"},
		"another bank":      {map[string]any{"challengeNonce": agenttest.Nonce(d.site.Text("login", map[string]any{"iss": "https://evil.example"}))}, agent.CodeFatal, "another bank"},
		"an old text":       {map[string]any{"challengeNonce": agenttest.Nonce(d.site.Text("login", map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}))}, agent.CodeFatal, "out of date"},
		"an unknown member": {map[string]any{"challengeNonce": agenttest.Nonce(d.site.Text("payment", map[string]any{"fee": "1"}))}, agent.CodeFatal, "newer version"},
		"no nonce":          {map[string]any{"challengeNonce": ""}, agent.CodeArgument, ""},
		"a short nonce":     {map[string]any{"challengeNonce": base64.StdEncoding.EncodeToString(make([]byte, 31))}, agent.CodeArgument, ""},
		"not base64":        {map[string]any{"challengeNonce": strings.Repeat("-", 44)}, agent.CodeArgument, ""},
		"no origin":         {map[string]any{"challengeNonce": agenttest.Nonce(good), "origin": ""}, agent.CodeArgument, ""},
		"an origin's path":  {map[string]any{"challengeNonce": agenttest.Nonce(good), "origin": d.site.URL + "/x"}, agent.CodeArgument, ""},
		"plain http":        {map[string]any{"challengeNonce": agenttest.Nonce(good), "origin": "http://login.bank.example"}, agent.CodeArgument, ""},
	} {
		_, err := d.do(agent.Authenticate, c.args)
		d.refused(name, err, c.code, c.told)
	}
	// The site gives another payment for the hash.
	hash := agenttest.Nonce(good)
	d.site.Swap(good, d.site.Text("payment", map[string]any{"reference": "INV-8"}))
	_, err := d.do(agent.Authenticate, map[string]any{"challengeNonce": hash})
	d.refused("a changed amount", err, agent.CodeFatal, "not what is to be signed")
	d.site.Close()
	_, err = d.do(agent.Authenticate, map[string]any{"challengeNonce": hash})
	d.refused("no network", err, agent.CodeFatal, "cannot be reached")
	if n := d.card.Get(t, "logins"); n != -1 {
		t.Errorf("the card was asked %d times", n)
	}
}

func TestAttack11_APayeeWhoseNameTurnsTheLineRound(t *testing.T) {
	d := newDesk(t, "P-256")
	text := d.site.Text("payment", map[string]any{"payee": map[string]any{"name": "Nigar\u202eCMM\n\nAmount: 1.00 AZN", "account": "AZ77", "bank": "B"}})
	if _, err := d.logIn(text, rightPIN); err != nil {
		t.Fatal(err)
	}
	if shown := d.shown.All(); !strings.Contains(shown, "Payee: Nigar[U+202E]CMM[U+000A][U+000A]Amount: 1.00 AZN\n") || strings.Contains(shown, "\nAmount: 1.00") {
		t.Errorf("the customer saw\n%s", shown)
	}
}

func TestWrongPINsUpToTheLastTry(t *testing.T) {
	d := newDesk(t, "P-256")
	d.card.Set(t, "tries", 3)
	text := d.site.Text("login", nil)
	wrong := dialogtest.Answer{PIN: "111111"}
	if _, err := d.logIn(text, wrong, wrong, rightPIN); err != nil {
		t.Fatal(err)
	}
	pages := d.shown.Shown()
	for i, want := range []struct{ has, lacks string }{{"", "wrong"}, {"The PIN is wrong.", "last try"}, {"WARNING: this is the last try", ""}} {
		if text := pages[i].Text(); !strings.Contains(text, want.has) || want.lacks != "" && strings.Contains(text, want.lacks) {
			t.Errorf("dialog %d shows\n%s", i, text)
		}
	}
	_, err := d.logIn(text, wrong, wrong, wrong)
	d.refused("three wrong PINs", err, agent.CodeFatal, "The card is locked")
	_, err = d.logIn(text)
	d.refused("a locked card", err, agent.CodeFatal, "The card is locked")
	d.card.Set(t, "tries", 1)
	_, err = d.logIn(text, dialogtest.Answer{Cancel: true})
	d.refused("a customer who is warned and cancels", err, agent.CodeCancelled, "last try")
	if d.card.Get(t, "tries") != 1 {
		t.Error("the last try is used up")
	}
	d.card.Set(t, "tries", 3)
	before := d.card.Get(t, "logins")
	if _, err := d.logIn(text, dialogtest.Answer{PIN: "1"}, rightPIN); err != nil || d.card.Get(t, "logins") != before+1 {
		t.Errorf("a PIN too short to be one: %v, %d tries", err, d.card.Get(t, "logins")-before)
	}
}

func TestCardsThatFailInTheMiddle(t *testing.T) {
	d := newDesk(t, "P-256")
	text := d.site.Text("login", nil)
	order := func(name string, n int) dialogtest.Answer {
		a := rightPIN
		a.Before = func() { d.card.Set(t, name, n) }
		return a
	}
	_, err := d.logIn(text, order("gone", 1))
	d.refused("taken out before the PIN", err, agent.CodeFatal, "was taken out", "Nothing was signed")
	d.card.Unset(t, "gone")
	_, err = d.logIn(text, order("lost", 1))
	d.refused("taken out while it signs", err, agent.CodeFatal, "was taken out")
	d.card.Unset(t, "lost")
	_, err = d.logIn(text, order("wrong", 1))
	d.refused("a wrong signature", err, agent.CodeFatal, "does not fit its certificate")
	d.card.Unset(t, "wrong")
	_, err = d.logIn(text, order("crash", agenttest.SignCall))
	d.refused("a module that crashes", err, agent.CodeFatal, "could not be used")
	d.card.Unset(t, "crash")
	d.agent.Cards.(*agent.Devices).Runner.Deadline = 2 * time.Second
	_, err = d.logIn(text, order("hang", agenttest.SignCall))
	d.refused("a module that hangs", err, agent.CodeFatal, "did not answer and was stopped")
	d.card.Unset(t, "hang")
	if _, err := d.logIn(text, rightPIN); err != nil {
		t.Errorf("after all that: %v", err)
	}
	_, err = d.logIn(d.site.Text("login", map[string]any{"nonce": "0123456789abcdef"}), dialogtest.Answer{Cancel: true})
	d.refused("cancelled", err, agent.CodeCancelled)
	// Read for too long: the text is out of date before the PIN is used.
	before := d.card.Get(t, "logins")
	late := rightPIN
	late.Before = func() { d.agent.Resolver.Now = func() time.Time { return time.Now().Add(time.Hour) } }
	_, err = d.logIn(text, late)
	d.refused("too late", err, agent.CodeFatal, "out of date")
	if d.card.Get(t, "logins") != before {
		t.Error("the PIN was tried")
	}
}

func TestACardThatComesLater(t *testing.T) {
	d := newDesk(t, "P-256")
	text := d.site.Text("login", nil)
	d.card.Set(t, "gone", 1)
	if _, err := d.logIn(text, dialogtest.Answer{Yes: true, Before: func() { d.card.Unset(t, "gone") }}, rightPIN); err != nil {
		t.Fatal(err)
	}
	d.card.Set(t, "gone", 1)
	_, err := d.logIn(text, dialogtest.Answer{Cancel: true})
	d.refused("no card", err, agent.CodeCancelled)
	if shown := d.shown.All(); !strings.Contains(shown, "card reader") && !strings.Contains(shown, "into the reader") {
		t.Errorf("the customer is told\n%s", shown)
	}
}

func TestWhichCertificateIsUsed(t *testing.T) {
	root := pkitest.Root(t, "Root")
	past := pkitest.Dates(time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))
	future := pkitest.Dates(time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour))
	with := func(pairs ...*pkitest.Pair) *desk {
		d := newDesk(t)
		var keys []agenttest.Key
		for _, p := range pairs {
			keys = append(keys, agenttest.Key{Certificate: p.Certificate, Key: p.Key})
		}
		d.card = agenttest.NewSoftCard(t, "card", keys...)
		devices := d.agent.Cards.(*agent.Devices)
		devices.Modules, devices.Runner.Env = []string{d.card.Module}, d.card.Env()
		return d
	}
	used := func(raw json.RawMessage) string {
		var token agent.Token
		_ = json.Unmarshal(raw, &token)
		return token.Certificate
	}
	one, two := root.Card(t, "AZE1"), root.Card(t, "AZE2")
	d := with(one, two, root.SigningCard(t, "AZE1"), root.Card(t, "AZE3", past))
	raw, err := d.logIn(d.site.Text("login", nil), dialogtest.Answer{Choice: 1}, rightPIN)
	choices := d.shown.Shown()[0].Choices
	if err != nil || len(choices) != 2 || used(raw) != base64.StdEncoding.EncodeToString(two.Raw) && used(raw) != base64.StdEncoding.EncodeToString(one.Raw) {
		t.Errorf("two cards: %v, choices %q", err, choices)
	}
	for name, c := range map[string]struct {
		pair *pkitest.Pair
		told string
	}{
		"expired":      {root.Card(t, "AZE1", past), "the certificate expired on"},
		"not yet":      {root.Card(t, "AZE1", future), "Check the computer's clock"},
		"weak":         {root.Card(t, "AZE1", pkitest.Kind("RSA-1024")), "too weak"},
		"signing only": {root.SigningCard(t, "AZE1"), "no certificate for logging in"},
		"other usage":  {root.Card(t, "AZE1", pkitest.Extended(3)), "no certificate for logging in"},
	} {
		d := with(c.pair)
		_, err := d.logIn(d.site.Text("login", nil), dialogtest.Answer{Cancel: true})
		d.refused(name, err, agent.CodeCancelled, c.told)
	}
}

// The tries of a card that tells them itself, as PIV cards do.
func TestExactTriesAreShown(t *testing.T) {
	d := newDesk(t, "P-256")
	left := 2
	d.agent.Cards = telling{d.agent.Cards, &left}
	text := d.site.Text("login", nil)
	if _, err := d.logIn(text, rightPIN); err != nil || !strings.Contains(d.shown.All(), "Tries left: 2") {
		t.Errorf("%v\n%s", err, d.shown.All())
	}
	left = 1
	if _, err := d.logIn(text, rightPIN); err != nil || !strings.Contains(d.shown.All(), "last try") {
		t.Errorf("%v\n%s", err, d.shown.All())
	}
	left = 0
	before := d.card.Get(t, "logins")
	_, err := d.logIn(text)
	d.refused("locked", err, agent.CodeFatal, "The card is locked")
	if d.card.Get(t, "logins") != before {
		t.Error("the PIN was tried")
	}
}
