package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"sync"
	"time"
)

//go:embed simulate.html
var trialHTML string

// The form is read at its first use: a server has none.
var trialTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("trial").Funcs(template.FuncMap{"n": grouped, "part": part, "money": spaced}).Parse(trialHTML))
})

// trialPage is a trial as a page to be filed: it needs nothing beside itself.
func trialPage(t *trial, file string, zone *time.Location) ([]byte, error) {
	v := pageView{trial: t, File: file, Zone: zone, Same: t.Decisions - t.Changed}
	v.Rows, v.Columns = outcomes(t)
	v.Bars = barsOf(t.Days)
	var b bytes.Buffer
	err := trialTemplate().Execute(&b, v)
	return b.Bytes(), err
}

// pageView is what the page is made of.
type pageView struct {
	*trial
	File          string
	Zone          *time.Location
	Same          int64
	Rows, Columns []string
	Bars          chart
}

// Cell is one of the matrix.
func (v pageView) Cell(from, to string) trialCell { return v.cell(from, to) }

// examples are those of one change.
type examples struct {
	View pageView
	Word string
	List []example
}

// Of returns the examples of one change.
func (v pageView) Of(change string) examples {
	out := examples{View: v, Word: map[string]string{"weaker": "less", "stricter": "more"}[change]}
	for _, e := range v.Examples {
		if e.Change == change {
			out.List = append(out.List, e)
		}
	}
	return out
}

// Local is a time by the bank's clock.
func (v pageView) Local(at time.Time) string { return at.In(v.Zone).Format("2006-01-02 15:04 -07:00") }

// The drawing's measures, in its own units.
const (
	chartWidth = 960
	highest    = 240 // of the bars, above the line and below it together
	leftEdge   = 64
	topEdge    = 12
)

// chart is days beside one another: above the line of which more would be asked, below
// it less.
type chart struct {
	Width, Height, Zero, Left, Right int
	Top, Bottom                      int // ends of the scale
	MostUp, MostDown                 int64
	Bars                             []bar
	Labels                           []label
}

type bar struct {
	X, Width           float64
	UpY, Up, Down      float64
	Date               string
	Decisions          int64
	Stricter, Weaker   int64
	StrictPart, WkPart string
}

type label struct {
	X    float64
	Text string
}

// mostBars is how many days are drawn; more are put together by month.
const mostBars = 120

func barsOf(days []trialDay) chart {
	days = folded(days, mostBars)
	c := chart{Width: chartWidth, Height: highest + topEdge + 28, Left: leftEdge, Right: chartWidth - 8, Top: topEdge, Bottom: topEdge + highest}
	for _, d := range days {
		c.MostUp, c.MostDown = max(c.MostUp, d.Stricter), max(c.MostDown, d.Weaker)
	}
	scale := highest / float64(max(c.MostUp+c.MostDown, 1))
	c.Zero = topEdge + int(math.Round(float64(c.MostUp)*scale))
	step := float64(c.Right-c.Left) / float64(max(len(days), 1))
	wide := min(max(step*0.72, 1), 36)
	every := (len(days) + 7) / 8
	for i, d := range days {
		x := float64(c.Left) + step*(float64(i)+0.5)
		up := float64(d.Stricter) * scale
		down := float64(d.Weaker) * scale
		c.Bars = append(c.Bars, bar{
			X: x - wide/2, Width: wide, UpY: float64(c.Zero) - up, Up: up, Down: down, Date: d.Date, Decisions: d.Decisions, Stricter: d.Stricter, Weaker: d.Weaker,
			StrictPart: part(d.Stricter, d.Decisions), WkPart: part(d.Weaker, d.Decisions),
		})
		if i%every == 0 {
			c.Labels = append(c.Labels, label{x, d.Date})
		}
	}
	return c
}

// Px writes a length of the drawing.
func (c chart) Px(x float64) string { return fmt.Sprintf("%.1f", x) }
