package agent

import (
	"errors"
	"slices"

	"mohur/agent/dialog"
	"mohur/agent/linked"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
)

// job is one signature that the customer has to allow with the PIN.
type job struct {
	found     Found
	text      *linked.Text
	page      dialog.Page
	ask       words.Key
	algorithm string
	digest    []byte
}

// tries is what is known of a PIN's tries.
type tries struct {
	last, low, locked bool
	left              int // -1: not told
	wrong             int // in this dialog
}

// state asks the card, if it tells, and the profile, if it does not.
func (s *session) state(f Found, before tries) tries {
	t := tries{last: before.last || f.Token.PINLast, low: before.low || f.Token.PINLow, locked: f.Token.PINLocked, left: -1, wrong: before.wrong}
	if n, ok := s.agent.Cards.Tries(s.ctx, f); ok {
		t.left, t.last, t.locked = n, n == 1, n == 0
	}
	if most := f.Profile.PIN.Tries; t.left < 0 && most > 0 && t.wrong >= most-1 {
		t.last = true
	}
	return t
}

// withPIN shows what is to be signed, asks for the PIN and signs. A PIN is asked
// for anew as often as the card takes one, with a warning before the last try.
func (s *session) withPIN(j job) ([]byte, error) {
	j.page.Lines = append(j.page.Lines, words.Line{Label: s.language.Say(words.Certificate), Value: s.describe(j.found)})
	state := s.state(j.found, tries{})
	var again []string // what went wrong before
	for range maxRounds {
		if state.locked {
			s.tell(s.language.Say(words.Locked))
			return nil, fatalf("the card is locked")
		}
		page := j.page
		page.Warnings = append(again[:len(again):len(again)], s.warnings(state, j.found)...)
		pin, err := s.enter(page, j)
		if err != nil {
			return nil, err
		}
		if why := s.length(pin, j.found); why != "" {
			clear(pin)
			again = []string{why}
			continue
		}
		if err := s.agent.Resolver.Fresh(j.text); err != nil {
			clear(pin)
			return nil, s.told(err)
		}
		signature, err := s.agent.Cards.Sign(s.ctx, j.found, j.algorithm, j.digest, pin, state.last)
		clear(pin)
		if err == nil {
			return s.checked(j, signature)
		}
		var retry bool
		if again, retry = s.retry(err, &state); !retry {
			return nil, s.failed(err)
		}
		state = s.state(j.found, state)
	}
	return nil, fatalf("the PIN was wrong too often")
}

// enter returns the PIN, nil where it is entered on the reader.
func (s *session) enter(page dialog.Page, j job) ([]byte, error) {
	if j.found.Token.PINPad {
		page.Ask = s.language.Say(words.PINOnReader)
		return nil, s.dialog.Confirm(s.ctx, page)
	}
	page.Ask = s.language.Say(j.ask)
	return s.dialog.PIN(s.ctx, page)
}

func (s *session) warnings(t tries, f Found) []string {
	say := s.language.Say
	switch {
	case t.last:
		return []string{say(words.LastTry), say(words.LastTryConfirm)}
	case t.left > 0 && (t.low || t.wrong > 0 || t.left < f.Profile.PIN.Tries):
		return []string{say(words.TriesLeft, t.left)}
	case t.low && t.wrong == 0:
		return []string{say(words.FewTries)}
	}
	return nil
}

// length says what is wrong with a PIN that the card cannot have, which saves a try.
func (s *session) length(pin []byte, f Found) string {
	least, most := f.Token.MinPIN, f.Token.MaxPIN
	if f.Profile.PIN.Max > 0 && (most == 0 || f.Profile.PIN.Max < most) {
		most = f.Profile.PIN.Max
	}
	if least == 0 {
		least = 1
	}
	if f.Token.PINPad || len(pin) >= least && (most == 0 || len(pin) <= most) {
		return ""
	}
	return s.language.Say(words.PINLength, least, most)
}

// retry tells whether the customer may try again, and with which words.
func (s *session) retry(err error, t *tries) ([]string, bool) {
	var f *pkcs11.Failure
	if !errors.As(err, &f) {
		return nil, false
	}
	switch f.Kind {
	case pkcs11.PINIncorrect:
		t.wrong++
		t.low, t.last = true, t.last || f.PINLast
		return []string{s.language.Say(words.WrongPIN)}, true
	case pkcs11.PINInvalid:
		return []string{s.language.Say(words.WrongPIN)}, true
	case pkcs11.LastTry:
		t.last = true
		return nil, true
	}
	return nil, false
}

// failureWords are what the customer is told; what is not here is a failed card.
var failureWords = map[pkcs11.Kind]words.Key{
	pkcs11.PINLocked: words.Locked, pkcs11.PINUnset: words.PINUnset, pkcs11.Gone: words.CardGone,
	pkcs11.Timeout: words.CardTimeout, pkcs11.Unsupported: words.NoAlgorithm,
}

func failureWord(err error) words.Key {
	if k, ok := failureWords[kindOf(err)]; ok {
		return k
	}
	return words.CardFailed
}

func (s *session) failed(err error) error {
	switch {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case kindOf(err) == pkcs11.Cancelled:
		return dialog.ErrCancelled
	}
	s.tell(s.language.Say(failureWord(err)))
	return fatalf("%v", err)
}

// checked holds the signature against the certificate before it leaves.
func (s *session) checked(j job, signature []byte) ([]byte, error) {
	if !verifies(j.algorithm, j.found.Certificate.PublicKey, j.digest, signature) {
		s.tell(s.language.Say(words.BadSignature))
		return nil, fatalf("the card's signature does not fit its certificate")
	}
	return slices.Clone(signature), nil
}
