package payment_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mohur/authn"
	"mohur/banktest"
	"mohur/hsm"
	"mohur/ident"
	"mohur/jws"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/tokens/pskc"
)

// payer is a customer who is logged in with a device of an OCRA and an HOTP key.
type payer struct {
	b        *banktest.Bank
	t        *testing.T
	customer parties.Customer
	device   *banktest.Device
	session  string
}

func newPayer(t *testing.T) *payer {
	t.Helper()
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP, pskc.OCRA)
	p := &payer{b: b, t: t, customer: c, device: d}
	p.login()
	return p
}

func (p *payer) login() {
	p.t.Helper()
	v, err := p.b.Authn.Begin(p.t.Context(), authn.BeginCommand{Caller: p.b.Front(), Customer: p.customer.ID, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		p.t.Fatal(err)
	}
	p.answer(v.Attempt.ID, authn.PIN, banktest.PIN)
	v, err = p.answer(v.Attempt.ID, authn.OTP, p.device.HOTP())
	if err != nil {
		p.t.Fatal(err)
	}
	p.session = v.Session.Session.ID
}

func (p *payer) answer(attempt string, m authn.Method, secret string) (authn.View, error) {
	return p.b.Authn.Answer(p.t.Context(), authn.AnswerCommand{Caller: p.b.Front(), Attempt: attempt, Method: m, Secret: secret})
}

// command is a payment of that value with every signal there.
func (p *payer) command(value string) payment.CreateCommand {
	return payment.CreateCommand{
		Caller: p.b.Front(), Session: p.session, Reference: "R-" + ident.Text(8), Channel: parties.Internet, Service: "transactional",
		Amount: payment.Money{Value: value, Currency: "AZN"}, Purpose: "invoice 7",
		Payer:   payment.Party{Name: "Aygün Məmmədova", Account: "AZ21NABZ00000000137010001944", Bank: "Bank A"},
		Payee:   payment.Party{Name: "Rəşad Əliyev", Account: "AZ77VTBA00000000001234567890", Bank: "Bank B", Country: "AZ"},
		Signals: risk.Signals{IP: "192.0.2.1", UserAgent: "test", DeviceID: "d-1", Country: "AZ"},
	}
}

func (p *payer) pay(cmd payment.CreateCommand) payment.View {
	p.t.Helper()
	v, err := p.b.Payments.Create(p.t.Context(), cmd)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// question is what the transaction asks the device.
func question(t *testing.T, v payment.View) string {
	t.Helper()
	for _, o := range v.Authentication.Attempt.Offers {
		if o.Method == authn.OCRA {
			return o.Question
		}
	}
	t.Fatalf("no OCRA in %+v", v.Authentication.Attempt.Offers)
	return ""
}

// prove answers the transaction's authentication with a code and the PIN.
func (p *payer) prove(v payment.View, code string) (authn.View, error) {
	p.t.Helper()
	id := v.Authentication.Attempt.ID
	if _, err := p.answer(id, authn.PIN, banktest.PIN); err != nil {
		return authn.View{}, err
	}
	return p.answer(id, authn.OCRA, code)
}

func (p *payer) state(id string) payment.State {
	p.t.Helper()
	v, err := p.b.Payments.Get(p.t.Context(), p.b.Front(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return v.Transaction.State
}

func TestClause5_18_TheAmountDecidesTheProof(t *testing.T) {
	for _, v := range []struct {
		value, currency, decision string
		state                     payment.State
	}{
		{"0.01", "AZN", "approved", payment.Approved},
		{"50", "AZN", "approved", payment.Approved},
		{"50.00", "AZN", "approved", payment.Approved},
		{"50.01", "AZN", "step_up", payment.PendingProof},
		{"20000.00", "AZN", "step_up", payment.PendingProof},
		{"20000.01", "AZN", "held", payment.Held},
		{"1.00", "USD", "held", payment.Held},
	} {
		p := newPayer(t)
		cmd := p.command(v.value)
		cmd.Amount.Currency = v.currency
		got := p.pay(cmd)
		if got.Transaction.Decision != v.decision || got.Transaction.State != v.state {
			t.Errorf("%s %s: %s, %s", v.value, v.currency, got.Transaction.Decision, got.Transaction.State)
		}
		if (v.decision == "approved") != (got.Authorization != "") || (v.decision == "approved") != (got.Transaction.Exemption == "low_value") {
			t.Errorf("%s: authorization %q, exemption %q", v.value, got.Authorization, got.Transaction.Exemption)
		}
		if v.decision == "step_up" && (got.Authentication == nil || got.Authentication.Attempt.ACR != authn.Linked) {
			t.Errorf("%s asks for %+v", v.value, got.Authentication)
		}
	}
}

func TestClause5_18_AMissingSignalRaisesTheRisk(t *testing.T) {
	p := newPayer(t)
	cmd := p.command("20.00")
	full := p.pay(cmd)
	cmd = p.command("20.00")
	cmd.Signals = risk.Signals{}
	bare := p.pay(cmd)
	if bare.Transaction.Score <= full.Transaction.Score {
		t.Errorf("score %d without signals, %d with all", bare.Transaction.Score, full.Transaction.Score)
	}
}

func TestClause4_8_EveryFactIsAsked(t *testing.T) {
	p := newPayer(t)
	for name, spoil := range map[string]func(*payment.CreateCommand){
		"reference":     func(c *payment.CreateCommand) { c.Reference = "" },
		"channel":       func(c *payment.CreateCommand) { c.Channel = "" },
		"service":       func(c *payment.CreateCommand) { c.Service = "" },
		"amount":        func(c *payment.CreateCommand) { c.Amount.Value = "" },
		"purpose":       func(c *payment.CreateCommand) { c.Purpose = "" },
		"payer.name":    func(c *payment.CreateCommand) { c.Payer.Name = "" },
		"payer.account": func(c *payment.CreateCommand) { c.Payer.Account = "" },
		"payer.bank":    func(c *payment.CreateCommand) { c.Payer.Bank = "" },
		"payee.name":    func(c *payment.CreateCommand) { c.Payee.Name = "" },
		"payee.account": func(c *payment.CreateCommand) { c.Payee.Account = "" },
		"payee.bank":    func(c *payment.CreateCommand) { c.Payee.Bank = "" },
		"payee.country": func(c *payment.CreateCommand) { c.Payee.Country = "" },
	} {
		cmd := p.command("10.00")
		spoil(&cmd)
		_, err := p.b.Payments.Create(t.Context(), cmd)
		if !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), name+":") {
			t.Errorf("without %s: %v", name, err)
		}
	}
	for _, payee := range []string{"Ali\u202eyev", "Ali\nyev", "Ali\x00", "\u200bAli"} {
		cmd := p.command("10.00")
		cmd.Payee.Name = payee
		if _, err := p.b.Payments.Create(t.Context(), cmd); !problem.Is(err, problem.Invalid) {
			t.Errorf("payee %q: %v", payee, err)
		}
	}
}

// What the proof is bound to is what is stored and what is authorised.
func TestClause4_8_TheBoundTextIsTheRecord(t *testing.T) {
	p := newPayer(t)
	v := p.pay(p.command("1500.0"))
	sum := sha256.Sum256(v.Details.Linked)
	if string(sum[:]) != string(v.Transaction.SHA256) {
		t.Fatal("the stored hash is not that of the stored text")
	}
	var text map[string]any
	if err := json.Unmarshal(v.Details.Linked, &text); err != nil {
		t.Fatal(err)
	}
	if text["typ"] != "payment" || text["reference"] != v.Transaction.Reference || text["amount"].(map[string]any)["value"] != "1500.00" ||
		text["payee"].(map[string]any)["account"] != "AZ77VTBA00000000001234567890" {
		t.Fatalf("the text: %s", v.Details.Linked)
	}
	granted, err := p.prove(v, p.device.OCRA(question(t, v)))
	if err != nil {
		t.Fatal(err)
	}
	a := authorization(t, p, granted.Transaction.Authorization)
	if a.Amount != (payment.Money{Value: "1500.00", Currency: "AZN"}) || a.Payee.Account != "AZ77VTBA00000000001234567890" ||
		a.SHA256 != base64.RawURLEncoding.EncodeToString(sum[:]) || a.ACR != "linked" || a.Shown != "none" || a.Txn != v.Transaction.ID ||
		a.Expires-a.IssuedAt != 300 || a.Policy != 1 {
		t.Fatalf("authorization: %+v", a)
	}
	if p.state(v.Transaction.ID) != payment.Approved {
		t.Error("not approved")
	}
}

// authorization verifies the JWS as the core banking system does.
func authorization(t *testing.T, p *payer, text string) payment.Authorization {
	t.Helper()
	pub, err := p.b.HSM.Public(t.Context(), hsm.AuthorizationSigning)
	if err != nil {
		t.Fatal(err)
	}
	var a payment.Authorization
	if err := jws.Verify(text, payment.AuthorizationType, pub, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// Dynamic linking: an answer serves the one transaction it was computed for.
func TestAttack11_AnAnswerServesOnePayment(t *testing.T) {
	p := newPayer(t)
	first := p.pay(p.command("1500.00"))
	dearer := p.command("1500.01")
	other := p.command("1500.00")
	other.Payee.Account = "AZ77VTBA00000000009999999999"
	for name, cmd := range map[string]payment.CreateCommand{"another amount": dearer, "another payee": other} {
		v := p.pay(cmd)
		if _, err := p.prove(v, p.device.OCRA(question(t, first))); !problem.Is(err, problem.AuthenticationFailed) {
			t.Errorf("the answer to the first payment for %s: %v", name, err)
		}
		if p.state(v.Transaction.ID) != payment.PendingProof {
			t.Errorf("%s: %s", name, p.state(v.Transaction.ID))
		}
	}
	login, err := p.b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: p.b.Front(), Customer: p.customer.ID, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		t.Fatal(err)
	}
	asked := ""
	for _, o := range login.Attempt.Offers {
		if o.Method == authn.OCRA {
			asked = o.Question
		}
	}
	if _, err := p.prove(first, p.device.OCRA(asked)); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("a log-in's answer for a payment: %v", err)
	}
	p.answer(login.Attempt.ID, authn.PIN, banktest.PIN)
	if _, err := p.answer(login.Attempt.ID, authn.OCRA, p.device.OCRA(question(t, first))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("a payment's answer for a log-in: %v", err)
	}
	if _, err := p.prove(first, p.device.OCRA(question(t, first))); err != nil {
		t.Errorf("its own answer: %v", err)
	}
}

// Clause 2.1: a log-in never authorises a payment, and an OTP that is not bound
// to one is not accepted for it.
func TestClause2_1_ALoginNeverAuthorisesAPayment(t *testing.T) {
	p := newPayer(t)
	v := p.pay(p.command("100.00"))
	if v.Authorization != "" {
		t.Fatal("approved by the log-in alone")
	}
	p.answer(v.Authentication.Attempt.ID, authn.PIN, banktest.PIN)
	if _, err := p.answer(v.Authentication.Attempt.ID, authn.OTP, p.device.HOTP()); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("an unbound OTP for a payment: %v", err)
	}
	if p.b.Count("authentication.answered", "refused", "not-offered") != 1 {
		t.Error("the log does not tell of it")
	}
}

// Clause 2.1: a reference is never used again.
func TestClause2_1_AReferenceIsNeverReused(t *testing.T) {
	p := newPayer(t)
	cmd := p.command("30.00")
	first := p.pay(cmd)
	again := p.pay(cmd)
	if again.Transaction.ID != first.Transaction.ID || again.Authorization != first.Authorization {
		t.Error("the same request made another transaction")
	}
	rows, err := p.b.Store.Hot(t.Context(), "allowance/"+p.customer.ID)
	if err != nil || rows[0].Hot.Fails != 1 || rows[0].Hot.Counter != 30_00 {
		t.Errorf("it was counted as %+v, %v", rows, err)
	}
	cmd.Amount.Value = "30.01"
	if _, err := p.b.Payments.Create(t.Context(), cmd); !problem.Is(err, problem.Conflict) {
		t.Errorf("another body: %v", err)
	}
	cmd = p.command("30.00")
	var made atomic.Int64
	var ids sync.Map
	var work sync.WaitGroup
	for range 32 {
		work.Go(func() {
			v, err := p.b.Payments.Create(t.Context(), cmd)
			if err != nil {
				t.Error(err)
				return
			}
			if _, seen := ids.LoadOrStore(v.Transaction.ID, true); !seen {
				made.Add(1)
			}
		})
	}
	work.Wait()
	if made.Load() != 1 {
		t.Errorf("%d transactions of one reference", made.Load())
	}
	if err := p.b.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	p.b.Open()
	cmd.Payee.Name = "Somebody else"
	if _, err := p.b.Payments.Create(t.Context(), cmd); !problem.Is(err, problem.Conflict) {
		t.Errorf("after a restart: %v", err)
	}
}
