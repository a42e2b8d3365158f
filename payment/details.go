package payment

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"mohur/canonical"
	"mohur/compromised"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
)

// Party is one side of a payment: who, which account, at which bank.
type Party struct {
	Name    string `json:"name"`
	Account string `json:"account"`
	Bank    string `json:"bank"`
	Country string `json:"country,omitempty"`
}

// Details are the facts clause 4.8 asks for that name people or accounts, and
// the linked text over all of them. They lie sealed.
type Details struct {
	Purpose string `json:"purpose"`
	Holder  string `json:"holder,omitempty"`
	Series  string `json:"series,omitempty"`
	Payer   Party  `json:"payer"`
	Payee   Party  `json:"payee"`
	Batch   []Line `json:"batch,omitempty"`  // in place of Payee
	Linked  []byte `json:"linked,omitempty"` // canonical text of the last proof asked for

	Basis []byte            `json:"basis,omitempty"` // what its decision rested on: Decision.Encode
	Texts map[string][]byte `json:"texts,omitempty"` // of a holder's payment: the last one of each signer

	Around   []compromised.Item `json:"around,omitempty"`   // device, address and country it was begun from, while it waits for a proof
	Released []string           `json:"released,omitempty"` // the codes of its reasons when security released it
}

// checkDetails collects what clause 4.8 finds missing.
func (cmd CreateCommand) check(c *problem.Check) {
	c.Unless(parties.ValidName(cmd.Reference), "reference", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	c.Unless(cmd.Service == "transactional" || cmd.Service == "information", "service", "needs to be information or transactional")
	text(c, "purpose", cmd.Purpose, 200, true)
	text(c, "holder", cmd.Holder, 64, false)
	text(c, "series", cmd.Series, 64, false)
	cmd.Payer.check(c, "payer", false)
	_, err := cmd.Amount.Minor()
	if err != nil {
		c.Unless(false, "amount", err.Error())
	}
	if cmd.Batch != nil {
		cmd.checkBatch(c)
		return
	}
	cmd.Payee.check(c, "payee", true)
}

// check collects what is wrong with one side of a payment; of a payee the country is
// needed.
func (p Party) check(c *problem.Check, field string, country bool) {
	text(c, field+".name", p.Name, 140, true)
	account(c, field+".account", p.Account)
	text(c, field+".bank", p.Bank, 70, true)
	text(c, field+".country", p.Country, 2, country)
}

// blanks are characters that count as printable and show nothing.
const blanks = "\u115f\u1160\u2800\u3164\uffa0"

// text checks one member: there, short enough, and of characters a person can
// see. Control and direction characters could show one payee and bind another.
func text(c *problem.Check, field, value string, most int, needed bool) {
	if value == "" {
		c.Unless(!needed, field, "is needed (clause 4.8)")
		return
	}
	c.Unless(utf8.RuneCountInString(value) <= most, field, "is too long")
	for _, r := range value {
		if r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(blanks, r) {
			c.Unless(false, field, "has a character that cannot be shown")
			return
		}
	}
}

// account checks an account: two that look alike to a person are never two accounts to
// what is remembered and listed of them.
func account(c *problem.Check, field, value string) {
	switch {
	case value == "":
		c.Unless(false, field, "is needed (clause 4.8)")
	case len(value) > 34:
		c.Unless(false, field, "is too long")
	default:
		c.Unless(parties.ValidAccount(value), field, parties.AccountForm)
	}
}

// facts are what the linked text says beside its fixed members.
func facts(t Transaction, d Details) (map[string]any, error) {
	m := map[string]any{
		"reference": t.Reference, "amount": FromMinor(t.Minor, t.Currency), "payer": d.Payer, "purpose": d.Purpose,
	}
	if len(d.Batch) == 0 {
		m["payee"] = d.Payee
	} else {
		list, err := batchFacts(d.Batch)
		if err != nil {
			return nil, err
		}
		maps.Copy(m, list)
	}
	if d.Holder != "" {
		m["holder"] = d.Holder
	}
	if d.Series != "" {
		m["series"] = d.Series
	}
	return m, nil
}

// bodyMAC tells the same request from another one with the same reference. It
// leaves out what may differ between two sends of one payment.
func (s *Service) bodyMAC(ctx context.Context, cmd CreateCommand, minor int64) ([]byte, error) {
	said := map[string]any{
		"reference": cmd.Reference, "channel": cmd.Channel, "service": cmd.Service, "amount": FromMinor(minor, cmd.Amount.Currency),
		"purpose": cmd.Purpose, "holder": cmd.Holder, "payer": cmd.Payer, "payee": cmd.Payee,
	}
	if cmd.Series != "" {
		said["series"] = cmd.Series
	}
	if len(cmd.Batch) > 0 {
		list, err := ListText(plain(cmd.Batch))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(list)
		said["batch"] = sum[:]
	}
	text, err := canonical.JSON(said)
	if err != nil {
		return nil, err
	}
	return s.HSM.MAC(ctx, hsm.IdempotencyMAC, "transaction-body/v1", text)
}

// seal stores the details with the transaction.
func (s *Service) seal(ctx context.Context, t *Transaction, c parties.Customer, d Details) error {
	plain, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if t.Sealed, err = s.Keys.Seal(ctx, c.Key, DetailsPlace(t.ID), plain); err != nil {
		return problem.Away(err)
	}
	return nil
}

// details opens them.
func (s *Service) details(ctx context.Context, t Transaction, c parties.Customer) (Details, error) {
	var d Details
	plain, err := s.Keys.Open(ctx, c.Key, DetailsPlace(t.ID), t.Sealed)
	if err != nil {
		return d, problem.Away(err)
	}
	if err := json.Unmarshal(plain, &d); err != nil {
		return d, problem.Away(err)
	}
	return d, nil
}
