package payment

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"mohur/canonical"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
)

// Line is one payment of a batch: a file of payments that one proof confirms (RTS
// Art. 5(3)(b)).
type Line struct {
	Reference string `json:"reference,omitempty"` // of the bank or the payer, unique in the batch
	Amount    Money  `json:"amount"`              // in the currency of the batch, in the form of FromMinor
	Purpose   string `json:"purpose,omitempty"`
	Payee     Party  `json:"payee"`
}

// Batch is how an authorization names the payments it orders: how many, and the hash
// of their list.
type Batch struct {
	Count  int    `json:"count"`
	SHA256 string `json:"sha256"` // base64url of the SHA-256 of ListText
}

// MaxLines is how many payments a batch may have.
const MaxLines = 10_000

// A list that a person can still look through stands in the linked text itself; of a
// longer one its hash does. The card agent takes no text over 64 KB.
const (
	maxShown     = 50
	maxShownText = 32 << 10
)

// ListText is the canonical form (RFC 8785) of the lines of a batch, in their order.
// Its SHA-256 is what a linked text and an authorization say of a long one.
func ListText(lines []Line) ([]byte, error) { return canonical.JSON(lines) }

// listed reports whether the linked text says the lines themselves.
func listed(lines []Line, text []byte) bool {
	return len(lines) <= maxShown && len(text) <= maxShownText
}

// batchFacts are what the linked text of a batch says in place of a payee.
func batchFacts(lines []Line) (map[string]any, error) {
	text, err := ListText(lines)
	if err != nil {
		return nil, err
	}
	if listed(lines, text) {
		return map[string]any{"count": len(lines), "batch": lines}, nil
	}
	sum := sha256.Sum256(text)
	return map[string]any{"count": len(lines), "batch_sha256": hex.EncodeToString(sum[:])}, nil
}

// typ is the type of the linked text.
func (d Details) typ() string {
	if len(d.Batch) > 0 {
		return "batch"
	}
	return "payment"
}

// Part is what one payee gets of a payment.
type Part struct {
	Payee Party
	Minor int64 // in minor units of the payment's currency
}

// Parts are the payees of a command that was checked, with what each gets, in their
// order. Of a single payment there is one.
func (cmd CreateCommand) Parts() []Part {
	if len(cmd.Batch) == 0 {
		minor, _ := cmd.Amount.Minor()
		return []Part{{cmd.Payee, minor}}
	}
	return partsOf(cmd.Batch)
}

// partsOf returns the payees of lines that were checked.
func partsOf(lines []Line) []Part {
	all := make([]Part, len(lines))
	for i, l := range lines {
		minor, _ := l.Amount.Minor()
		all[i] = Part{l.Payee, minor}
	}
	return all
}

// checkBatch collects what is wrong with the lines of a batch.
func (cmd CreateCommand) checkBatch(c *problem.Check) {
	c.Unless(cmd.Series == "", "series", "goes with a single payment")
	c.Unless(cmd.Payee == Party{}, "payee", "goes with a single payment; each line of batch has its own")
	if n := len(cmd.Batch); n == 0 || n > MaxLines {
		c.Unless(false, "batch", fmt.Sprintf("needs 1 to %d payments", MaxLines))
		return
	}
	references := map[string]int{}
	sum, wrong := int64(0), 0
	for i, l := range cmd.Batch {
		var line problem.Check
		at := "batch[" + strconv.Itoa(i) + "]."
		if first, again := references[l.Reference]; again && l.Reference != "" {
			line.Unless(false, at+"reference", fmt.Sprintf("is that of batch[%d]; each needs its own, or none", first))
		}
		references[l.Reference] = i
		sum += l.check(&line, at, cmd.Amount.Currency) // of ten thousand amounts, each below maxMinor
		var faults *problem.Error
		if !errors.As(line.Err(), &faults) {
			continue
		}
		for _, f := range faults.Fields {
			c.Unless(false, f.Field, f.Message)
		}
		if wrong++; wrong == maxWrong {
			return
		}
	}
	total, err := cmd.Amount.Minor()
	if wrong == 0 && err == nil && sum != total {
		c.Unless(false, "amount", "needs to be the sum of the lines: it says "+FromMinor(total, cmd.Amount.Currency).Value+
			", they come to "+FromMinor(sum, cmd.Amount.Currency).Value)
	}
}

// maxWrong is of how many lines it is told what is wrong with them.
const maxWrong = 20

// check collects what is wrong with one line, and returns its amount.
func (l Line) check(c *problem.Check, at, currency string) int64 {
	c.Unless(l.Reference == "" || parties.ValidName(l.Reference), at+"reference", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	text(c, at+"purpose", l.Purpose, 200, false)
	l.Payee.check(c, at+"payee", true)
	minor, err := l.Amount.Minor()
	if err != nil {
		c.Unless(false, at+"amount", err.Error())
		return 0
	}
	c.Unless(l.Amount.Currency == currency, at+"amount", "needs to be in the currency of amount: a batch has one")
	return minor
}

// plain are the lines with their amounts in the one form they have.
func plain(lines []Line) []Line {
	if len(lines) == 0 {
		return nil
	}
	out := make([]Line, len(lines))
	for i, l := range lines {
		minor, _ := l.Amount.Minor() // it was checked
		l.Amount = FromMinor(minor, l.Amount.Currency)
		out[i] = l
	}
	return out
}

// many says of a payment to how many it goes and whether it is a company's, also where
// nothing else could be found out.
func (x *draft) many(in *risk.Payment, cmd CreateCommand, h parties.Holder) {
	if in.Facts == nil {
		in.Facts = risk.Facts{}
	}
	in.Facts["company"], in.Facts["payees"] = h.ID != "", int64(len(cmd.Parts()))
}

// named is how an authorization and the log name a batch, nil where there is none.
func (d Details) named() (*Batch, error) {
	if len(d.Batch) == 0 {
		return nil, nil
	}
	text, err := ListText(d.Batch)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return &Batch{Count: len(d.Batch), SHA256: base64.RawURLEncoding.EncodeToString(sum[:])}, nil
}

// digest reports whether the linked text has the hash of the list in place of the list.
func (d Details) digest() bool {
	text, err := ListText(d.Batch)
	return len(d.Batch) > 0 && (err != nil || !listed(d.Batch, text))
}

// telling is what the log is told of a transaction beside what is told of each.
func (x *draft) telling() (map[string]any, error) {
	more := map[string]any{}
	maps.Copy(more, x.inputs)
	batch, err := x.d.named()
	if err != nil {
		return nil, err
	}
	if batch != nil {
		more["batch"] = batch
	}
	if x.t.Holder == "" {
		return more, nil
	}
	signed := []string{}
	for _, s := range x.t.Signatures {
		signed = append(signed, s.Customer)
	}
	more["holder"], more["required"], more["signed"] = x.t.Holder, x.t.Required, signed
	return more, nil
}
