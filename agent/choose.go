package agent

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"mohur/agent/device"
	"mohur/agent/dialog"
	"mohur/agent/linked"
	"mohur/agent/pcsc"
	"mohur/agent/words"
)

// use is what a certificate is wanted for.
type use int

const (
	logIn   use = iota // digitalSignature, and clientAuth if it lists extended usages
	signing            // contentCommitment (nonRepudiation)
)

func (u use) fits(c *x509.Certificate) bool {
	if u == signing {
		return commits(c)
	}
	return c.KeyUsage&x509.KeyUsageDigitalSignature != 0 &&
		(len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth))
}

func commits(c *x509.Certificate) bool { return c.KeyUsage&x509.KeyUsageContentCommitment != 0 }

// usable returns the certificates for a use, and a sentence for each that would be
// one but for its dates or its key.
func usable(all []Found, u use, l words.Language, now time.Time) (good []Found, why []string) {
	for _, f := range all {
		c := f.Certificate
		switch {
		case !u.fits(c):
		case now.After(c.NotAfter):
			why = append(why, l.Say(words.Expired, nameOf(f), day(c.NotAfter)))
		case now.Before(c.NotBefore):
			why = append(why, l.Say(words.NotYetValid, nameOf(f), day(c.NotBefore)))
		case !strong(c.PublicKey):
			why = append(why, l.Say(words.WeakKey, nameOf(f)))
		default:
			good = append(good, f)
		}
	}
	// A certificate that also signs documents is for documents, where there is another.
	if u == logIn {
		only := slices.DeleteFunc(slices.Clone(good), func(f Found) bool { return commits(f.Certificate) })
		if len(only) > 0 {
			good = only
		}
	}
	return good, why
}

func day(t time.Time) string { return t.Format("02.01.2006") }

// nameOf is what the customer knows the certificate by.
func nameOf(f Found) string {
	name := f.Certificate.Subject.CommonName
	if name == "" {
		name = f.Certificate.Subject.String()
	}
	return linked.Show(name)
}

func (s *session) describe(f Found) string {
	return fmt.Sprintf("%s (%s, %s)", nameOf(f), linked.Show(f.Certificate.Issuer.CommonName), s.language.Say(words.ValidUntil, day(f.Certificate.NotAfter)))
}

// maxRounds is how often the customer is asked the same before the agent gives up.
const maxRounds = 10

// choose finds the card to use and asks the customer for it until it is there.
func (s *session) choose(u use, wanted []byte) (Found, error) {
	for range maxRounds {
		inv := s.agent.Cards.Scan(s.ctx)
		if err := s.ctx.Err(); err != nil {
			return Found{}, err
		}
		good, why := usable(inv.Found, u, s.language, s.agent.now())
		if wanted != nil {
			good = slices.DeleteFunc(good, func(f Found) bool { return !bytes.Equal(f.Certificate.Raw, wanted) })
		}
		switch len(good) {
		case 1:
			return good[0], nil
		case 0:
			page := s.page(s.language.Say(words.Certificate), "")
			page.Warnings, page.Ask = s.missing(inv, u, why, wanted != nil)
			if err := s.dialog.Confirm(s.ctx, page); err != nil {
				return Found{}, err
			}
		default:
			return s.pick(good)
		}
	}
	return Found{}, fatalf("no usable card was put in")
}

func (s *session) pick(good []Found) (Found, error) {
	var choices []string
	for _, f := range good {
		choices = append(choices, s.describe(f))
	}
	page := s.page(s.language.Say(words.Certificate), s.language.Say(words.ChooseCertificate))
	n, err := s.dialog.Choose(s.ctx, page, choices)
	if err == nil && (n < 0 || n >= len(good)) {
		err = dialog.ErrCancelled
	}
	if err != nil {
		return Found{}, err
	}
	return good[n], nil
}

// missing says why there is no card to use, and what to do.
func (s *session) missing(inv Inventory, u use, why []string, other bool) (warnings []string, ask string) {
	say := s.language.Say
	warnings = why
	if errors.Is(inv.PCSC, pcsc.ErrNoService) || errors.Is(inv.PCSC, pcsc.ErrNoLibrary) {
		warnings = append(warnings, say(words.NoService))
	}
	cards := 0
	for _, r := range inv.Readers {
		if r.Present {
			cards++
		}
		switch {
		case r.Mute:
			warnings = append(warnings, say(words.MuteCard))
		case r.ATR == nil:
		case r.Profile.Kind == device.Unsupported:
			warnings = append(warnings, say(words.UselessDevice, linked.Show(r.Profile.Name)))
		case len(r.Modules) == 0 && r.Known:
			warnings = append(warnings, say(words.NoModule, linked.Show(r.Profile.Name)))
		case !r.Known && len(inv.Found) == 0:
			warnings = append(warnings, say(words.UnknownCard, fmt.Sprintf("%X", r.ATR)))
		}
	}
	for _, m := range inv.Modules {
		if m.Err != nil {
			warnings = append(warnings, say(failureWord(m.Err)))
		}
	}
	switch {
	case len(inv.Found) > 0 && other:
		return warnings, say(words.OtherCard)
	case len(inv.Found) > 0 && len(why) == 0 && u == signing:
		warnings = append(warnings, say(words.NoSigning))
	case len(inv.Found) > 0 && len(why) == 0:
		warnings = append(warnings, say(words.NoCertificate))
	}
	if inv.PCSC == nil && len(inv.Readers) == 0 && len(inv.Found) == 0 {
		return warnings, say(words.InsertReader)
	}
	return warnings, say(words.InsertCard)
}

// busy: nothing the agent shows waits for ever.
func (s *session) tell(sentence string) {
	ctx, cancel := context.WithTimeout(s.ctx, tellTime)
	defer cancel()
	page := s.page(s.agent.Config.Bank, s.language.Say(words.NothingSigned))
	page.Warnings = []string{sentence}
	_ = s.dialog.Tell(ctx, page)
}

// tellTime is how long an error stands on the screen before the page gets it.
const tellTime = 30 * time.Second

// Uses tells what the certificate is for, whatever its dates.
func (f Found) Uses() (toLogIn, toSign bool) {
	return logIn.fits(f.Certificate), signing.fits(f.Certificate)
}

// Strong tells whether the key is one that the bank takes.
func (f Found) Strong() bool { return strong(f.Certificate.PublicKey) }
