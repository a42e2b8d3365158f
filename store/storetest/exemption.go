package storetest

import (
	"testing"

	"mohur/payment"
	"mohur/settle"
)

// testExemptions: lists, series and the analysis are replaced only by who knows them,
// and what is required is as it was read.
func testExemptions(t *testing.T, s Store) {
	_, err := s.PayeeList(t.Context(), payment.ListID(payment.Trusted, "C-1"))
	absent(t, "a list", err)
	list := payment.PayeeList{
		ID: payment.ListID(payment.Trusted, "C-1"), Customer: "C-1", Kind: payment.Trusted, Marks: []payment.Mark{{Sum: bytesOf("sum"), Since: epoch}},
		Sealed: bytesOf("sealed"), UpdatedAt: epoch, By: "cl_1", Version: 1, MAC: bytesOf("mac"),
	}
	want(t, s, settle.Stale, payment.RequirePayeeList{ID: list.ID, Version: 1})
	want(t, s, settle.Done, payment.SavePayeeList{List: list})
	want(t, s, settle.Exists, payment.SavePayeeList{List: list})
	want(t, s, settle.Done, payment.RequirePayeeList{ID: list.ID, Version: 1})
	next := list
	next.Marks, next.Version = nil, 2
	want(t, s, settle.Done, payment.SavePayeeList{List: next})
	want(t, s, settle.Stale, payment.SavePayeeList{List: next})
	want(t, s, settle.Stale, payment.RequirePayeeList{ID: list.ID, Version: 1})
	gotList, err := s.PayeeList(t.Context(), list.ID)
	same(t, "list", gotList, err, next)
	_, err = s.PayeeList(t.Context(), payment.ListID(payment.Own, "C-1"))
	absent(t, "another list of the customer", err)

	series := payment.Series{ID: "mac-of-rent", Customer: "C-1", Sum: bytesOf("sum"), Transaction: "tx_1", At: epoch, Version: 1, MAC: bytesOf("mac")}
	_, err = s.Series(t.Context(), series.ID)
	absent(t, "a series", err)
	want(t, s, settle.Done, payment.SaveSeries{Series: series})
	want(t, s, settle.Done, payment.RequireSeries{ID: series.ID, Version: 1})
	want(t, s, settle.Exists, payment.SaveSeries{Series: series})
	want(t, s, settle.Stale, payment.RequireSeries{ID: series.ID, Version: 2})
	gotSeries, err := s.Series(t.Context(), series.ID)
	same(t, "series", gotSeries, err, series)

	_, err = s.Analysis(t.Context(), payment.AnalysisID)
	absent(t, "an analysis", err)
	analysis := payment.Analysis{
		ID: payment.AnalysisID, Since: epoch, Quarters: []payment.Quarter{{Name: "2026Q1", Band: 190_00, Fraud: 1, Total: 2, Above: true}}, Stopped: []payment.Lost{{UpTo: 190_00}}, Version: 1, MAC: bytesOf("mac"),
	}
	want(t, s, settle.Done, payment.SaveAnalysis{Analysis: analysis})
	want(t, s, settle.Exists, payment.SaveAnalysis{Analysis: analysis})
	got, err := s.Analysis(t.Context(), payment.AnalysisID)
	same(t, "analysis", got, err, analysis)
}
