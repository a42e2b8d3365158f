package enrollment

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"mohur/audit"
	"mohur/authn/otp"
	"mohur/canonical"
	"mohur/hsm"
	"mohur/ident"
	"mohur/notify"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// The life of a secret by the channel it is sent over, and the tries it takes.
var secretLife = map[string]time.Duration{"sms": 10 * time.Minute, "email": 24 * time.Hour, "letter": 21 * 24 * time.Hour}

const (
	secretTries  = 5
	secretLength = 12 // base32 characters: 60 random bits
)

// The states of a secret.
const (
	secretOpen = "open"
	secretUsed = "used"
	secretDead = "dead"
)

// SecretCommand asks for an activation secret to be sent.
type SecretCommand struct {
	Caller   parties.Caller
	Customer string
	Purpose  string // pin, enroll, activate
	Token    string // activate
	Channel  string // sms, email, letter
}

// SentSecret is what the sender is told. Text is there in development only.
type SentSecret struct {
	Secret Secret
	SentTo string // masked
	Text   string
}

// SendSecret makes an activation secret and queues it to the customer over a
// channel other than the token's own way. An older one of the same purpose dies.
func (s *Service) SendSecret(ctx context.Context, cmd SecretCommand) (SentSecret, error) {
	var c problem.Check
	c.Unless(slices.Contains([]string{"pin", "enroll", "activate"}, cmd.Purpose), "purpose", "needs to be pin, enroll or activate")
	c.Unless(secretLife[cmd.Channel] > 0, "channel", "needs to be sms, email or letter")
	c.Unless((cmd.Token != "") == (cmd.Purpose == "activate"), "token", "goes with purpose activate, and only with it")
	if err := c.Err(); err != nil {
		return SentSecret{}, err
	}
	if parties.IsStaff(cmd.Customer) { // he has his link
		return SentSecret{}, problem.New(problem.NotFound, "there is no such customer")
	}
	customer, err := s.Parties.Get(ctx, cmd.Customer)
	if err != nil {
		return SentSecret{}, err
	}
	if customer.State != parties.CustomerActive {
		return SentSecret{}, problem.New(problem.Conflict, "the customer is suspended")
	}
	profile, err := s.Parties.Profile(ctx, customer)
	if err != nil {
		return SentSecret{}, err
	}
	sentTo, err := address(profile, cmd.Channel)
	if err != nil {
		return SentSecret{}, err
	}
	now := s.Now().UTC()
	secret := Secret{
		ID: ident.New("as"), Customer: customer.ID, Purpose: cmd.Purpose, Channel: cmd.Channel, State: secretOpen,
		CreatedAt: now, ExpiresAt: now.Add(secretLife[cmd.Channel]), Version: 1,
	}
	if cmd.Purpose == "activate" {
		if err := s.forToken(ctx, cmd, customer, &secret); err != nil {
			return SentSecret{}, err
		}
	}
	return s.send(ctx, cmd, customer, profile, secret, sentTo)
}

// forToken checks that the token is on its way to this customer and not by the
// way of the secret (RTS Art. 25: never both features through one channel).
func (s *Service) forToken(ctx context.Context, cmd SecretCommand, c parties.Customer, secret *Secret) error {
	t, err := s.Token(ctx, cmd.Token)
	if err != nil {
		return err
	}
	if t.Customer != c.ID || !slices.Contains([]tokens.State{tokens.Assigned, tokens.Shipped, tokens.Delivered}, t.State) {
		return problem.New(problem.Conflict, "the token is not on its way to this customer")
	}
	if t.Profile == appProfile {
		return problem.New(problem.Conflict, "an app token is activated by its enrolment, not by a secret")
	}
	posted := slices.ContainsFunc(t.History, func(h tokens.Change) bool { return h.Move == tokens.Ship })
	if posted && cmd.Channel == "letter" {
		return problem.New(problem.Conflict, "the token was shipped: its secret goes by sms or email, not by the same way")
	}
	secret.Token = t.ID
	for _, id := range t.Credentials {
		cred, err := s.Store.Credential(ctx, id)
		if err != nil {
			return problem.Away(err)
		}
		if cred.Kind == tokens.OCRA {
			if secret.Question, err = activationQuestion(cred, t, *secret); err != nil {
				return problem.Away(err)
			}
		}
	}
	return nil
}

// activationQuestion is what an OCRA token is asked at its activation, derived
// from a challenge text like every question of the house.
func activationQuestion(c tokens.Credential, t tokens.Token, secret Secret) (string, error) {
	suite, err := otp.ParseSuite(c.Suite)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, 16)
	rand.Read(nonce)
	text, err := canonical.JSON(map[string]any{
		"v": 1, "typ": "action", "action": "credential.activate", "sub": secret.Customer, "token": t.ID,
		"nonce": base64.RawURLEncoding.EncodeToString(nonce), "exp": secret.ExpiresAt.Unix(),
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return suite.Derive(sum[:]), nil
}

// address returns where the secret goes, masked.
func address(p parties.Profile, channel string) (string, error) {
	switch {
	case channel == "sms" && p.Phone != "":
		return "•••" + p.Phone[max(0, len(p.Phone)-2):], nil
	case channel == "email" && strings.Contains(p.Email, "@"):
		return p.Email[:1] + "•••" + p.Email[strings.LastIndex(p.Email, "@"):], nil
	case channel == "letter":
		return "the address of the contract", nil
	}
	return "", problem.New(problem.Conflict, "the customer has no contact for the channel "+channel)
}

func (s *Service) send(ctx context.Context, cmd SecretCommand, c parties.Customer, p parties.Profile, secret Secret, sentTo string) (SentSecret, error) {
	text := strings.ToUpper(ident.Text(8)[:secretLength])
	mac, err := s.secretMAC(ctx, secret, text)
	if err != nil {
		return SentSecret{}, err
	}
	secret.Digest = mac
	n := notify.Notice{
		ID: ident.New("no"), Customer: c.ID, Channel: cmd.Channel, Kind: "activation-secret",
		CreatedAt: secret.CreatedAt, ExpiresAt: secret.ExpiresAt,
	}
	content := []byte(text)
	if cmd.Channel == "letter" { // whole and ready to print: whoever prints it knows nothing of the server
		if content, err = s.letter(c, p, secret, text); err != nil {
			return SentSecret{}, err
		}
	}
	if n.Sealed, err = s.Keys.Seal(ctx, c.Key, notify.Place(n.ID), content); err != nil {
		return SentSecret{}, problem.Away(err)
	}
	// One at a time: two at once would each end the older ones and leave both.
	s.sending.Lock()
	defer s.sending.Unlock()
	for range maxTries {
		what, err := s.oneWay(ctx, c, secret.Purpose, secret.Channel)
		switch {
		case err != nil:
			return SentSecret{}, err
		case what != "":
			return SentSecret{}, byOneWay(what, secret.Channel)
		}
		effects, err := s.superseded(ctx, secret)
		if err != nil {
			return SentSecret{}, err
		}
		effects = append(effects, SaveSecret{secret}, notify.Queue{Notice: n}, parties.RequireCustomer{ID: c.ID, Version: c.Version})
		r, err := s.settle(ctx, effects, s.secretEvent(cmd.Caller, c, secret, "secret.sent", secretOpen, ""))
		if err != nil {
			return SentSecret{}, err
		}
		if r.Outcome == settle.Stale {
			if c, err = s.Parties.Get(ctx, c.ID); err != nil {
				return SentSecret{}, err
			}
			if c.State != parties.CustomerActive {
				return SentSecret{}, problem.New(problem.Conflict, "the customer is suspended")
			}
		}
		if r.Outcome == settle.Done {
			out := SentSecret{Secret: secret, SentTo: sentTo}
			if s.Development {
				out.Text = text
			}
			return out, nil
		}
	}
	return SentSecret{}, errContended
}

// superseded ends the open secrets of the same purpose.
func (s *Service) superseded(ctx context.Context, secret Secret) ([]settle.Effect, error) {
	open, err := s.Store.OpenSecrets(ctx, secret.Customer, secret.Purpose, secret.Token)
	if err != nil {
		return nil, problem.Away(err)
	}
	var out []settle.Effect
	for _, old := range open {
		old.State = secretDead
		old.Version++
		out = append(out, SaveSecret{old})
	}
	return out, nil
}

var asPrinted = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1")

// secretMAC is what is kept of a secret, bound to its id, person and purpose, so
// that one never passes for another. Letter case, hyphens and letters read for digits
// are nothing to stumble over: no secret has an O, I or L.
func (s *Service) secretMAC(ctx context.Context, secret Secret, text string) ([]byte, error) {
	text = asPrinted.Replace(strings.ToUpper(text))
	mac, err := s.HSM.MAC(ctx, hsm.IdempotencyMAC, "activation-secret/v1", []byte(secret.ID), []byte(secret.Customer), []byte(secret.Purpose), []byte(secret.Token), []byte(text))
	if err != nil {
		return nil, problem.Away(err)
	}
	return mac, nil
}

// judgeSecret finds the open secret and compares it. It returns the secret as
// it will be, and the cause when it is refused; the caller settles it in either
// case, since a wrong try counts.
func (s *Service) judgeSecret(ctx context.Context, c parties.Customer, purpose, token, text string) (*Secret, string, error) {
	open, err := s.Store.OpenSecrets(ctx, c.ID, purpose, token)
	if err != nil {
		return nil, "", problem.Away(err)
	}
	if len(open) == 0 {
		_, err := s.secretMAC(ctx, Secret{}, text)
		return nil, "no-secret", err
	}
	secret := open[0]
	mac, err := s.secretMAC(ctx, secret, text)
	if err != nil {
		return nil, "", err
	}
	secret.Version++
	switch {
	case !s.Now().Before(secret.ExpiresAt):
		secret.State = secretDead
		return &secret, "secret-expired", nil
	case secret.CreatedAt.Before(c.Since):
		secret.State = secretDead
		return &secret, "sent-before-suspension", nil
	case !hmac.Equal(mac, secret.Digest):
		secret.fail()
		return &secret, "wrong-secret", nil
	}
	secret.State = secretUsed
	return &secret, "", nil
}

// fail counts a wrong try; after the last one the secret is dead.
func (x *Secret) fail() {
	x.State = secretOpen
	if x.Tries++; x.Tries >= secretTries {
		x.State = secretDead
	}
}

func (s *Service) secretEvent(by parties.Caller, c parties.Customer, secret Secret, name, outcome, reason string) audit.Event {
	return audit.Event{
		Name: name, Outcome: outcome, Reason: reason, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key}, Caller: by.ID, Request: by.Request,
		Detail: map[string]any{
			"secret": secret.ID, "customer": c.ID, "purpose": secret.Purpose, "token": secret.Token, "channel": secret.Channel,
			"tries": secret.Tries, "by": by.Name, "source": by.Source,
		},
	}
}
