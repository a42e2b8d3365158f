package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mohur/cmd/mohur/bench"
)

// enumerationOptions is what `mohur bench enumeration` is told.
type enumerationOptions struct {
	samples int
	dir     string
}

func (p *program) enumerationCommand() *cobra.Command {
	o := enumerationOptions{samples: 300}
	cmd := p.jsonFlag(&cobra.Command{
		Use:   "enumeration",
		Short: "measure whether the time of an answer tells who is a customer",
		Long: `Makes a bank as ` + "`mohur bench`" + ` does and lets a stranger try ids in random order:
of customers with a token, of customers without, and of nobody. For each he begins
a log-in, sends a PIN and sends a wrong code, and takes the time.

For each of the three it tells the median, the 95th percentile, and how the times
of customers differ from those of nobody: the difference of the medians, and how
often a customer's is the longer of two (AUC, the statistic of Mann and Whitney).
At 0.5 the time tells nothing; within the band around it that is named, chance
alone explains it. First the server is as it is by default; then without its
floors of time, which shows what they hide.`,
		Example: "  mohur bench enumeration\n  mohur bench enumeration --samples 2000 --json",
		Args:    exactly(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.enumeration(cmd.Context(), o) },
	})
	cmd.Flags().IntVar(&o.samples, "samples", o.samples, "`N` tries of each kind of id")
	cmd.Flags().StringVar(&o.dir, "dir", "", "a `DIR` to make the temporary directory in (default $TMPDIR)")
	return cmd
}

// The kinds of id a stranger may try. That of nobody is the one the others are
// held against.
var enumerationKinds = []string{"customer with a token", "customer without", "nobody"}

const kindOfNobody = 2

// enumerationReport is what was measured, as `--json` prints it.
type enumerationReport struct {
	Version string             `json:"version"`
	Samples int                `json:"samples"` // of each kind
	Chance  float64            `json:"chance"`  // how far from 0.5 an AUC comes by chance, 19 times of 20
	AsIs    []enumerationStage `json:"default"`
	NoFloor []enumerationStage `json:"without_floors"`
}

// enumerationStage is one request of the stranger.
type enumerationStage struct {
	Stage string            `json:"stage"`
	Kinds []enumerationKind `json:"kinds"`
}

// enumerationKind is how long it took for ids of one kind. Difference and AUC are
// against those of nobody.
type enumerationKind struct {
	Kind       string  `json:"kind"`
	Median     float64 `json:"median_ms"`
	P95        float64 `json:"p95_ms"`
	Difference float64 `json:"median_difference_ms"`
	AUC        float64 `json:"auc"`
}

func (p *program) enumeration(ctx context.Context, o enumerationOptions) error {
	if o.samples < 4 || o.samples > 100000 {
		return usagef("--samples is 4 to 100000")
	}
	report := &enumerationReport{Version: version, Samples: o.samples, Chance: bench.Chance(o.samples, o.samples)}
	err := p.inScratch(ctx, o.dir, func(ctx context.Context, s *scratch) error {
		return report.measure(ctx, s, p.steps(3))
	})
	switch {
	case err != nil:
		return err
	case p.json:
		return p.print(report)
	}
	return report.tell(p.out)
}

func (r *enumerationReport) measure(ctx context.Context, s *scratch, steps *steps) error {
	defer steps.done()
	steps.next("making a bank")
	b, err := s.makeBank(ctx, func(*Config) {})
	if err != nil {
		return err
	}
	first, err := b.stranger(ctx, "A", r.Samples)
	if err != nil {
		return err
	}
	second, err := b.stranger(ctx, "B", r.Samples)
	if err != nil {
		return err
	}
	steps.next("with the floors of time")
	if r.AsIs, err = first.tryAll(ctx, b); err != nil {
		return err
	}
	if err := b.restart(ctx, func(c *Config) { c.Auth.FloorPIN, c.Auth.FloorRefusal, c.Auth.FloorBegin = 0, 0, 0 }); err != nil {
		return err
	}
	steps.next("without the floors of time")
	r.NoFloor, err = second.tryAll(ctx, b)
	return err
}

// stranger tries ids and takes the time.
type stranger struct {
	tries []enumerationTry
	took  [3][3][]time.Duration // by stage and kind
}

type enumerationTry struct {
	kind int
	who  *benchCustomer
}

var enumerationStages = []string{"begin", "PIN", "wrong code"}

// stranger prepares so many tries of each kind, in random order. Each id is tried
// as often as a token bears without being locked, whichever kind it is of.
func (b *benchBank) stranger(ctx context.Context, prefix string, samples int) (*stranger, error) {
	n := (samples + safeFails - 1) / safeFails
	holders, others, nobodies := newcomers(prefix+"T", n, pinOnServer), newcomers(prefix+"N", n, ""), newcomers(prefix+"X", n, "")
	if err := errors.Join(b.enrol(ctx, holders, pinOnServer), b.enrol(ctx, others, "")); err != nil {
		return nil, err
	}
	s := &stranger{}
	for i := range samples {
		for kind, all := range [][]*benchCustomer{holders, others, nobodies} {
			s.tries = append(s.tries, enumerationTry{kind, all[i%n]})
		}
	}
	for i := len(s.tries) - 1; i > 0; i-- { // Fisher and Yates
		j, err := rand.Int(rand.Reader, big.NewInt(int64(i+1)))
		if err != nil {
			return nil, err
		}
		k := int(j.Int64())
		s.tries[i], s.tries[k] = s.tries[k], s.tries[i]
	}
	return s, nil
}

// strangers are how many try at once: their answers are held back most of the
// time, and few disturb one another.
const strangers = 4

// tryAll goes through all tries and tells what came of them.
func (s *stranger) tryAll(ctx context.Context, b *benchBank) ([]enumerationStage, error) {
	conns, err := bench.DialAll(ctx, b.target, strangers)
	if err != nil {
		return nil, err
	}
	defer bench.CloseAll(conns)
	var next atomic.Int64
	took := make([][3]time.Duration, len(s.tries))
	_, err = bench.Finish(ctx, conns, func(int) func(*bench.Conn) error {
		i := next.Add(1) - 1
		if i >= int64(len(s.tries)) {
			return nil
		}
		return s.tries[i].try(&took[i])
	})
	if err != nil {
		return nil, err
	}
	for i, t := range s.tries {
		for stage, d := range took[i] {
			s.took[stage][t.kind] = append(s.took[stage][t.kind], d)
		}
	}
	return s.stages(), nil
}

// try is what is done with one id. Whoever it belongs to, the answers are the same.
func (t enumerationTry) try(took *[3]time.Duration) func(*bench.Conn) error {
	begin, pin, code := t.who.beginning(), encoded(byPIN(chosenPIN)), encoded(byCode("000000"))
	if t.who.token != nil {
		code = encoded(byCode(t.who.wrongCode()))
	}
	return func(conn *bench.Conn) error {
		at := time.Now()
		mark := func(stage int) {
			now := time.Now()
			took[stage], at = now.Sub(at), now
		}
		a, err := sent(conn, beginPath, begin, http.StatusCreated, "pending")
		if err != nil {
			return err
		}
		mark(0)
		if _, err := sent(conn, answerPath(a.ID), pin, http.StatusOK, "pending"); err != nil {
			return err
		}
		mark(1)
		_, err = sent(conn, answerPath(a.ID), code, http.StatusForbidden, "")
		mark(2)
		return err
	}
}

func (s *stranger) stages() (all []enumerationStage) {
	for stage, name := range enumerationStages {
		out := enumerationStage{Stage: name}
		nobody := s.took[stage][kindOfNobody]
		for kind, name := range enumerationKinds {
			took := s.took[stage][kind]
			k := enumerationKind{Kind: name, Median: ms(bench.Quantile(took, 0.5)), P95: ms(bench.Quantile(took, 0.95)), AUC: bench.AUC(took, nobody)}
			k.Difference = k.Median - ms(bench.Quantile(nobody, 0.5))
			out.Kinds = append(out.Kinds, k)
		}
		all = append(all, out)
	}
	return all
}

// tell writes the report for people.
func (r *enumerationReport) tell(out io.Writer) error {
	fmt.Fprintf(out, "mohur %s; %d tries of each kind; by chance alone an AUC is %.2f to %.2f\n", r.Version, r.Samples, 0.5-r.Chance, 0.5+r.Chance)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, part := range []struct {
		title  string
		stages []enumerationStage
	}{{"as it is by default", r.AsIs}, {"without the floors of time", r.NoFloor}} {
		fmt.Fprintf(w, "\n%-26s\t%-21s\tmedian ms\tp95 ms\tdifference\tAUC\t\n", part.title, "id of")
		for _, s := range part.stages {
			for kind, k := range s.Kinds {
				against := "\t"
				if kind != kindOfNobody {
					against = fmt.Sprintf("%+.3f\t%.3f", k.Difference, k.AUC)
				}
				fmt.Fprintf(w, "%-26s\t%-21s\t%.3f\t%.3f\t%s\t\n", s.Stage, k.Kind, k.Median, k.P95, against)
			}
		}
	}
	return w.Flush()
}
