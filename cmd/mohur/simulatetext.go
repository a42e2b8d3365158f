package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"mohur/payment"
)

// tellTrial prints a trial, and writes its page if that is asked for.
func (p *program) tellTrial(t *trial, file string, zone *time.Location, page string) error {
	if page != "" {
		text, err := trialPage(t, file, zone)
		if err != nil {
			return err
		}
		if err := os.WriteFile(page, text, 0o600); err != nil {
			return err
		}
		p.notef("the page is in %s", page)
	}
	if p.json {
		return p.print(t)
	}
	p.sayf("%s, version %d, on %s from %s to %s", file, t.Version, plural(t.Decisions, "decision"), t.From.In(zone).Format(time.DateTime), t.To.In(zone).Format(time.DateTime))
	if t.Unreadable > 0 {
		p.sayf("%s could not be read and were left out", plural(t.Unreadable, "record"))
	}
	if t.Decisions == 0 {
		return nil
	}
	p.sayf("asks for more: %s (%s), for less: %s (%s)", grouped(t.Stricter), part(t.Stricter, t.Decisions), grouped(t.Weaker), part(t.Weaker, t.Decisions))
	p.tellMatrix(t)
	p.tellDays(t)
	p.tellReasons(t)
	p.tellExamples(t, zone)
	return nil
}

func (p *program) tellMatrix(t *trial) {
	rows, columns := outcomes(t)
	line := fmt.Sprintf("\n%-12s", "was \\ would be")
	for _, to := range columns {
		line += fmt.Sprintf(" %12s", to)
	}
	p.sayf("%s", line)
	for _, from := range rows {
		line := fmt.Sprintf("%-14s", from)
		for _, to := range columns {
			text := "·"
			if c := t.cell(from, to); c.Count > 0 {
				text = grouped(c.Count)
			}
			line += fmt.Sprintf(" %12s", text)
		}
		p.sayf("%s", line)
	}
}

// inOrder are the decisions, the weakest demand first.
var inOrder = []string{"approved", "step_up", "held", "rejected"}

// outcomes are the rows and columns of the matrix.
func outcomes(t *trial) (rows, columns []string) {
	for _, c := range t.Matrix {
		rows, columns = append(rows, c.From), append(columns, c.To)
	}
	return ranked(rows), ranked(columns)
}

func ranked(list []string) []string {
	slices.SortFunc(list, func(a, b string) int { return slices.Index(inOrder, a) - slices.Index(inOrder, b) })
	return slices.Compact(list)
}

func (t *trial) cell(from, to string) trialCell {
	for _, c := range t.Matrix {
		if c.From == from && c.To == to {
			return c
		}
	}
	return trialCell{}
}

// barWidth is the longest bar of the terminal, in characters.
const barWidth = 40

func (p *program) tellDays(t *trial) {
	days, most := folded(t.Days, 45), int64(1)
	for _, d := range days {
		most = max(most, d.Stricter+d.Weaker)
	}
	p.sayf("\n%-12s %10s %8s %8s  █ more  ░ less", "", "decisions", "more", "less")
	for _, d := range days {
		more, less := int(d.Stricter*barWidth/most), int(d.Weaker*barWidth/most)
		if d.Stricter > 0 {
			more = max(more, 1)
		}
		if d.Weaker > 0 {
			less = max(less, 1)
		}
		p.sayf("%s", strings.TrimRight(fmt.Sprintf("%-12s %10s %8s %8s  %s%s", d.Date, grouped(d.Decisions), grouped(d.Stricter), grouped(d.Weaker), strings.Repeat("█", more), strings.Repeat("░", less)), " "))
	}
}

// folded puts days together by month where they are more than most.
func folded(days []trialDay, most int) []trialDay {
	if len(days) <= most {
		return days
	}
	var out []trialDay
	for _, d := range days {
		month := d.Date[:min(len(d.Date), len("2006-01"))]
		to := same(&out, func(o trialDay) bool { return o.Date == month }, trialDay{Date: month})
		to.Decisions += d.Decisions
		to.Stricter += d.Stricter
		to.Weaker += d.Weaker
	}
	return out
}

func (p *program) tellReasons(t *trial) {
	p.sayf("\n%-42s %10s %10s", "reason", "was", "would be")
	for _, c := range t.Reasons {
		p.sayf("%-42s %10s %10s", c.Code, grouped(c.Was), grouped(c.Would))
	}
}

// mostTold is how many examples of each change the terminal shows; --json and --html
// have more.
const mostTold = 10

func (p *program) tellExamples(t *trial, zone *time.Location) {
	for _, change := range []struct{ name, title string }{{"weaker", "the largest of which less would be asked"}, {"stricter", "the largest of which more would be asked"}} {
		n := 0
		for _, e := range t.Examples {
			if e.Change != change.name || n >= mostTold {
				continue
			}
			if n++; n == 1 {
				p.sayf("\n%s", change.title)
			}
			p.sayf("%s  %s  %14s %s  %s → %s  %s", e.Transaction, e.At.In(zone).Format("2006-01-02 15:04"), spaced(e.Amount), e.Amount.Currency, e.Was, e.Would, strings.Join(e.Reasons, " "))
		}
	}
}

// String is what is asked for in a few words.
func (a asked) String() string {
	switch {
	case a.Exemption != "":
		return a.Decision + " (" + a.Exemption + ")"
	case a.Decision == "step_up":
		return a.Decision + " (" + a.ACR + ", shown " + a.Shown + ")"
	}
	return a.Decision
}

// grouped writes a number with its thousands apart.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// spaced writes an amount in the same way, without its currency.
func spaced(m payment.Money) string {
	whole, fraction, point := strings.Cut(m.Value, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
		whole = grouped(n)
	}
	if point {
		whole += "." + fraction
	}
	return whole
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// part is a percentage with one decimal place.
func part(n, of int64) string {
	if of == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.1f %%", float64(n)*100/float64(of))
}
