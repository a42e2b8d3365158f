package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"mohur/agent"
	"mohur/agent/linked"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
)

func (r *round) modules(inv agent.Inventory) {
	cards := 0
	for _, s := range inv.Readers {
		if s.ATR != nil {
			cards++
		}
	}
	for _, m := range inv.Modules {
		var f *pkcs11.Failure
		switch {
		case errors.As(m.Err, &f) && f.Kind == pkcs11.Module:
			r.add(Fault, "module-bad", m.Path, linked.Show(f.Detail))
		case m.Err != nil:
			r.add(Fault, "module-failed", m.Path, linked.Show(m.Err.Error()))
		case len(m.Tokens) == 0 && cards > 0:
			r.add(Warn, "module-empty", m.Path)
		default:
			r.add(OK, "module-good", m.Path, len(m.Tokens))
		}
	}
}

func (r *round) tokens(ctx context.Context, inv agent.Inventory) {
	told := map[string]bool{} // one token may be seen by several modules
	for _, m := range inv.Modules {
		for _, t := range m.Tokens {
			if id := t.Reader + "\x00" + t.Serial; t.Serial == "" || !told[id] {
				told[id] = true
				r.token(ctx, m.Path, t, inv)
			}
		}
	}
}

func (r *round) token(ctx context.Context, module string, t pkcs11.Token, inv agent.Inventory) {
	label := linked.Show(strings.TrimSpace(t.Label))
	r.add(OK, "token", label, linked.Show(strings.TrimSpace(t.Serial)), linked.Show(strings.TrimSpace(t.Manufacturer+" "+t.Model)), module)
	left, told := -1, false
	for _, f := range inv.Found {
		if f.Token.Reader == t.Reader && f.Token.Serial == t.Serial {
			left, told = r.Cards.Tries(ctx, f)
			break
		}
	}
	switch {
	case t.PINLocked || told && left == 0:
		r.add(Fault, "pin-locked", label)
	case t.PINLast || told && left == 1:
		r.add(Warn, "pin-last", label)
	case t.PINLow && told:
		r.add(Warn, "pin-low-left", label, left)
	case t.PINLow:
		r.add(Warn, "pin-low", label)
	case told:
		r.add(OK, "pin-left", label, left)
	}
}

// soon is how long before its end a certificate should be renewed.
const soon = 30 * 24 * time.Hour

func (r *round) certificates(inv agent.Inventory) {
	login := 0 // certificates that log in now
	for _, f := range inv.Found {
		if toLogIn, _ := f.Uses(); toLogIn && f.Strong() && r.inForce(f.Certificate) {
			login++
		}
	}
	tokens := 0
	for _, m := range inv.Modules {
		tokens += len(m.Tokens)
	}
	for _, f := range inv.Found {
		c := f.Certificate
		toLogIn, toSign := f.Uses()
		args := []any{name(c), linked.Show(c.Issuer.CommonName), r.use(toLogIn, toSign), day(c.NotAfter), day(c.NotBefore)}
		switch {
		case r.now.After(c.NotAfter) && toLogIn && login == 0:
			r.add(Fault, "certificate-expired", args...)
		case r.now.After(c.NotAfter):
			r.add(Warn, "certificate-expired", args...)
		case r.now.Before(c.NotBefore):
			r.add(Fault, "certificate-early", args...)
		case !f.Strong():
			r.add(Fault, "certificate-weak", args...)
		case c.NotAfter.Sub(r.now) < soon:
			r.add(Warn, "certificate-ending", args...)
		default:
			r.add(OK, "certificate", args...)
		}
	}
	if tokens > 0 && login == 0 && !r.says("certificate-expired") && !r.says("certificate-early") && !r.says("certificate-weak") {
		r.add(Fault, "certificate-none")
	}
}

func (r *round) inForce(c *x509.Certificate) bool {
	return !r.now.After(c.NotAfter) && !r.now.Before(c.NotBefore)
}

func (r *round) use(toLogIn, toSign bool) string {
	key := "use-none"
	switch {
	case toLogIn && toSign:
		key = "use-both"
	case toLogIn:
		key = "use-login"
	case toSign:
		key = "use-sign"
	}
	return sentences[key].says[r.Language]
}

func name(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return linked.Show(c.Subject.CommonName)
	}
	return linked.Show(c.Subject.String())
}

func day(t time.Time) string { return t.Format("02.01.2006") }

// Text is the report as a person reads it.
func (r Report) Text(l words.Language) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-5s  %s\n", f.Level, f.Says)
		if f.Next != "" && f.Level != OK {
			fmt.Fprintf(&b, "       → %s\n", f.Next)
		}
	}
	sum := "sum-good"
	if r.Faults > 0 {
		sum = "sum-faults"
	}
	fmt.Fprintf(&b, "\n%s\n", fill(sentences[sum].says[l], []any{r.Faults}))
	return b.String()
}
