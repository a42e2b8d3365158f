package payment

import (
	"time"

	"mohur/authn"
	"mohur/problem"
)

// LinkedText is what a customer would be asked to prove of a command, if it is accepted.
func LinkedText(cmd CreateCommand) ([]byte, error) {
	var c problem.Check
	cmd.check(&c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	minor, err := cmd.Amount.Minor()
	if err != nil {
		return nil, err
	}
	d := Details{Purpose: cmd.Purpose, Holder: cmd.Holder, Series: cmd.Series, Payer: cmd.Payer, Payee: cmd.Payee, Batch: plain(cmd.Batch)}
	said, err := facts(Transaction{Reference: cmd.Reference, Minor: minor, Currency: cmd.Amount.Currency}, d)
	if err != nil {
		return nil, err
	}
	challenge, err := authn.NewChallenge(d.typ(), "https://bank.test", "C-1", time.Unix(2e9, 0), said)
	return challenge.Text, err
}
