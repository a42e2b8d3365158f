package api_test

import (
	"strings"
	"testing"
	"time"

	"mohur/tokens/pskc"
)

// Clause 5.3.6: an auditor sees what was decided and why, and of the people in it no
// more than he needs: neither whole accounts nor names, purposes, challenge texts or
// what a device is asked; nor, while it is of use, the hash by which anybody gets
// the text.
func TestClause5_3_6_AnAuditorSeesNoAccounts(t *testing.T) {
	w := newWorld(t)
	front, auditor, helpdesk := w.as("frontend"), w.as("auditor"), w.as("helpdesk")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(front, c.ID, d).str("access_token")
	tx := w.ask(front, "POST", "/v1/transactions", payment("R-1", "1500.00", token)).is(201)
	at := "/v1/transactions/" + tx.str("id")
	sum, attempt := tx.str("linked.sha256"), tx.str("authentications.0.id")
	personal := []string{
		tx.str("payer.account"), tx.str("payee.account"), tx.str("payer.name"), tx.str("payee.name"), tx.str("purpose"), tx.str("authentications.0.methods.0.question"),
	}
	paths := []string{at, "/v1/transactions?customer=" + c.ID, "/v1/authentications/" + attempt}
	for _, path := range paths {
		a := w.ask(auditor, "GET", path, nil)
		a.is(200)
		told := string(a.body)
		for _, text := range append(personal, sum) {
			if text == "" || strings.Contains(told, text) {
				t.Errorf("%s tells an auditor %q", path, text)
			}
		}
	}
	account := []rune(tx.str("payee.account"))
	w.ask(auditor, "GET", at, nil).is(200).has(body{
		"payee.account": "…" + string(account[len(account)-4:]), "payee.name": "", "purpose": "", "linked.text": "", "amount.value": "1500.00", "payee.bank": tx.str("payee.bank"),
	})
	w.ask(helpdesk, "GET", at, nil).is(200).has(body{"payee.account": string(account), "payee.name": tx.str("payee.name"), "linked.sha256": sum})
	w.Clock.Forward(time.Hour)
	w.ask(auditor, "GET", at, nil).is(200).has(body{"linked.text": "", "linked.sha256": sum})
}
