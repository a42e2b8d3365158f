package bolt

import (
	"context"

	"mohur/payment"
)

// Lists and the analysis stay: a list that is empty says so. A series goes some time
// after it has lost its meaning.
var (
	payeeLists = table[payment.PayeeList]{
		rows: inPayeeLists,
		key:  func(l *payment.PayeeList) (string, uint64) { return l.ID, l.Version },
	}
	series = table[payment.Series]{
		rows: inSeries,
		key:  func(s *payment.Series) (string, uint64) { return s.ID, s.Version },
		indexes: func(s *payment.Series) []indexKey {
			return []indexKey{removal(s.At.Add(payment.SeriesLife+keepSession), inSeries, s.ID)}
		},
	}
	analyses = table[payment.Analysis]{
		rows: inAnalyses,
		key:  func(a *payment.Analysis) (string, uint64) { return a.ID, a.Version },
	}
)

// PayeeList implements payment.Store.
func (s *Store) PayeeList(ctx context.Context, id string) (payment.PayeeList, error) {
	return one(ctx, s, payeeLists, id)
}

// Series implements payment.Store.
func (s *Store) Series(ctx context.Context, id string) (payment.Series, error) {
	return one(ctx, s, series, id)
}

// Analysis implements payment.Store.
func (s *Store) Analysis(ctx context.Context, id string) (payment.Analysis, error) {
	return one(ctx, s, analyses, id)
}
