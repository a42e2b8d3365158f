package payment_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"mohur/canonical"
	"mohur/payment"
	"mohur/problem"
)

func entry(value, name, account string) payment.Line {
	return payment.Line{Amount: payment.Money{Value: value, Currency: "AZN"}, Payee: payment.Party{Name: name, Account: account, Bank: "Bank B", Country: "AZ"}}
}

// batch is a file of three payments, 1,500.00 in sum.
func (p *payer) batch() payment.CreateCommand {
	cmd := p.command("1500.00")
	cmd.Payee = payment.Party{}
	cmd.Purpose = "salaries"
	cmd.Batch = []payment.Line{
		entry("1000.00", "Rəşad Əliyev", "AZ77VTBA00000000001234567890"),
		entry("499.5", "Nigar Quliyeva", "AZ54VTBA00000000001234567891"),
		entry("0.50", "Elçin Hüseynov", "AZ31VTBA00000000001234567892"),
	}
	cmd.Batch[1].Reference, cmd.Batch[1].Purpose = "L-2", "bonus"
	return cmd
}

func said(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// RTS Art. 5(3)(b): the proof is of the total and of every payee, in their order, and
// the authorization names them by the hash of their list.
func TestClause5_18_ABatchIsProvenWhole(t *testing.T) {
	p := newPayer(t)
	cmd := p.batch()
	v := p.pay(cmd)
	if v.Transaction.State != payment.PendingProof || len(v.Details.Batch) != 3 || v.Details.Batch[1].Amount.Value != "499.50" {
		t.Fatalf("%+v, %+v", v.Transaction, v.Details)
	}
	text := said(t, v.Details.Linked)
	lines, err := canonical.JSON(text["batch"])
	if err != nil {
		t.Fatal(err)
	}
	list, err := payment.ListText(v.Details.Batch)
	if err != nil || !bytes.Equal(lines, list) {
		t.Errorf("the text lists %s, the record %s, %v", lines, list, err)
	}
	if text["typ"] != "batch" || text["count"] != 3.0 || text["payee"] != nil || text["amount"].(map[string]any)["value"] != "1500.00" || text["purpose"] != "salaries" {
		t.Errorf("the text: %s", v.Details.Linked)
	}
	granted, err := p.prove(v, p.device.OCRA(question(t, v)))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(list)
	a := authorization(t, p, granted.Transaction.Authorization)
	want := payment.Batch{Count: 3, SHA256: base64.RawURLEncoding.EncodeToString(sum[:])}
	if a.Batch == nil || *a.Batch != want || a.Payee != (payment.Party{}) || a.Amount.Value != "1500.00" {
		t.Errorf("authorization: %+v", a)
	}
	again := p.pay(cmd) // 499.5 is 499.50
	if again.Transaction.ID != v.Transaction.ID {
		t.Error("the same batch is another transaction")
	}
}

// A batch that was reordered, added to, or changed in any member has another text: the
// answer to the one before never proves it, and its reference is taken.
func TestAttack11_AProofServesOneBatch(t *testing.T) {
	for name, change := range map[string]func(*payment.CreateCommand){
		"reordered":         func(c *payment.CreateCommand) { c.Batch[0], c.Batch[2] = c.Batch[2], c.Batch[0] },
		"a payee replaced":  func(c *payment.CreateCommand) { c.Batch[1].Payee.Account = "AZ21NABZ00000000137010001944" },
		"a look-alike name": func(c *payment.CreateCommand) { c.Batch[1].Payee.Name = "Nіgar Quliyeva" },
		"another bank":      func(c *payment.CreateCommand) { c.Batch[2].Payee.Bank = "Bank C" },
		"another country":   func(c *payment.CreateCommand) { c.Batch[2].Payee.Country = "GE" },
		"amounts moved": func(c *payment.CreateCommand) {
			c.Batch[0].Amount.Value, c.Batch[1].Amount.Value = "999.00", "500.50"
		},
		"a line added": func(c *payment.CreateCommand) {
			c.Batch = append(c.Batch, entry("1.00", "Mallory", "AZ77VTBA00000000009999999999"))
			c.Amount.Value = "1501.00"
		},
		"a line left out": func(c *payment.CreateCommand) { c.Batch, c.Amount.Value = c.Batch[:2], "1499.50" },
		"a line split": func(c *payment.CreateCommand) {
			c.Batch[0].Amount.Value = "400.00"
			c.Batch = append(c.Batch, entry("600.00", "Rəşad Əliyev", "AZ77VTBA00000000001234567890"))
		},
		"a line's purpose":   func(c *payment.CreateCommand) { c.Batch[1].Purpose = "bonus " },
		"a line's reference": func(c *payment.CreateCommand) { c.Batch[1].Reference = "L-3" },
		"the batch's own":    func(c *payment.CreateCommand) { c.Purpose = "salary" },
		"a single payment": func(c *payment.CreateCommand) {
			c.Payee, c.Batch = c.Batch[0].Payee, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t)
			cmd := p.batch()
			first := p.pay(cmd)
			other := cmd
			other.Batch = slices.Clone(cmd.Batch)
			change(&other)
			if _, err := p.b.Payments.Create(t.Context(), other); !problem.Is(err, problem.Conflict) {
				t.Errorf("the same reference: %v", err)
			}
			other.Reference += "x"
			second := p.pay(other)
			if bytes.Equal(first.Transaction.SHA256, second.Transaction.SHA256) {
				t.Fatal("the text is the same")
			}
			// Beside nonce, time and reference, something of the text differs.
			a, b := said(t, first.Details.Linked), said(t, second.Details.Linked)
			for _, m := range []map[string]any{a, b} {
				delete(m, "nonce")
				delete(m, "exp")
				delete(m, "reference")
			}
			if maps.EqualFunc(a, b, func(x, y any) bool { return fmt.Sprint(x) == fmt.Sprint(y) }) {
				t.Errorf("the text does not tell them apart: %v", a)
			}
			if _, err := p.prove(second, p.device.OCRA(question(t, first))); !problem.Is(err, problem.AuthenticationFailed) {
				t.Errorf("the answer to the first: %v", err)
			}
			if p.state(second.Transaction.ID) != payment.PendingProof {
				t.Errorf("it is %s", p.state(second.Transaction.ID))
			}
		})
	}
}

// A list that nobody looks through in a dialog is bound by its hash: every change in it
// is one of the text, and a proof of it has not shown the payees.
func TestAttack11_ALongBatchIsBoundByItsHash(t *testing.T) {
	p := newPayer(t)
	cmd := p.batch()
	cmd.Batch = nil
	for i := range 51 {
		cmd.Batch = append(cmd.Batch, entry("2.00", fmt.Sprint("Payee ", i), fmt.Sprintf("AZ77VTBA0000000000%010d", i)))
	}
	cmd.Amount.Value = "102.00"
	v := p.pay(cmd)
	text := said(t, v.Details.Linked)
	list, err := payment.ListText(v.Details.Batch)
	if err != nil {
		t.Fatal(err)
	}
	if text["batch"] != nil || text["count"] != 51.0 || text["batch_sha256"] != fmt.Sprintf("%x", sha256.Sum256(list)) {
		t.Fatalf("the text: %s", v.Details.Linked)
	}
	if !v.Authentication.Attempt.Digest {
		t.Error("the attempt does not know that its text hides the payees")
	}
	other := cmd
	other.Reference, other.Batch = cmd.Reference+"x", slices.Clone(cmd.Batch)
	slices.Reverse(other.Batch)
	w := p.pay(other)
	if said(t, w.Details.Linked)["batch_sha256"] == text["batch_sha256"] {
		t.Error("reversed, it has the same hash")
	}
	granted, err := p.prove(v, p.device.OCRA(question(t, v)))
	if err != nil || granted.Transaction.State != string(payment.Approved) || granted.Attempt.Shown != "none" {
		t.Fatalf("%+v, %v", granted.Transaction, err)
	}
	short := p.pay(p.batch())
	if short.Authentication.Attempt.Digest {
		t.Error("three payees are not shown")
	}
}

// Clause 4.8 for each line; the total is the sum, in one currency.
func TestClause4_8_EveryLineOfABatchIsAsked(t *testing.T) {
	p := newPayer(t)
	for name, c := range map[string]struct {
		spoil func(*payment.CreateCommand)
		field string
		says  string
	}{
		"payee and batch":   {func(c *payment.CreateCommand) { c.Payee = c.Batch[0].Payee }, "payee", "batch"},
		"no lines":          {func(c *payment.CreateCommand) { c.Batch = []payment.Line{} }, "batch", "1 to 10000"},
		"too many":          {func(c *payment.CreateCommand) { c.Batch = make([]payment.Line, 10_001) }, "batch", "1 to 10000"},
		"another total":     {func(c *payment.CreateCommand) { c.Amount.Value = "1500.01" }, "amount", "1500.01, they come to 1500.00"},
		"another currency":  {func(c *payment.CreateCommand) { c.Batch[2].Amount.Currency = "USD" }, "batch[2].amount", "currency"},
		"no amount":         {func(c *payment.CreateCommand) { c.Batch[0].Amount.Value = "" }, "batch[0].amount", "decimal"},
		"nothing":           {func(c *payment.CreateCommand) { c.Batch[0].Amount.Value = "0.00" }, "batch[0].amount", "more than zero"},
		"no name":           {func(c *payment.CreateCommand) { c.Batch[1].Payee.Name = "" }, "batch[1].payee.name", "needed"},
		"no account":        {func(c *payment.CreateCommand) { c.Batch[1].Payee.Account = "" }, "batch[1].payee.account", "needed"},
		"no bank":           {func(c *payment.CreateCommand) { c.Batch[1].Payee.Bank = "" }, "batch[1].payee.bank", "needed"},
		"no country":        {func(c *payment.CreateCommand) { c.Batch[1].Payee.Country = "" }, "batch[1].payee.country", "needed"},
		"turned round":      {func(c *payment.CreateCommand) { c.Batch[1].Payee.Name = "Ali\u202eyev" }, "batch[1].payee.name", "shown"},
		"a hidden purpose":  {func(c *payment.CreateCommand) { c.Batch[1].Purpose = "x\u200b" }, "batch[1].purpose", "shown"},
		"a reference twice": {func(c *payment.CreateCommand) { c.Batch[0].Reference = "L-2" }, "batch[1].reference", "batch[0]"},
		"a bad reference":   {func(c *payment.CreateCommand) { c.Batch[0].Reference = "a b" }, "batch[0].reference", "A-Z"},
		"a series":          {func(c *payment.CreateCommand) { c.Series = "S-1" }, "series", "single"},
		"payer's country":   {func(c *payment.CreateCommand) { c.Payer.Country = "A\u202eZ" }, "payer.country", ""},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := p.batch()
			c.spoil(&cmd)
			_, err := p.b.Payments.Create(t.Context(), cmd)
			if !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), c.field+":") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
	bad := p.batch()
	bad.Batch = make([]payment.Line, 500)
	_, err := p.b.Payments.Create(t.Context(), bad)
	if n := strings.Count(fmt.Sprint(err), "].amount"); n != 20 {
		t.Errorf("it is told what is wrong with %d lines", n)
	}
}

// No exemption is for a batch, however small, and no device on which one payee is typed
// can prove it.
func TestClause5_18_ABatchIsNeverExempt(t *testing.T) {
	p := newPayer(t)
	cmd := p.batch()
	cmd.Amount.Value, cmd.Batch = "2.00", []payment.Line{entry("1.00", "A", "AZ77VTBA00000000001234567890"), entry("1.00", "B", "AZ54VTBA00000000001234567891")}
	v := p.pay(cmd)
	if v.Transaction.State != payment.PendingProof || v.Transaction.Exemption != "" || v.Authorization != "" {
		t.Fatalf("%+v", v.Transaction)
	}
	k := keypad(t, "OCRA-1:HOTP-SHA256-8:C-QN20")
	if single := k.pay(k.command("1500.00")); len(single.Authentication.Attempt.Offers) == 0 {
		t.Fatal("the device proves no single payment either")
	}
	b := k.pay(k.batch())
	if len(b.Authentication.Attempt.Ways) != 0 || !slices.Contains(b.Transaction.Reasons, "no-suitable-credential") {
		t.Errorf("a device for typing is offered: %+v", b.Authentication.Attempt.Offers)
	}
}

// The texts of clause 5.18 are the server's: the same batch in other letters of JSON has
// the same canonical list.
func TestTheListHasOneForm(t *testing.T) {
	lines := []payment.Line{entry("1.00", "A", "1"), entry("2.00", "B", "2")}
	list, err := payment.ListText(lines)
	if err != nil {
		t.Fatal(err)
	}
	reordered := `[{"payee":{"country":"AZ","bank":"Bank B","account":"1","name":"A"},"amount":{"value":"1.00","currency":"AZN"}},` +
		`{"payee":{"bank":"Bank B","name":"\u0042","account":"2","country":"AZ"},"amount":{"currency":"AZN","value":"2.00"}}]`
	same, err := canonical.Bytes([]byte(reordered))
	if err != nil || !bytes.Equal(same, list) {
		t.Errorf("%s is not %s, %v", same, list, err)
	}
}
