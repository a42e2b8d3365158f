package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"mohur/agent/dialog"
	"mohur/agent/linked"
	"mohur/agent/words"
)

// Tried is one signature of a trial.
type Tried struct {
	Certificate string        `json:"certificate"` // name and issuer
	Profile     string        `json:"profile"`     // of the device
	Module      string        `json:"module"`
	Key         string        `json:"key"`       // such as RSA-2048
	Algorithm   string        `json:"algorithm"` // RS256…ES512
	Took        time.Duration `json:"took_ns"`   // with the customer's time for the PIN
	Fault       string        `json:"fault,omitempty"`
}

// Trial has the key of every usable certificate sign a text made up here, and holds
// the signature against the certificate: does this card work on this machine? Nothing
// leaves it. With every, each algorithm that fits is tried; each asks for the PIN. The
// error is that nothing could be tried, or that the customer cancelled.
func (a *Agent) Trial(ctx context.Context, every bool) ([]Tried, error) {
	l := words.Pick(a.Config.Language, os.Getenv("LC_ALL"), os.Getenv("LANG"))
	s := &session{agent: a, ctx: ctx, language: l, ask: ask{origin: "–"}}
	var err error
	if s.dialog, err = a.Dialog(l); err != nil {
		return nil, err
	}
	inv := a.Cards.Scan(ctx)
	toLogIn, _ := usable(inv.Found, logIn, l, a.now())
	toSign, _ := usable(inv.Found, signing, l, a.now())
	var done []Tried
	for i, f := range append(toLogIn, toSign...) {
		if i >= len(toLogIn) && slices.ContainsFunc(toLogIn, func(o Found) bool { return o.Certificate.Equal(f.Certificate) }) {
			continue // for both
		}
		fits := algorithms(f.Profile, f.Certificate)
		if !every {
			fits = fits[:1]
		}
		title := words.EnterPIN
		if i >= len(toLogIn) {
			title = words.EnterPINSign
		}
		for _, algorithm := range fits {
			began := time.Now()
			err := s.try(f, title, algorithm)
			t := Tried{Certificate: s.describe(f), Profile: linked.Show(f.Profile.Name), Module: f.Module, Key: keyName(f.Certificate.PublicKey), Algorithm: algorithm, Took: time.Since(began)}
			if err != nil {
				t.Fault = err.Error()
			}
			done = append(done, t)
			if errors.Is(err, dialog.ErrCancelled) {
				return done, err
			}
			if ctx.Err() != nil {
				return done, ctx.Err()
			}
		}
	}
	if len(done) == 0 {
		return nil, fatalf("there is no certificate to try; mohur-card doctor says why")
	}
	return done, nil
}

// trialText begins what is signed: it is no challenge text, nor two or three hashes.
const trialText = "mohur-card trial: worth nothing\n"

func (s *session) try(f Found, ask words.Key, algorithm string) error {
	h := hashOf(algorithm).New()
	h.Write([]byte(trialText + rand.Text()))
	page := s.page(s.language.Say(words.Trial), "")
	page.Lines = append(page.Lines, words.Line{Label: algorithm})
	text := &linked.Text{Expires: s.agent.now().Add(patience)}
	_, err := s.withPIN(job{found: f, text: text, page: page, ask: ask, algorithm: algorithm, digest: h.Sum(nil)})
	return err
}

// keyName is a key's type and size.
func keyName(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return k.Curve.Params().Name
	}
	return "?"
}
