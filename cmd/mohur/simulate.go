package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"mohur/payment"
)

// trial is what a policy would have decided, as the API tells it. Those of several
// calls add up to one.
type trial struct {
	From       time.Time   `json:"from"`
	To         time.Time   `json:"to"`
	Version    int         `json:"policy_version"`
	SHA256     string      `json:"sha256"`
	Decisions  int64       `json:"decisions"`
	Unreadable int64       `json:"unreadable"`
	Changed    int64       `json:"changed"`
	Stricter   int64       `json:"stricter"`
	Weaker     int64       `json:"weaker"`
	Matrix     []trialCell `json:"matrix"`
	Reasons    []trialCode `json:"reasons"`
	Days       []trialDay  `json:"days"`
	Examples   []example   `json:"examples"`
	Until      *time.Time  `json:"until,omitempty"`
	Next       string      `json:"next_cursor,omitempty"`
}

type trialCell struct {
	From     string        `json:"from"`
	To       string        `json:"to"`
	Count    int64         `json:"count"`
	Stricter int64         `json:"stricter"`
	Weaker   int64         `json:"weaker"`
	Sum      payment.Money `json:"sum"`
}

type trialCode struct {
	Code  string `json:"code"`
	Was   int64  `json:"was"`
	Would int64  `json:"would_be"`
}

type trialDay struct {
	Date      string `json:"date"`
	Decisions int64  `json:"decisions"`
	Stricter  int64  `json:"stricter"`
	Weaker    int64  `json:"weaker"`
}

type example struct {
	Transaction string        `json:"transaction"`
	At          time.Time     `json:"at"`
	Amount      payment.Money `json:"amount"`
	Home        payment.Money `json:"amount_azn"`
	Change      string        `json:"change"`
	Was         asked         `json:"was"`
	Would       asked         `json:"would_be"`
	Reasons     []string      `json:"reasons"`
}

type asked struct {
	Decision  string `json:"decision"`
	ACR       string `json:"acr,omitempty"`
	Shown     string `json:"shown,omitempty"`
	Exemption string `json:"exemption,omitempty"`
	Version   int    `json:"policy_version"`
}

func (p *program) simulateCommand() *cobra.Command {
	var o struct{ from, to, html string }
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use:   "simulate FILE",
		Short: "try a policy on the decisions of the past",
		Long: `Decides the payments of a time again as the policy in FILE would have, with what was
known of each of them then, and shows what would have changed: how many payments
would have been asked for more or for less, by day, by decision and by reason, and
the largest of them. Nothing is changed; the log says who tried which policy.

Decisions are kept for 400 days unless payment.keep_decisions says otherwise.`,
		Example: `  mohur policy simulate policy.yaml --from 2026-11-01 --to 2026-11-30
  mohur policy simulate policy.yaml --html report.html`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readText(args[0])
			if err != nil {
				return err
			}
			c, err := loadConfig(p.config)
			if err != nil {
				return err
			}
			zone, err := time.LoadLocation(c.Zone)
			if err != nil {
				return err
			}
			span, err := readSpan(o.from, o.to, zone, time.Now())
			if err != nil {
				return err
			}
			var all *trial
			if err := p.withHost(cmd.Context(), func(cl *client) (err error) {
				all, err = p.try(cmd.Context(), cl, text, span)
				return err
			}); err != nil {
				return err
			}
			return p.tellTrial(all, args[0], zone, o.html)
		},
	}))
	cmd.Flags().StringVar(&o.from, "from", "", "the first `DAY`, such as 2026-11-01, or a time with its offset (default 400 days ago)")
	cmd.Flags().StringVar(&o.to, "to", "", "the last `DAY`, or a time (default now)")
	cmd.Flags().StringVar(&o.html, "html", "", "write a page with charts to this `FILE`, too")
	return cmd
}

// readText reads a policy to be sent; the server says what is wrong with it.
func readText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("policy: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return string(text), err
}

// readSpan reads a time from and to; a day is one of the bank's clock, and to is in it.
func readSpan(from, to string, zone *time.Location, now time.Time) (span [2]time.Time, err error) {
	span = [2]time.Time{now.Add(-400 * 24 * time.Hour), now}
	for i, text := range []string{from, to} {
		if text == "" {
			continue
		}
		if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
			span[i] = day.AddDate(0, 0, i)
			continue
		}
		if span[i], err = time.Parse(time.RFC3339, text); err != nil {
			return span, usagef("--%s needs a day such as 2026-11-01, or a time such as 2026-11-01T12:00:00+04:00", []string{"from", "to"}[i])
		}
	}
	if !span[0].Before(span[1]) {
		return span, usagef("--from needs to be before --to")
	}
	return span, nil
}

// atOnce is how many decisions one call tries, so that it is seen how far it is.
const atOnce = 50_000

// try has the server try a policy, part after part.
func (p *program) try(ctx context.Context, cl *client, text string, span [2]time.Time) (*trial, error) {
	all := &trial{From: span[0].UTC(), To: span[1].UTC()}
	var bar *progressbar.ProgressBar
	if isTerminal(p.err) {
		bar = progressbar.NewOptions64(int64(span[1].Sub(span[0])/time.Second), progressbar.OptionSetWriter(p.err),
			progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish(), progressbar.OptionSetDescription("deciding again"))
		defer func() { _ = bar.Finish() }()
	}
	for first := true; first || all.Next != ""; first = false {
		in := map[string]any{"policy": text, "from": all.From, "to": all.To, "limit": atOnce}
		if all.Next != "" {
			in["cursor"] = all.Next
		}
		var part trial
		if err := cl.patiently(ctx, "/v1/policy/simulate", in, &part); err != nil {
			return nil, err
		}
		all.add(&part)
		if bar != nil && part.Until != nil {
			_ = bar.Set64(int64(part.Until.Sub(all.From) / time.Second))
		}
	}
	return all, nil
}

// patiently calls again while somebody else is at it.
func (c *client) patiently(ctx context.Context, path string, in, out any) error {
	for tries := 0; ; tries++ {
		err := c.call(ctx, http.MethodPost, path, in, out)
		if told := (*problemError)(nil); !errors.As(err, &told) || told.Status != http.StatusTooManyRequests || tries == 60 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// mostShown is how many examples are kept each way.
const mostShown = 50

// add takes the part that comes after what is there.
func (t *trial) add(part *trial) {
	t.Version, t.SHA256, t.Next = part.Version, part.SHA256, part.Next
	if part.Until != nil {
		t.Until = part.Until
	}
	t.Decisions += part.Decisions
	t.Unreadable += part.Unreadable
	t.Changed += part.Changed
	t.Stricter += part.Stricter
	t.Weaker += part.Weaker
	for _, c := range part.Matrix {
		to := same(&t.Matrix, func(o trialCell) bool { return o.From == c.From && o.To == c.To }, trialCell{From: c.From, To: c.To})
		to.Count += c.Count
		to.Stricter += c.Stricter
		to.Weaker += c.Weaker
		to.Sum = payment.FromMinor(qepikOf(to.Sum)+qepikOf(c.Sum), "AZN")
	}
	for _, c := range part.Reasons {
		to := same(&t.Reasons, func(o trialCode) bool { return o.Code == c.Code }, trialCode{Code: c.Code})
		to.Was += c.Was
		to.Would += c.Would
	}
	for _, d := range part.Days {
		to := same(&t.Days, func(o trialDay) bool { return o.Date == d.Date }, trialDay{Date: d.Date})
		to.Decisions += d.Decisions
		to.Stricter += d.Stricter
		to.Weaker += d.Weaker
	}
	slices.SortFunc(t.Days, func(a, b trialDay) int { return cmp.Compare(a.Date, b.Date) })
	slices.SortStableFunc(t.Reasons, func(a, b trialCode) int { return cmp.Compare(max(b.Was, b.Would), max(a.Was, a.Would)) })
	t.Examples = largest(append(t.Examples, part.Examples...))
}

// same returns the one that is there already, or the new one.
func same[T any](list *[]T, is func(T) bool, fresh T) *T {
	at := slices.IndexFunc(*list, is)
	if at < 0 {
		*list, at = append(*list, fresh), len(*list)
	}
	return &(*list)[at]
}

// largest keeps the largest examples of each change, those that ask for less first.
func largest(list []example) (out []example) {
	slices.SortStableFunc(list, func(a, b example) int {
		return cmp.Or(cmp.Compare(b.Change, a.Change), cmp.Compare(qepikOf(b.Home), qepikOf(a.Home)))
	})
	kept := map[string]int{}
	for _, e := range list {
		if kept[e.Change]++; kept[e.Change] <= mostShown {
			out = append(out, e)
		}
	}
	return out
}

// qepikOf is a sum in AZN, which may be larger than a payment; what is none counts as nothing.
func qepikOf(m payment.Money) int64 {
	n, err := strconv.ParseInt(strings.Replace(m.Value, ".", "", 1), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
