package linked

import (
	"fmt"
	"strings"
	"unicode"

	"mohur/agent/words"
)

// Title says in a few words what the text is for.
func (t *Text) Title(l words.Language) string {
	return l.Say(map[string]words.Key{LogIn: words.LogIn, Payment: words.Payment, Batch: words.Batch, Action: words.Action}[t.Type])
}

// Lines are all the facts, the most important ones first. No value has a character
// that is not seen or that moves others about.
func (t *Text) Lines(l words.Language) []words.Line {
	m := t.members
	var w writer
	w.language = l
	switch t.Type {
	case Payment:
		w.entry(entry{m.Reference, m.Amount, m.Payee, m.Purpose})
		w.add(words.Series, show(m.Series))
		w.payer(m)
	case Batch:
		w.add(words.Amount, m.Amount.text())
		w.add(words.Count, fmt.Sprint(m.Count))
		w.add(words.Purpose, show(m.Purpose))
		w.add(words.Reference, show(m.Reference))
		w.payer(m)
		if m.BatchSum != "" {
			w.lines = append(w.lines, words.Line{Label: w.language.Say(words.LongBatch)})
			w.add(words.BatchSum, m.BatchSum)
		}
		for i, e := range m.Batch {
			w.lines = append(w.lines, words.Line{Label: fmt.Sprintf("— %d —", i+1)})
			w.entry(e)
		}
	case Action:
		w.add(words.What, actionText(l, m.Action))
		w.add(words.Fingerprint, m.DataSum)
	}
	return w.lines
}

type writer struct {
	language words.Language
	lines    []words.Line
}

func (w *writer) add(label words.Key, value string) {
	if value != "" {
		w.lines = append(w.lines, words.Line{Label: w.language.Say(label), Value: value})
	}
}

func (w *writer) entry(e entry) {
	w.add(words.Amount, e.Amount.text())
	w.add(words.Payee, show(e.Payee.Name))
	w.add(words.Account, show(e.Payee.Account))
	w.add(words.PayeeBank, show(e.Payee.Bank))
	w.add(words.Country, show(e.Payee.Country))
	w.add(words.Purpose, show(e.Purpose))
	w.add(words.Reference, show(e.Reference))
}

func (w *writer) payer(m members) {
	w.add(words.Payer, show(m.Payer.Name))
	w.add(words.FromAccount, show(m.Payer.Account))
	w.add(words.Holder, show(m.Holder))
}

// actionText names an action in the customer's words; one this program does not
// know, as the server calls it.
func actionText(l words.Language, name string) string {
	for _, k := range []words.Key{words.ActionContacts, words.ActionPIN, words.ActionEnroll, words.ActionActivate, words.ActionLimits, words.ActionPayees, words.ActionApproval} {
		if string(k) == name {
			return l.Say(k)
		}
	}
	return show(name)
}

// text groups the digits: a zero too many is seen.
func (m *money) text() string {
	whole, fraction, _ := strings.Cut(m.Value, ".")
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + " " + whole[at:]
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return whole + fraction + " " + m.Currency
}

// blanks count as printable and show nothing.
const blanks = "\u115f\u1160\u2800\u3164\uffa0"

// rightToLeft are the scripts that turn round what stands beside them.
var rightToLeft = []*unicode.RangeTable{unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Samaritan,
	unicode.Mandaic, unicode.Adlam, unicode.Mende_Kikakui, unicode.Hanifi_Rohingya, unicode.Yezidi, unicode.Old_South_Arabian, unicode.Phoenician}

// show makes a stranger's text harmless to look at: what is not seen, turns the
// line round, pushes the rest to where a line begins or piles up on other letters is
// written as its number.
func show(s string) string {
	var b strings.Builder
	marks := 0
	runes := []rune(s)
	for i, r := range runes {
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		blank := r == ' ' && (i == 0 || i == len(runes)-1 || runes[i-1] == ' ')
		if blank || r == unicode.ReplacementChar || !unicode.IsPrint(r) || strings.ContainsRune(blanks, r) || unicode.In(r, rightToLeft...) || marks > 1 {
			fmt.Fprintf(&b, "[U+%04X]", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Show is show for the other texts a dialog has from a stranger, such as the name
// in a certificate; what is over 140 characters is cut and says so.
func Show(s string) string {
	runes := []rune(s)
	if len(runes) > 140 {
		return show(string(runes[:140])) + " […]"
	}
	return show(s)
}
