package risk

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"
)

// The bounds of a Table, whatever the number of decisions.
const (
	maxExamples = 50   // each way
	maxCodes    = 1000 // what comes after them is not counted by code
	maxDays     = 4000
)

// Table is what a policy would have decided where another one did. Sums are qəpik, of
// the payments whose amount in AZN is known.
type Table struct {
	Policy    int // version of the one that was tried
	Decisions int64
	Same      int64
	Stricter  int64
	Weaker    int64 // asks for less in any respect, also if for more in another
	Cells     []Cell
	Reasons   []ReasonCount
	Days      []Day // by date
	ToWeaker  []Example
	ToStrict  []Example
}

// Cell is the payments that one decision was made on and another would be.
type Cell struct {
	From, To         Decision
	Count            int64
	Sum              int64
	Stricter, Weaker int64
}

// ReasonCount is how often a reason was given and would be.
type ReasonCount struct {
	Code  string
	Was   int64
	Would int64
}

// Day is the decisions of one day of the bank's clock.
type Day struct {
	Date             string // time.DateOnly
	Decisions        int64
	Stricter, Weaker int64
}

// Example is one payment that would be decided otherwise.
type Example struct {
	ID         string // of the transaction
	At         time.Time
	Minor      int64
	Currency   string
	Amount     int64 // qəpik; 0: not known
	Was, Would Outcome
	Reasons    []string // codes of what would be decided
}

// Replay decides past payments again with a policy and tells what differs. It holds
// no more than its table, however many there are; an error of past ends it.
func Replay(p Policy, past iter.Seq2[Past, error]) (Table, error) {
	t := &tally{
		table: Table{Policy: p.Version}, cells: map[[2]Decision]*Cell{}, codes: map[string]*ReasonCount{}, days: map[string]*Day{},
	}
	for x, err := range past {
		if err != nil {
			return Table{}, err
		}
		t.add(x, p.Again(x))
	}
	return t.done(), nil
}

// tally is a table in the making.
type tally struct {
	table Table
	cells map[[2]Decision]*Cell
	codes map[string]*ReasonCount
	days  map[string]*Day
}

func (t *tally) add(x Past, r Result) {
	would := r.Outcome()
	amount, _ := r.Facts["amount"].(int64)
	var stricter, weaker int64
	switch {
	case would.AsksLess(x.Was):
		weaker = 1
		t.table.ToWeaker = example(t.table.ToWeaker, x, r, amount)
	case x.Was.AsksLess(would):
		stricter = 1
		t.table.ToStrict = example(t.table.ToStrict, x, r, amount)
	default:
		t.table.Same++
	}
	t.table.Decisions++
	t.table.Stricter += stricter
	t.table.Weaker += weaker
	if c := entry(t.cells, [2]Decision{x.Was.Decision, would.Decision}, maxCodes); c != nil {
		c.Count++
		c.Sum = sum(c.Sum, amount)
		c.Stricter += stricter
		c.Weaker += weaker
	}
	if d := entry(t.days, x.In.At.Format(time.DateOnly), maxDays); d != nil {
		d.Decisions++
		d.Stricter += stricter
		d.Weaker += weaker
	}
	for i, code := range x.Codes {
		if c := entry(t.codes, code, maxCodes); c != nil && !slices.Contains(x.Codes[:i], code) {
			c.Was++
		}
	}
	for i, reason := range r.Reasons {
		again := slices.ContainsFunc(r.Reasons[:i], func(o Reason) bool { return o.Code == reason.Code })
		if c := entry(t.codes, reason.Code, maxCodes); c != nil && !again {
			c.Would++
		}
	}
}

// entry returns the value of a key, a new one while there are fewer than most.
func entry[K comparable, V any](m map[K]*V, key K, most int) *V {
	v := m[key]
	if v == nil && len(m) < most {
		v = new(V)
		m[key] = v
	}
	return v
}

// sum adds amounts; what does not fit stays at the most there is.
func sum(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

// example keeps a payment among the largest.
func example(list []Example, x Past, r Result, amount int64) []Example {
	e := Example{ID: x.ID, At: x.In.At, Minor: x.In.Minor, Currency: x.In.Currency, Amount: amount, Was: x.Was, Would: r.Outcome()}
	if len(list) == maxExamples && larger(e, list[maxExamples-1]) >= 0 {
		return list
	}
	for _, reason := range r.Reasons {
		e.Reasons = append(e.Reasons, reason.Code)
	}
	at, _ := slices.BinarySearchFunc(list, e, larger)
	list = slices.Insert(list, at, e)
	return list[:min(len(list), maxExamples)]
}

// larger sorts examples by amount, the largest first, then by time.
func larger(a, b Example) int {
	return cmp.Or(cmp.Compare(b.Amount, a.Amount), a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
}

func (t *tally) done() Table {
	for key, c := range t.cells {
		c.From, c.To = key[0], key[1]
		t.table.Cells = append(t.table.Cells, *c)
	}
	slices.SortFunc(t.table.Cells, func(a, b Cell) int {
		return cmp.Or(rank(decisions, a.From)-rank(decisions, b.From), rank(decisions, a.To)-rank(decisions, b.To), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	for code, c := range t.codes {
		c.Code = code
		t.table.Reasons = append(t.table.Reasons, *c)
	}
	slices.SortFunc(t.table.Reasons, func(a, b ReasonCount) int {
		return cmp.Or(cmp.Compare(max(b.Was, b.Would), max(a.Was, a.Would)), cmp.Compare(a.Code, b.Code))
	})
	for date, d := range t.days {
		d.Date = date
		t.table.Days = append(t.table.Days, *d)
	}
	slices.SortFunc(t.table.Days, func(a, b Day) int { return cmp.Compare(a.Date, b.Date) })
	return t.table
}
