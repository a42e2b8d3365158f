// Package doctor looks for everything that keeps a customer's card from working, from
// the reader at its plug to the bank's page, and says what to do about it, in the
// words that a helpdesk reads out. It enters no PIN and spends no try of one.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"mohur/agent"
	"mohur/agent/browser"
	"mohur/agent/device"
	"mohur/agent/linked"
	"mohur/agent/release"
	"mohur/agent/words"
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	OK    Level = "ok"
	Warn  Level = "warn"  // it works, or will after what Next says
	Fault Level = "fault" // it does not
)

// Finding is one thing that was looked at.
type Finding struct {
	Code  string `json:"code"` // the same in every language
	Level Level  `json:"level"`
	Says  string `json:"says"`
	Next  string `json:"next,omitempty"` // what to do; "" when there is nothing to do
}

// Report is all that was found.
type Report struct {
	Version  string    `json:"version"`
	System   string    `json:"system"` // such as linux/amd64
	At       time.Time `json:"at"`
	Language string    `json:"language"`
	Faults   int       `json:"faults"`
	Findings []Finding `json:"findings"`
}

// Doctor is what to look at. All but Root, Now and Bank is needed.
type Doctor struct {
	Language words.Language
	Version  string
	Program  string                        // the executable that browsers should start
	Release  func() (release.State, error) // of this program
	Config   *agent.Config                 // nil if there is none that can be read, and why:
	Unread   error
	Catalog  *device.Catalog
	Cards    agent.Cards
	Machine  *browser.Machine
	Dialogs  func() error                                                // nil when there is something to ask the customer with
	Bank     func(ctx context.Context, origin string) (time.Time, error) // the time that a page's server says; nil: it is not asked
	Root     string                                                      // below which the system's files lie; "": /
	Now      func() time.Time                                            // nil: time.Now
}

// round is one examination.
type round struct {
	*Doctor
	now      time.Time
	findings []Finding
}

// Examine looks at everything. It ends with ctx, and then says less.
func (d *Doctor) Examine(ctx context.Context) Report {
	r := &round{Doctor: d, now: time.Now()}
	if d.Now != nil {
		r.now = d.Now()
	}
	r.program()
	r.config()
	r.bank(ctx)
	r.dialogs()
	r.browsers()
	inv := d.Cards.Scan(ctx)
	r.service(inv.PCSC)
	unseen := r.usb(inv)
	r.readers(inv, unseen)
	r.modules(inv)
	r.tokens(ctx, inv)
	r.certificates(inv)
	report := Report{Version: d.Version, System: runtime.GOOS + "/" + runtime.GOARCH, At: r.now.UTC().Truncate(time.Second), Language: d.Language.String(), Findings: r.findings}
	for _, f := range r.findings {
		if f.Level == Fault {
			report.Faults++
		}
	}
	return report
}

// add tells a finding. The arguments are shown as they are: whoever passes a
// stranger's text has made it harmless.
func (r *round) add(l Level, code string, args ...any) {
	s := sentences[code]
	r.findings = append(r.findings, Finding{code, l, fill(s.says[r.Language], args), fill(s.next[r.Language], args)})
}

// fill puts the arguments where the sentence wants them, %[1]s and so on.
func fill(sentence string, args []any) string {
	if !strings.Contains(sentence, "%") {
		return sentence
	}
	return fmt.Sprintf(sentence, args...)
}

func (r *round) program() {
	state, err := r.Release()
	switch state {
	case release.Good:
		r.add(OK, "program-good", r.Version, runtime.GOOS)
	case release.NoKey:
		r.add(Warn, "program-own", r.Version, runtime.GOOS)
	case release.NoSums:
		r.add(Warn, "program-unsigned", r.Version, runtime.GOOS)
	default:
		r.add(Fault, "program-bad", err)
	}
}

func (r *round) config() {
	switch {
	case errors.Is(r.Unread, agent.ErrNoConfig):
		r.add(Fault, "config-missing", strings.Join(agent.Places(), ", "))
	case r.Config == nil:
		r.add(Fault, "config-bad", r.Unread)
	default:
		r.add(OK, "config-good", r.Config.File, linked.Show(r.Config.Bank), strings.Join(r.Config.Origins, ", "))
	}
}

// The clock may be that far from the bank's: a request of the bank ends within
// minutes.
const (
	clockWarn  = 30 * time.Second
	clockFault = 2 * time.Minute
)

func (r *round) bank(ctx context.Context) {
	if r.Config == nil || r.Bank == nil {
		return
	}
	for i, origin := range r.Config.Origins {
		began := time.Now()
		theirs, err := r.Bank(ctx, origin)
		if err != nil {
			r.add(Fault, "bank-away", origin, err)
			continue
		}
		r.add(OK, "bank-good", origin)
		if theirs.IsZero() || i > 0 {
			continue
		}
		off := r.now.Add(time.Since(began)).Sub(theirs).Round(time.Second)
		switch {
		case off.Abs() > clockFault:
			r.add(Fault, "clock-off", off)
		case off.Abs() > clockWarn:
			r.add(Warn, "clock-off", off)
		default:
			r.add(OK, "clock-good")
		}
	}
}

func (r *round) dialogs() {
	if err := r.Dialogs(); err != nil {
		r.add(Fault, "dialog-none")
		return
	}
	r.add(OK, "dialog-good")
}

func (r *round) browsers() {
	all, err := r.Machine.Registrations()
	if err != nil {
		r.add(Fault, "browser-failed", err)
		return
	}
	ours := 0
	for _, b := range all {
		program := linked.Show(b.Program)
		switch {
		case !b.Ours:
			r.add(Warn, "browser-other", b.Browser, b.Host, program, b.Where)
		case !r.installed(b.Program):
			r.add(Fault, "browser-gone", b.Browser, b.Host, program, b.Where)
		case filepath.Clean(b.Program) != filepath.Clean(r.Program):
			ours++
			r.add(Warn, "browser-elsewhere", b.Browser, b.Host, program, b.Where)
		default:
			ours++
			r.add(OK, "browser-good", b.Browser, b.Host)
		}
	}
	if ours == 0 {
		r.add(Fault, "browser-none")
	}
	if app := r.Machine.WebEIDApp(); app != "" {
		r.add(OK, "webeid-app", app)
	}
}

// installed tells whether a program is there, wherever it lies.
func (r *round) installed(path string) bool {
	_, err := release.Sum(path)
	return err == nil
}

// says reports whether a finding of that code was told.
func (r *round) says(code string) bool {
	for _, f := range r.findings {
		if f.Code == code {
			return true
		}
	}
	return false
}
