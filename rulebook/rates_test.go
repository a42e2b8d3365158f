package rulebook_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/risk/policy"
	"mohur/rulebook"
	"mohur/store/bolttest"
)

var core = parties.Caller{Kind: "client", ID: "cl_core", Roles: []parties.Role{parties.Core}}

// today is the bank's day, moved.
func today(b *banktest.Bank, days int) string {
	return b.Clock.Now().In(b.Book.Zone).AddDate(0, 0, days).Format(time.DateOnly)
}

func rates(date string, pairs ...string) rulebook.RatesCommand {
	cmd := rulebook.RatesCommand{Caller: core, Date: date, Rates: map[string]string{}, Source: "CBAR"}
	for i := 0; i < len(pairs); i += 2 {
		cmd.Rates[pairs[i]] = pairs[i+1]
	}
	return cmd
}

func set(t *testing.T, b *banktest.Bank, cmd rulebook.RatesCommand) {
	t.Helper()
	if _, err := b.Book.SetRates(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
}

func two(cmd rulebook.RatesCommand) rulebook.RatesCommand {
	cmd.TwoSaid = true
	return cmd
}

// Clause 5.18: a rate is an exact fraction of minor units, whatever the currency's
// decimal places.
func TestClause5_18_RatesAreExact(t *testing.T) {
	b := banktest.New(t)
	set(t, b, two(rates(today(b, 0), "USD", "1.7000", "EUR", "1.836", "JPY", "0.0113", "KWD", "5.533333", "GBP", "999999999.999999", "RUB", "0.000001")))
	now := b.Book.RatesNow()
	want := risk.Rates{
		"USD": {Qepik: 17, Per: 10}, "EUR": {Qepik: 459, Per: 250}, "JPY": {Qepik: 113, Per: 100}, "KWD": {Qepik: 5533333, Per: 10_000_000},
		"GBP": {Qepik: 999999999999999, Per: 1_000_000}, "RUB": {Qepik: 1, Per: 1_000_000},
	}
	if !maps.Equal(now, want) {
		t.Errorf("%v", now)
	}
	for _, c := range []struct {
		minor    int64
		currency string
		home     int64
	}{{1_00, "USD", 1_70}, {29_41, "USD", 50_00}, {29_42, "USD", 50_02}, {1, "JPY", 2}, {100, "JPY", 1_13}, {1_000, "KWD", 5_54}, {1, "RUB", 1}, {1_000_000, "RUB", 1}, {1_000_001, "RUB", 2}} {
		if home, rated := now.Home(c.minor, c.currency); !rated || home != c.home {
			t.Errorf("%d %s: %d, %v, want %d", c.minor, c.currency, home, rated, c.home)
		}
	}
	if _, rated := now.Home(1, "TRY"); rated {
		t.Error("a rate that nobody has set")
	}
}

// An old rate counts as none, by the end of its own day; a newer list without the
// currency does not make it younger.
func TestClause5_18_AnOldRateCountsAsNone(t *testing.T) {
	b := banktest.New(t)
	set(t, b, two(rates(today(b, -1), "USD", "1.7000", "EUR", "1.8360")))
	set(t, b, rates(today(b, 0), "USD", "1.7100"))
	until := b.Book.Until(today(b, -1))
	if day := time.Date(until.Year(), until.Month(), until.Day(), 0, 0, 0, 0, b.Book.Zone); !until.Equal(day) || until.Sub(b.Clock.Now()) > rulebook.DefaultMaxAge {
		t.Errorf("until %s", until)
	}
	for _, c := range []struct {
		at   time.Time
		want []string
	}{{until, []string{"EUR", "USD"}}, {until.Add(1), []string{"USD"}}, {until.Add(24 * time.Hour), []string{"USD"}}, {until.Add(24*time.Hour + 1), nil}} {
		if got := slices.Sorted(maps.Keys(b.Book.Rates(c.at))); !slices.Equal(got, c.want) {
			t.Errorf("at %s: %v, want %v", c.at, got, c.want)
		}
	}
}

// A rate that is more than a tenth off waits for a second person, and so does the first
// of a currency; many small steps on one day are one step.
func TestClause5_18_AFarRateWaitsForASecondPerson(t *testing.T) {
	b := banktest.New(t)
	waits := func(cmd rulebook.RatesCommand, want ...string) {
		t.Helper()
		got, err := b.Book.Jumps(t.Context(), cmd)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: %v waits, %v, want %v", cmd.Rates, got, err, want)
		}
		_, err = b.Book.SetRates(t.Context(), cmd)
		if (len(want) > 0) != problem.Is(err, problem.Conflict) || len(want) == 0 && err != nil {
			t.Errorf("%v is set: %v", cmd.Rates, err)
		}
	}
	day := today(b, -2)
	waits(rates(day, "USD", "1.7000"), "USD")
	set(t, b, two(rates(day, "USD", "1.7000", "EUR", "1.0000")))
	waits(rates(day, "USD", "1.8700"))
	waits(rates(day, "USD", "1.870001"), "USD")
	waits(rates(day, "USD", "1.5300"))
	waits(rates(day, "USD", "1.529999"), "USD")
	waits(rates(day, "USD", "1.7000", "EUR", "1.1", "GBP", "2"), "GBP")
	waits(rates(day, "USD", "1.8700"))
	b.Clock.Forward(24 * time.Hour)
	next := today(b, -1)
	waits(rates(next, "USD", "2.0570"))
	waits(rates(next, "USD", "2.2000"), "USD")        // against the day before, not against the last step
	waits(rates(today(b, 0), "USD", "2.2000"), "USD") // whatever day it is said to be of
	set(t, b, two(rates(next, "USD", "2.2000")))
	waits(rates(next, "USD", "2.4200"))
	waits(rates(next, "EUR", "9.0000"), "EUR")
	if n := b.Count("rates.set", "", ""); n != 7 {
		t.Errorf("%d in the log", n)
	}
}

// One person who sends many lists, each of a later day and each within a tenth of the
// last, moves a rate by a tenth and no further: on one day, over midnight, and with a
// clock that is set back.
func TestClause5_18_StatedDaysDoNotMoveARateFurther(t *testing.T) {
	b := banktest.New(t)
	first := time.Date(2031, 3, 1, 23, 0, 0, 0, b.Book.Zone) // an hour before midnight
	b.Clock.Forward(first.Sub(b.Clock.Now()))
	set(t, b, two(rates(today(b, -9), "USD", "1.0000")))
	set(t, b, rates(today(b, -8), "USD", "0.9000"))
	further := func(when string, day int, past ...string) {
		t.Helper()
		for _, rate := range past {
			cmd := rates(today(b, day), "USD", rate)
			if far, err := b.Book.Jumps(t.Context(), cmd); err != nil || len(far) != 1 {
				t.Errorf("%s: %v waits, %v", when, far, err)
			}
			if _, err := b.Book.SetRates(t.Context(), cmd); !problem.Is(err, problem.Conflict) {
				t.Errorf("%s: one person sets %s: %v", when, rate, err)
			}
		}
	}
	further("on one day", -7, "0.8999", "1.1001")
	b.Clock.Forward(2 * time.Hour)
	further("over midnight", 0, "0.8999", "1.1001")
	set(t, b, rates(today(b, -1), "USD", "0.9100"))
	b.Clock.Forward(-2 * time.Hour)
	further("with the clock set back", 0, "0.8999", "1.1001")
	b.Clock.Forward(13 * time.Hour)
	further("later the same day", 0, "0.8999", "1.1001")
	b.Clock.Forward(24 * time.Hour)
	set(t, b, rates(today(b, 0), "USD", "0.8200"))
	further("on the next day", 0, "0.8189", "1.0011")
}

func TestRatesThatCannotBeSet(t *testing.T) {
	b := banktest.New(t)
	set(t, b, two(rates(today(b, -1), "USD", "1.7000")))
	for name, c := range map[string]struct {
		cmd   rulebook.RatesCommand
		field string
	}{
		"to come":            {rates(today(b, 1), "USD", "1.7"), "date"},
		"before":             {rates(today(b, -2), "USD", "1.7"), "date"},
		"no day":             {rates("2026-2-3", "USD", "1.7"), "date"},
		"no date":            {rates("", "USD", "1.7"), "date"},
		"no rates":           {rates(today(b, 0)), "rates"},
		"manat":              {rates(today(b, 0), "AZN", "1"), "rates.AZN"},
		"unknown":            {rates(today(b, 0), "XAU", "1"), "rates.XAU"},
		"unknown and long":   {rates(today(b, 0), strings.Repeat("X", 500), "1"), "rates.XXXXXXXX"},
		"zero":               {rates(today(b, 0), "USD", "0.000000"), "rates.USD"},
		"negative":           {rates(today(b, 0), "USD", "-1.7"), "rates.USD"},
		"seven places":       {rates(today(b, 0), "USD", "1.7000001"), "rates.USD"},
		"an exponent":        {rates(today(b, 0), "USD", "1e3"), "rates.USD"},
		"a comma":            {rates(today(b, 0), "USD", "1,7"), "rates.USD"},
		"leading zero":       {rates(today(b, 0), "USD", "01.7"), "rates.USD"},
		"too large":          {rates(today(b, 0), "USD", "1000000000"), "rates.USD"},
		"other digits":       {rates(today(b, 0), "USD", "١.٧"), "rates.USD"},
		"a line at the end":  {rates(today(b, 0), "USD", "1.7\n"), "rates.USD"},
		"nobody's rates":     {func() rulebook.RatesCommand { c := rates(today(b, 0), "USD", "1.7"); c.Source = ""; return c }(), "source"},
		"one of two is none": {rates(today(b, 0), "USD", "1.7", "EUR", ""), "rates.EUR"},
	} {
		for _, f := range []func(rulebook.RatesCommand) error{b.Book.CheckRates, func(c rulebook.RatesCommand) error { _, err := b.Book.SetRates(t.Context(), two(c)); return err }} {
			if err := f(c.cmd); !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), c.field+": ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if b.Count("rates.set", "", "") != 1 {
		t.Error("something was set")
	}
}

// Rates that somebody edits in the store are none at a start; while the server runs,
// those read before serve until they are too old. Policies go on coming into force.
func TestClause5_18_EditedRatesAreNone(t *testing.T) {
	b := banktest.New(t)
	set(t, b, two(rates(today(b, 0), "USD", "1.7000")))
	edit(t, b, func(f bolttest.File) {
		f.Put("rates", "rates", []byte(strings.Replace(string(f.Get("rates", "rates")), "1.7000", "0.0017", 1)))
	})
	running, err := open(t, b, policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	if len(running.RatesNow()) != 0 {
		t.Error("a start takes them")
	}
	if err := b.Book.Refresh(t.Context()); err == nil {
		t.Error("nobody says so")
	}
	if b.Book.RatesNow()["USD"] != (risk.Rate{Qepik: 17, Per: 10}) {
		t.Error("those read before are gone")
	}
	if n := b.Count("incident.opened", "", "record.tampered"); n != 1 {
		t.Errorf("%d incidents", n)
	}
	adopt(t, b, command(2, b.Clock.Now(), "20.00"))
	inForce(t, b.Book, 2, 20_00)
	edit(t, b, func(f bolttest.File) { f.Delete("rates", "rates") })
	if err := b.Book.Refresh(t.Context()); err == nil || b.Count("incident.opened", "", "policy.unusable") != 1 {
		t.Errorf("removed rates: %v", err)
	}
}

// Of many who set rates at once each list is whole.
func TestRatesOfManyAtOnce(t *testing.T) {
	b := banktest.New(t)
	set(t, b, two(rates(today(b, 0), "USD", "1.0000", "EUR", "1.0000")))
	var group sync.WaitGroup
	for _, v := range []string{"1.01", "1.02", "1.03", "1.04", "1.05", "1.06"} {
		group.Go(func() {
			if _, err := b.Book.SetRates(t.Context(), rates(today(b, 0), "USD", v, "EUR", v)); err != nil && !problem.Is(err, problem.Conflict) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	stored, err := b.Store.ExchangeRates(t.Context())
	if err != nil || stored.Quotes["USD"].Rate != stored.Quotes["EUR"].Rate || stored.Quotes["USD"].Before != "1.0000" {
		t.Errorf("%+v, %v", stored, err)
	}
	if int(stored.Version) != b.Count("rates.set", "", "") {
		t.Errorf("version %d, %d in the log", stored.Version, b.Count("rates.set", "", ""))
	}
}

// FuzzRate: what is taken for a rate is exact and reads back the same.
func FuzzRate(f *testing.F) {
	for _, seed := range []string{"1.7000", "0.000001", "999999999.999999", "0", "00", "1.", ".5", "1e9", "-1", "1.7\n", "١"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		micro, ok := rulebook.Micros(text)
		if !ok {
			return
		}
		if micro <= 0 || strings.Trim(text, "0123456789.") != "" {
			t.Fatalf("%q is %d", text, micro)
		}
		for places := range 4 {
			r := rulebook.Fraction(micro, places)
			per := int64(1_000_000)
			for range places {
				per *= 10
			}
			if r.Qepik <= 0 || r.Per <= 0 || per%r.Per != 0 || r.Qepik*(per/r.Per) != micro*100 {
				t.Fatalf("%q with %d places: %+v", text, places, r)
			}
		}
	})
}
