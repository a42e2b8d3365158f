package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"mohur/cmd/mohur/bench"
)

// benchReport is what was measured, as `--json` prints it.
type benchReport struct {
	Version    string         `json:"version"`
	Processors int            `json:"processors"`
	Transport  string         `json:"transport"`
	Disk       string         `json:"disk"` // file system the store was on
	Customers  int            `json:"customers"`
	Seconds    float64        `json:"seconds"` // each figure was measured for
	Answers    []benchFigures `json:"answers"`
	LogIns     []benchFigures `json:"log_ins"`
	Floor      []benchFigures `json:"floor,omitempty"`
	First      benchFirst     `json:"first_since_start"`
	Wrong      benchWrong     `json:"wrong_codes"`
	PIN        benchPIN       `json:"pins"`
	Aims       []benchAim     `json:"aims"`
}

// benchFigures are those of one kind of operation. Processor time is the server's
// alone; HSM is what it spent inside the HSM's library, Own the rest.
type benchFigures struct {
	Connections int     `json:"connections"`
	Operations  int     `json:"operations"`
	PerSecond   float64 `json:"per_second"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	CPU         float64 `json:"cpu_seconds_per_1000"`
	HSM         float64 `json:"hsm_cpu_seconds_per_1000"`
	Own         float64 `json:"own_cpu_seconds_per_1000"`
	OwnToFloor  float64 `json:"own_to_floor,omitempty"`
}

// benchFirst is what the first answer and the first log-in of each customer cost
// after the server has started.
type benchFirst struct {
	Answers benchFigures `json:"answers"`
	LogIns  benchFigures `json:"log_ins"`
}

// benchWrong is wrong codes beside right ones.
type benchWrong struct {
	Wrong benchFigures `json:"wrong"`
	Right benchFigures `json:"right"`
	Ratio float64      `json:"cpu_ratio"`
}

// benchPIN is PIN and code together beside Argon2id alone, and the memory of many
// at once.
type benchPIN struct {
	Both     benchFigures `json:"pin_and_otp"`
	Argon2id float64      `json:"argon2id_cpu_seconds_per_1000"`
	Ratio    float64      `json:"cpu_ratio"`
	AtOnce   int          `json:"at_once"`
	Before   float64      `json:"mib_before"`
	Peak     float64      `json:"mib_peak"`
	Above    float64      `json:"mib_above"`
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// figures of operations at so many connections.
func figures(connections int, c cost) benchFigures {
	f := benchFigures{
		Connections: connections, Operations: c.Operations, PerSecond: c.Rate(),
		P50: ms(bench.Quantile(c.Took, 0.5)), P99: ms(bench.Quantile(c.Took, 0.99)),
	}
	if c.Operations > 0 {
		f.CPU = c.cpu.Seconds() * 1000 / float64(c.Operations)
		f.HSM = c.hsm.Seconds() * 1000 / float64(c.Operations)
		f.Own = f.CPU - f.HSM
	}
	return f
}

// beside sets figures against the floor's, if that was measured.
func (f benchFigures) beside(floor benchFigures) benchFigures {
	f.OwnToFloor = ratio(f.Own, floor.CPU)
	return f
}

// ratio is 0 where there is nothing to compare with.
func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

// benchAim is a figure that is aimed at, and what it is here.
type benchAim struct {
	Name   string  `json:"name"`
	Figure float64 `json:"figure"`
	Aim    float64 `json:"aim"`
	Least  bool    `json:"at_least"` // else at most
	Met    bool    `json:"met"`
}

// aimedAt is the number of connections that the aims are for.
const aimedAt = 16

// judge holds the figures against the aims.
func (r *benchReport) judge() {
	aim := func(name string, figure, aim float64, least bool) {
		met := figure <= aim
		if least {
			met = figure >= aim
		}
		r.Aims = append(r.Aims, benchAim{name, figure, aim, least, met})
	}
	for _, f := range r.Answers {
		if f.Connections != aimedAt {
			continue
		}
		aim("answer, own, CPU s/1,000", f.Own, 0.16, false)
		aim("answer, with the HSM, CPU s/1,000", f.CPU, 0.38, false)
		aim("answer, p99 ms", f.P99, 10, false)
		aim("answers a second", f.PerSecond, 4960, true) // twice what OpenBao gave
	}
	aim("wrong code / right code, CPU", r.Wrong.Ratio, 1.1, false)
	aim("PIN and OTP / Argon2id, CPU", r.PIN.Ratio, 1.1, false)
	if r.PIN.AtOnce == maxPINs {
		aim("64 PINs at once, MiB above", r.PIN.Above, 38, false)
	}
}

// tell writes the report for people.
func (r *benchReport) tell(out io.Writer) error {
	fmt.Fprintf(out, "mohur %s on %s; %s; SoftHSM; the store on %s\n", r.Version, count(r.Processors, "processor"), r.Transport, r.Disk)
	fmt.Fprintf(out, "%s, each figure for %gs; the load is made on the same machine\n\n", count(r.Customers, "customer"), r.Seconds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, cells ...string) { fmt.Fprintf(w, "%-25s\t%s\t\n", name, strings.Join(cells, "\t")) }
	line("", "connections", "a second", "p50 ms", "p99 ms", "CPU s/1,000", "HSM's", "own", "own/floor")
	row := func(name string, f benchFigures) {
		toFloor := ""
		if f.OwnToFloor > 0 {
			toFloor = fmt.Sprintf("%.2f", f.OwnToFloor)
		}
		line(name, fmt.Sprint(f.Connections), fmt.Sprintf("%.0f", f.PerSecond), fmt.Sprintf("%.1f", f.P50), fmt.Sprintf("%.1f", f.P99),
			fmt.Sprintf("%.3f", f.CPU), fmt.Sprintf("%.3f", f.HSM), fmt.Sprintf("%.3f", f.Own), toFloor)
	}
	rows := func(name string, all []benchFigures) {
		for _, f := range all {
			row(name, f)
		}
	}
	rows("answer", r.Answers)
	rows("log-in", r.LogIns)
	rows("floor", r.Floor)
	row("answer, first since start", r.First.Answers)
	row("log-in, first since start", r.First.LogIns)
	row("wrong code", r.Wrong.Wrong)
	row("right code beside it", r.Wrong.Right)
	row("PIN and OTP", r.PIN.Both)
	line("Argon2id alone", "", "", "", "", fmt.Sprintf("%.3f", r.PIN.Argon2id), "", "", "")
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s with PINs at once: %.0f MiB before, %.0f at most, %.0f above\n\n", count(r.PIN.AtOnce, "log-in"), r.PIN.Before, r.PIN.Peak, r.PIN.Above)
	return r.tellAims(out)
}

func (r *benchReport) tellAims(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "aims (answers at %d connections)\there\taim\t\n", aimedAt)
	for _, a := range r.Aims {
		sign, verdict := "≤", "missed"
		if a.Least {
			sign = "≥"
		}
		if a.Met {
			verdict = "met"
		}
		fmt.Fprintf(w, "%s\t%.4g\t%s %g\t%s\n", a.Name, a.Figure, sign, a.Aim, verdict)
	}
	return w.Flush()
}
