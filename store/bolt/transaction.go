package bolt

import (
	"context"

	"mohur/parties"
	"mohur/payment"
	"mohur/settle"
)

// saveTransaction writes the record and claims its reference, for ever: the
// claim stays when the record is one day removed (clause 2.1).
func saveTransaction(t payment.Transaction) (change, error) {
	record, err := transactions.save(&t)
	if err != nil {
		return nil, err
	}
	return func(w *writing) (settle.Outcome, error) {
		if outcome, err := record(w); outcome != settle.Done || err != nil {
			return outcome, err
		}
		mine, err := w.putOnce(references, t.Reference, t.ID)
		if err != nil || mine {
			return settle.Done, err
		}
		return settle.Exists, nil
	}, nil
}

// Transaction implements payment.Store.
func (s *Store) Transaction(ctx context.Context, id string) (payment.Transaction, error) {
	return one(ctx, s, transactions, id)
}

// TransactionByReference implements payment.Store.
func (s *Store) TransactionByReference(ctx context.Context, reference string) (t payment.Transaction, err error) {
	err = s.view(ctx, func(r reading) (err error) {
		id := r.get(references, reference)
		if id == nil {
			return parties.ErrNotFound
		}
		t, err = transactions.load(r, string(id))
		return err
	})
	return t, err
}

// Transactions implements payment.Store: newest first, From included, To not.
func (s *Store) Transactions(ctx context.Context, f payment.Filter, cursor string, limit int) ([]payment.Transaction, string, error) {
	l := listing[payment.Transaction]{table: transactions, index: transactionsByAge}
	if f.Customer != "" {
		l.index, l.prefix = transactionsByCustomer, joined(f.Customer)
	}
	if !f.From.IsZero() {
		l.from = moment(f.From)
	}
	if !f.To.IsZero() {
		l.to = moment(f.To)
	}
	l.keep = func(_ reading, t *payment.Transaction) (bool, error) {
		return (f.Client == "" || t.Client == f.Client) &&
			(f.State == "" || t.State == f.State) &&
			(f.Decision == "" || t.Decision == f.Decision), nil
	}
	return l.page(ctx, s, cursor, limit)
}
