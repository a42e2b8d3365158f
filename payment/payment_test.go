package payment_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	if used, _ := p.b.Store.Reserved(t.Context(), "low-value/count/"+p.customer.ID, time.Now()); used != 1 {
		t.Errorf("it was counted %d times", used)
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
	if err := p.b.Store.Close(); err != nil {
		t.Fatal(err)
	}
	p.b.Open()
	cmd.Payee.Name = "Somebody else"
	if _, err := p.b.Payments.Create(t.Context(), cmd); !problem.Is(err, problem.Conflict) {
		t.Errorf("after a restart: %v", err)
	}
}

// RTS Art. 16: at most five exempt payments, and 150 AZN, since the last proof;
// parallel ones never share a place.
func TestClause5_18_TheExemptionIsCounted(t *testing.T) {
	p := newPayer(t)
	var exempt, asked atomic.Int64
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			v, err := p.b.Payments.Create(t.Context(), p.command("10.00"))
			switch {
			case err != nil:
				t.Error(err)
			case v.Transaction.Exemption != "":
				exempt.Add(1)
			default:
				asked.Add(1)
			}
		})
	}
	work.Wait()
	if exempt.Load() != 5 {
		t.Fatalf("%d exempt, %d asked", exempt.Load(), asked.Load())
	}
	v := p.pay(p.command("60.00"))
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"50.00", "50.00", "50.00"} {
		if v := p.pay(p.command(value)); v.Transaction.Exemption == "" {
			t.Fatalf("after a proof the count starts again: %+v", v.Transaction)
		}
	}
	if v := p.pay(p.command("0.01")); v.Transaction.Exemption != "" {
		t.Fatal("beyond 150 AZN in sum")
	}
}

// Clause 5.26: no proof approves what is held, and a release only asks again.
func TestClause5_26_NothingApprovesAHeldPayment(t *testing.T) {
	p := newPayer(t)
	open := p.pay(p.command("19000.00"))
	held := p.pay(p.command("25000.00"))
	if held.Authentication != nil || held.Transaction.State != payment.Held {
		t.Fatalf("held: %+v", held)
	}
	if _, err := p.b.Payments.Ask(t.Context(), p.b.Front(), held.Transaction.ID, "x"); err == nil {
		t.Fatal("a held payment asked for a proof")
	}
	if p.b.Count("transaction.created", "held", "held") != 1 {
		t.Error("no evidence")
	}
	notices, err := p.b.Store.Notices(t.Context(), 100)
	if err != nil || len(notices) == 0 || notices[len(notices)-1].Kind != "payment-held" {
		t.Errorf("the customer was not told: %v", err)
	}
	staff := p.b.Staff()
	released, err := p.b.Payments.Release(t.Context(), staff, held.Transaction.ID, "checked by phone")
	if err != nil || released.Transaction.State != payment.PendingProof || released.Authorization != "" {
		t.Fatalf("released: %+v, %v", released.Transaction, err)
	}
	if _, err := p.b.Payments.Cancel(t.Context(), p.b.Front(), open.Transaction.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := p.prove(open, p.device.OCRA(question(t, open))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("a proof for a cancelled payment: %v", err)
	}
}

// Clause 5.32: payments racing for one limit never pass it together.
func TestClause5_32_TheDaysLimitHoldsInARace(t *testing.T) {
	p := newPayer(t)
	p.b.Payments.Policy.DailyPerCustomer = 100_00
	p.b.Payments.Policy.LowValueInRow, p.b.Payments.Policy.LowValueSum = 1000, 100000_00
	var sum atomic.Int64
	var work sync.WaitGroup
	for range 40 {
		work.Go(func() {
			v, err := p.b.Payments.Create(t.Context(), p.command("7.00"))
			if err != nil {
				t.Error(err)
			} else if v.Transaction.State == payment.Approved {
				sum.Add(7_00)
			}
		})
	}
	work.Wait()
	if sum.Load() != 98_00 {
		t.Fatalf("%d qəpik approved under a limit of 10000", sum.Load())
	}
	v := p.pay(p.command("60.00"))
	got, err := p.prove(v, p.device.OCRA(question(t, v)))
	if err != nil || got.Transaction.State != string(payment.Rejected) || got.Transaction.Authorization != "" {
		t.Fatalf("proven beyond the limit: %+v, %v", got.Transaction, err)
	}
}

// The core reports an execution once; what failed gives the limit back.
func TestTheCoreReportsOnce(t *testing.T) {
	p := newPayer(t)
	core := parties.Caller{ID: "cl_core", Roles: []parties.Role{parties.Core}, Channels: parties.Channels()}
	v := p.pay(p.command("20.00"))
	jti := authorization(t, p, v.Authorization).ID
	if _, err := p.b.Payments.Report(t.Context(), core, v.Transaction.ID, "au_other", payment.Executed, ""); !problem.Is(err, problem.Conflict) {
		t.Errorf("another authorization: %v", err)
	}
	if _, err := p.b.Payments.Report(t.Context(), core, v.Transaction.ID, jti, payment.Executed, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := p.b.Payments.Report(t.Context(), core, v.Transaction.ID, jti, payment.Executed, ""); !problem.Is(err, problem.Conflict) {
		t.Errorf("a second execution: %v", err)
	}
	failed := p.pay(p.command("20.00"))
	if failed.DailyUsed != 40_00 {
		t.Fatalf("used %d", failed.DailyUsed)
	}
	back, err := p.b.Payments.Report(t.Context(), core, failed.Transaction.ID, authorization(t, p, failed.Authorization).ID, payment.Failed, "no funds")
	if err != nil || back.DailyUsed != 20_00 {
		t.Fatalf("after the failure %d used, %v", back.DailyUsed, err)
	}
}

// A payment needs a live session, and its proof one that has not been ended.
func TestAttack06_ADeadSessionPaysNothing(t *testing.T) {
	p := newPayer(t)
	v := p.pay(p.command("500.00"))
	if err := p.b.Authn.End(t.Context(), p.b.Front(), p.session, "logout"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("a proof after the log-out: %v", err)
	}
	if _, err := p.b.Payments.Create(t.Context(), p.command("10.00")); !problem.Is(err, problem.SessionEnded) {
		t.Errorf("a payment after the log-out: %v", err)
	}
	p.login()
	p.b.Clock.Forward(5*time.Minute + time.Second)
	if _, err := p.b.Payments.Create(t.Context(), p.command("10.00")); !problem.Is(err, problem.SessionEnded) {
		t.Errorf("a payment from an idle session: %v", err)
	}
}

// Two open transactions of one customer never ask the same question.
func TestQuestionsOfOpenPaymentsDiffer(t *testing.T) {
	p := newPayer(t)
	seen := map[string]bool{}
	for range 20 {
		q := question(t, p.pay(p.command("1500.00")))
		if seen[q] {
			t.Fatalf("question %s twice", q)
		}
		seen[q] = true
	}
}

func TestMoney(t *testing.T) {
	for text, want := range map[string]int64{"10": 1000, "10.0": 1000, "10.00": 1000, "0.01": 1, "1500.5": 150050} {
		got, err := payment.Money{Value: text, Currency: "AZN"}.Minor()
		if err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, m := range []payment.Money{
		{"", "AZN"}, {"0", "AZN"}, {"0.00", "AZN"}, {"-1", "AZN"}, {"+1", "AZN"}, {"1.", "AZN"}, {".5", "AZN"}, {"1.001", "AZN"}, {"01", "AZN"}, {"1e3", "AZN"},
		{"1,5", "AZN"}, {" 1", "AZN"}, {"१", "AZN"}, {"1", "azn"}, {"1", "XXX"}, {"1.0", "JPY"}, {"99999999999999", "AZN"}, {"123456789012345", "AZN"},
	} {
		if n, err := m.Minor(); err == nil {
			t.Errorf("%v was taken for %d", m, n)
		}
	}
	if got := payment.FromMinor(5, "AZN"); got.Value != "0.05" {
		t.Errorf("5 qəpik: %v", got)
	}
}

func FuzzMoney(f *testing.F) {
	for _, s := range []string{"10.00", "0.01", "1", "00", "1.5"} {
		f.Add(s, "AZN")
	}
	f.Fuzz(func(t *testing.T, value, currency string) {
		n, err := payment.Money{Value: value, Currency: currency}.Minor()
		if err != nil {
			return
		}
		again, err := payment.FromMinor(n, currency).Minor()
		if err != nil || again != n || n <= 0 {
			t.Fatalf("%q %q: %d, then %d, %v", value, currency, n, again, err)
		}
	})
}
