package agent

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"slices"
	"time"

	"mohur/agent/dialog"
	"mohur/agent/linked"
	"mohur/agent/words"
)

// Agent does what pages ask. Its fields are set before the first use. It is for
// one command at a time, as there is one customer.
type Agent struct {
	Config   *Config
	Cards    Cards
	Resolver *linked.Resolver
	Version  string // of this program, in a token's appVersion
	// Dialog returns the dialogs to use.
	Dialog func(words.Language) (dialog.Dialog, error)
	Now    func() time.Time // nil: time.Now
	// Runtime is the user's directory with the lock by which one dialog at a time is
	// before the customer, whichever process shows it; see RuntimeDir. "": none is taken.
	Runtime string
}

// patience is how long a command may take with everything the customer does in it.
const patience = 5 * time.Minute

func (a *Agent) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

// Token is the answer to authenticate, the authentication token of Web eID.
type Token struct {
	Certificate string `json:"unverifiedCertificate"` // base64 of the DER
	Algorithm   string `json:"algorithm"`             // RS256…ES512
	Signature   string `json:"signature"`             // base64
	Format      string `json:"format"`
	AppVersion  string `json:"appVersion"`
}

// SigningCertificate is the answer to get-signing-certificate.
type SigningCertificate struct {
	Certificate string               `json:"certificate"` // base64 of the DER
	Algorithms  []SignatureAlgorithm `json:"supportedSignatureAlgorithms"`
}

// Signed is the answer to sign.
type Signed struct {
	Signature string             `json:"signature"` // base64
	Algorithm SignatureAlgorithm `json:"signatureAlgorithm"`
}

// Format is that of the agent's tokens. The card signs the hashes of agentPrefix,
// origin and nonce, three of them: a stock application signs two hashes of what a
// page gives it, so no page can have it make such a token.
const (
	Format      = "mohur:1"
	agentPrefix = "mohur-agent:1"
)

// appVersion is what a token says of the program that made it.
const appVersion = "https://mohur.example/mohur-card/releases/"

// Do does one command and returns its answer. Every error is an *Error. With
// asked, the customer is first asked whether this page may use the card at all.
func (a *Agent) Do(ctx context.Context, q Request, asked bool) (any, error) {
	answer, err := a.do(ctx, q, asked)
	if err != nil {
		return nil, refusal(err)
	}
	return answer, nil
}

func (a *Agent) do(ctx context.Context, q Request, asked bool) (any, error) {
	what, err := q.parse()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := &session{agent: a, ctx: ctx, ask: what, language: words.Pick(what.language, a.Config.Language, os.Getenv("LC_ALL"), os.Getenv("LANG"))}
	if s.dialog, err = a.Dialog(s.language); err != nil {
		return nil, fatalf("%v", err)
	}
	if !slices.Contains(a.Config.Origins, what.origin) {
		end, err := a.turn(ctx, turnForeign, 0)
		if err != nil {
			return nil, err
		}
		defer end()
		s.tell(s.language.Say(words.NotOurSite, linked.Show(what.origin)))
		return nil, fatalf("%s is not one of the configured origins", what.origin)
	}
	end, err := a.turn(ctx, turnOurs, turnTime)
	if err != nil {
		return nil, err
	}
	defer end()
	if asked {
		page := s.page(a.Config.Bank, s.language.Say(words.PageAsks))
		if err := s.dialog.Confirm(ctx, page); err != nil {
			return nil, err
		}
	}
	switch what.command {
	case Authenticate:
		return s.authenticate()
	case GetSigningCertificate:
		return s.signingCertificate()
	}
	return s.sign()
}

// session is one command on its way.
type session struct {
	agent    *Agent
	ctx      context.Context
	ask      ask
	language words.Language
	dialog   dialog.Dialog
}

// page is a dialog that says which bank and site it is about.
func (s *session) page(title, ask string) dialog.Page {
	return dialog.Page{Title: title, Ask: ask, Lines: []words.Line{
		{Label: s.language.Say(words.Bank), Value: linked.Show(s.agent.Config.Bank)},
		{Label: s.language.Say(words.Site), Value: s.ask.origin},
	}}
}

// resolve gets the text to sign and the page that shows it.
func (s *session) resolve() (*linked.Text, dialog.Page, error) {
	text, err := s.agent.Resolver.Resolve(s.ctx, s.ask.origin, s.ask.hash, s.ask.sum)
	if err != nil {
		return nil, dialog.Page{}, s.told(err)
	}
	page := s.page(text.Title(s.language), "")
	page.Lines = append(page.Lines, text.Lines(s.language)...)
	return text, page, nil
}

// told shows an error of a resolver and returns it for the page.
func (s *session) told(err error) error {
	var e *linked.Error
	if s.ctx.Err() != nil || !errors.As(err, &e) {
		return err
	}
	s.tell(s.language.Say(e.Say))
	return fatalf("%v", err)
}

func (s *session) authenticate() (any, error) {
	text, page, err := s.resolve()
	if err != nil {
		return nil, err
	}
	f, err := s.choose(logIn, nil)
	if err != nil {
		return nil, err
	}
	algorithm := algorithms(f.Profile, f.Certificate)[0]
	signature, err := s.withPIN(job{found: f, text: text, page: page, ask: words.EnterPIN, algorithm: algorithm, digest: s.digest(algorithm)})
	if err != nil {
		return nil, err
	}
	return Token{
		Certificate: base64.StdEncoding.EncodeToString(f.Certificate.Raw), Algorithm: algorithm,
		Signature: base64.StdEncoding.EncodeToString(signature), Format: Format, AppVersion: appVersion + s.agent.Version,
	}, nil
}

// digest is what the card signs for a log-in.
func (s *session) digest(algorithm string) []byte {
	h := hashOf(algorithm)
	var parts []byte
	for _, part := range []string{agentPrefix, s.ask.origin, s.ask.nonce} {
		d := h.New()
		d.Write([]byte(part))
		parts = d.Sum(parts)
	}
	d := h.New()
	d.Write(parts)
	return d.Sum(nil)
}

func (s *session) signingCertificate() (any, error) {
	f, err := s.choose(signing, nil)
	if err != nil {
		return nil, err
	}
	page := s.page(s.agent.Config.Bank, s.language.Say(words.GiveCertificate))
	page.Lines = append(page.Lines, words.Line{Label: s.language.Say(words.Certificate), Value: s.describe(f)})
	if err := s.dialog.Confirm(s.ctx, page); err != nil {
		return nil, err
	}
	answer := SigningCertificate{Certificate: base64.StdEncoding.EncodeToString(f.Certificate.Raw)}
	for _, a := range algorithms(f.Profile, f.Certificate) {
		answer.Algorithms = append(answer.Algorithms, described(a))
	}
	return answer, nil
}

// sign signs the very hash, so that it is the signature of the text; that is why
// it takes none but certificates for signing: with the one for logging in, a text
// could be made that is a log-in.
func (s *session) sign() (any, error) {
	text, page, err := s.resolve()
	if err != nil {
		return nil, err
	}
	if text.Type != linked.Payment && text.Type != linked.Batch && !text.Enrols() {
		s.tell(s.language.Say(words.WrongText))
		return nil, fatalf("the text is no payment and no enrolment, and nothing else is signed with a signing certificate")
	}
	f, err := s.choose(signing, s.ask.certificate)
	if err != nil {
		return nil, err
	}
	for _, a := range algorithms(f.Profile, f.Certificate) {
		if hashOf(a) != s.ask.hash {
			continue
		}
		signature, err := s.withPIN(job{found: f, text: text, page: page, ask: words.EnterPINSign, algorithm: a, digest: s.ask.sum})
		if err != nil {
			return nil, err
		}
		return Signed{base64.StdEncoding.EncodeToString(signature), described(a)}, nil
	}
	s.tell(s.language.Say(words.NoAlgorithm))
	return nil, fatalf("the card does not sign with the hash function that was asked for")
}
