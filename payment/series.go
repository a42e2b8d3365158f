package payment

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"time"

	"mohur/canonical"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
)

// Series is payments of one amount to one payee that come again and again (RTS Art.
// 14). The first is proven; what differs in anything is proven too, and is what the
// next are compared with.
type Series struct {
	ID          string    `json:"id"` // MAC of customer and name
	Customer    string    `json:"customer"`
	Sum         []byte    `json:"sum"`         // MAC over payer's account, payee, amount and currency
	Transaction string    `json:"transaction"` // the one that was proven
	At          time.Time `json:"at"`
	Version     uint64    `json:"version"`
	MAC         []byte    `json:"mac,omitempty"`
}

// seriesID is the id of a customer's series: its name is his own words, and stands
// nowhere but in what is sealed.
func (s *Service) seriesID(ctx context.Context, customer, name string) (string, error) {
	sum, err := s.HSM.MAC(ctx, hsm.IdempotencyMAC, "series-name/v1", []byte(customer), []byte(name))
	if err != nil {
		return "", problem.Away(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum[:16]), nil
}

// SeriesLife is how long a series stands after the last payment of it that was proven.
const SeriesLife = 400 * 24 * time.Hour

// SaveSeries writes the series if the stored one has the version before it.
type SaveSeries struct{ Series Series }

// EffectKey names the record.
func (s SaveSeries) EffectKey() string { return "series/" + s.Series.ID }

// RequireSeries changes nothing and is stale unless the series still has that version.
type RequireSeries struct {
	ID      string
	Version uint64
}

// EffectKey names the record.
func (r RequireSeries) EffectKey() string { return "series/" + r.ID }

// seriesSum is what two payments of a series have in common.
func (s *Service) seriesSum(ctx context.Context, id string, minor int64, currency string, payer, payee Party) ([]byte, error) {
	text, err := canonical.JSON(map[string]any{
		"series": id, "amount": FromMinor(minor, currency), "payer": parties.PlainAccount(payer.Account), "payee": payee,
	})
	if err != nil {
		return nil, err
	}
	sum, err := s.HSM.MAC(ctx, hsm.IdempotencyMAC, "series/v1", text)
	if err != nil {
		return nil, problem.Away(err)
	}
	return sum, nil
}

// recurs reports whether a payment is the next of a series; ok is false when nobody
// knows.
func (x *draft) recurs(cmd CreateCommand, minor int64) (is, ok bool, err error) {
	if cmd.Series == "" || cmd.Holder != "" { // what is paid for a holder is no series of his own
		return false, true, nil
	}
	s := x.service
	id, err := s.seriesID(x.ctx, x.customer.ID, cmd.Series)
	if err != nil {
		return false, false, err
	}
	have, err := s.Store.Series(x.ctx, id)
	switch {
	case errors.Is(err, parties.ErrNotFound):
		return false, true, nil
	case errors.Is(err, parties.ErrTampered):
		return false, false, nil
	case err != nil:
		return false, false, problem.Away(err)
	case !x.now.Before(have.At.Add(SeriesLife)):
		return false, true, nil
	}
	sum, err := s.seriesSum(x.ctx, id, minor, cmd.Amount.Currency, cmd.Payer, cmd.Payee)
	if err != nil {
		return false, false, err
	}
	x.listed = append(x.listed, RequireSeries{ID: id, Version: have.Version})
	return hmac.Equal(sum, have.Sum), true, nil
}

// based makes a payment that its customer has proven himself what the next ones of the
// series are compared with.
func (x *draft) based() error {
	if x.d.Series == "" || x.d.Holder != "" || !x.t.provenBy(x.t.Customer) {
		return nil
	}
	s := x.service
	id, err := s.seriesID(x.ctx, x.t.Customer, x.d.Series)
	if err != nil {
		return err
	}
	have, err := s.Store.Series(x.ctx, id)
	if err != nil && !errors.Is(err, parties.ErrNotFound) {
		return problem.Away(err)
	}
	sum, err := s.seriesSum(x.ctx, id, x.t.Minor, x.t.Currency, x.d.Payer, x.d.Payee)
	if err != nil {
		return err
	}
	x.effects = append(x.effects, SaveSeries{Series{
		ID: id, Customer: x.t.Customer, Sum: sum, Transaction: x.t.ID, At: x.now.UTC(), Version: have.Version + 1,
	}})
	return nil
}
