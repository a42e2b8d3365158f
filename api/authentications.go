package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"mohur/authn"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
)

type subjectIn struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

type actionIn struct {
	Name string         `json:"name"`
	Data jsontext.Value `json:"data"`
}

// contextIn is what a front end tells of the customer's surroundings. Every
// member is optional; one that is missing raises the risk.
type contextIn struct {
	IP        string `json:"ip"`
	UserAgent string `json:"user_agent"`
	DeviceID  string `json:"device_id"`
	Country   string `json:"country"`
	Malware   *bool  `json:"malware"`
}

func (c *contextIn) signals() risk.Signals {
	if c == nil {
		return risk.Signals{}
	}
	return risk.Signals{IP: c.IP, UserAgent: c.UserAgent, DeviceID: c.DeviceID, Country: c.Country, Malware: c.Malware}
}

type beginIn struct {
	Customer  string     `json:"customer"`
	Subject   *subjectIn `json:"subject"`
	Purpose   string     `json:"purpose"`
	Action    *actionIn  `json:"action"`
	Channel   string     `json:"channel"`
	ACR       string     `json:"acr"`
	MaxAge    *int64     `json:"max_age"` // whatever it is: a proof is made now
	Token     string     `json:"access_token"`
	Binding   string     `json:"binding"`
	Context   *contextIn `json:"context"`
	Responses []answerIn `json:"responses"`
	DPoP      *string    `json:"dpop"`
	HTM       *string    `json:"htm"`
	HTU       *string    `json:"htu"`
	X5T       *string    `json:"x5t"`
}

type authenticationOut struct {
	ID        string          `json:"id"`
	State     string          `json:"state"`
	Purpose   string          `json:"purpose"`
	Channel   string          `json:"channel"`
	ACR       string          `json:"acr"`
	Shown     string          `json:"shown"`
	AMR       []string        `json:"amr"`
	Methods   []methodOut     `json:"methods"`
	Challenge challengeOut    `json:"challenge"`
	Ways      [][]string      `json:"ways"`
	Risk      riskOut         `json:"risk"`
	ExpiresAt time.Time       `json:"expires_at"`
	Spent     *bool           `json:"spent,omitzero"` // of a granted action
	Session   *sessionGrant   `json:"session,omitzero"`
	Payment   *transactionRef `json:"transaction,omitzero"`
}

type methodOut struct {
	Method      string          `json:"method"`
	Credentials []authn.Offered `json:"credentials"`
	Question    string          `json:"question,omitzero"`
	// What the customer types on his device, in this order, for a question that he
	// can read: the amount in minor units and digits of the payee's account.
	TypeOnDevice []string `json:"type_on_device,omitzero"`
	// What the page passes to navigator.credentials.get as publicKey.
	Options jsontext.Value `json:"options,omitzero"`
	// What a page on Origin passes to the Web eID extension.
	Nonce  string `json:"nonce,omitzero"`
	Origin string `json:"origin,omitzero"`
}

// challengeOut is a text and its SHA-256, base64url without padding (RFC 4648
// section 5): the form in which /v1/linked takes it.
type challengeOut struct {
	Text   string `json:"text"`
	SHA256 string `json:"sha256"`
}

type riskOut struct {
	Score   int           `json:"score"`
	Reasons []risk.Reason `json:"reasons"`
	Policy  int           `json:"policy_version"`
}

// riskOf writes a score with its reasons; where only the codes were kept, their
// texts are looked up.
func (x *exchange) riskOf(score int, reasons []risk.Reason, codes []string, policy int) riskOut {
	if reasons == nil {
		for _, code := range codes {
			reasons = append(reasons, risk.Reason{Code: code, Text: x.server.Authn.Policy().Text(code)})
		}
	}
	return riskOut{Score: score, Reasons: reasons, Policy: policy}
}

// challengeOf writes a challenge, which can be fetched until it expires by whoever
// knows its hash. An auditor is told the hash after that, and the text never.
func (x *exchange) challengeOf(text, sum []byte, expires time.Time) challengeOut {
	out := challengeOut{Text: string(text), SHA256: base64.RawURLEncoding.EncodeToString(sum)}
	if x.audits() {
		out.Text = ""
		if x.server.Now().Before(expires) {
			out.SHA256 = ""
		}
	}
	return out
}

// authenticationOf writes an attempt. It says the same of a decoy as of a real
// one.
func (x *exchange) authenticationOf(v authn.View) authenticationOut {
	a := v.Attempt
	out := authenticationOut{
		ID: a.ID, State: string(a.State), Purpose: string(a.Purpose), Channel: string(a.Channel), ACR: string(a.ACR), Shown: a.Shown, AMR: a.AMR,
		Challenge: x.challengeOf(v.Text, a.SHA256, a.ExpiresAt), Risk: x.riskOf(a.Score, v.Reasons, a.Reasons, x.server.Authn.Policy().Version), ExpiresAt: a.ExpiresAt.UTC(),
	}
	if a.Purpose == authn.Login && !x.decides() { // which rule holds tells who somebody is
		out.Risk.Reasons = slices.DeleteFunc(slices.Clone(out.Risk.Reasons), func(r risk.Reason) bool { return r.Code != "signal-missing" })
	}
	if a.Purpose == authn.Action && a.State == authn.Granted {
		out.Spent = &a.Spent
	}
	for _, o := range a.Offers {
		m := methodOut{Method: string(o.Method), Credentials: o.Credentials, Question: o.Question, TypeOnDevice: o.Typed, Options: o.Options, Nonce: o.Nonce, Origin: o.Origin}
		if x.audits() {
			m = methodOut{Method: m.Method, Credentials: m.Credentials}
		}
		out.Methods = append(out.Methods, m)
	}
	for _, way := range a.Ways {
		methods := make([]string, len(way))
		for i, m := range way {
			methods[i] = string(m)
		}
		out.Ways = append(out.Ways, methods)
	}
	return out
}

// begin opens an authentication; responses that come with it are judged like
// later ones, in their order, until one is refused or the last one grants.
func (x *exchange) begin(ctx context.Context, in beginIn) (reply, error) {
	cmd, err := x.opening(in)
	if err != nil {
		return reply{}, err
	}
	answers, err := in.answers()
	if err != nil {
		return reply{}, err
	}
	if cmd.Possession, err = x.possession(ctx, possessionIn{in.DPoP, in.HTM, in.HTU, in.X5T}); err != nil {
		return reply{}, err
	}
	v, err := x.server.Authn.Begin(ctx, cmd)
	if err != nil {
		return reply{}, err
	}
	out := x.authenticationOf(v)
	for _, a := range answers {
		a.Caller, a.Attempt = x.by, v.Attempt.ID
		if a.Binding == "" {
			a.Binding = in.Binding
		}
		judged, err := x.server.Authn.Answer(ctx, a)
		if err != nil {
			return reply{}, err
		}
		out.State, out.ACR, out.Shown, out.AMR = string(judged.Attempt.State), string(judged.Attempt.ACR), judged.Attempt.Shown, judged.Attempt.AMR
		out.Session, out.Payment = x.sessionGranted(judged.Session), transactionGranted(judged.Transaction)
		if judged.Attempt.State != authn.Pending {
			break
		}
	}
	return created(out)
}

// opening makes the command of a request.
func (x *exchange) opening(in beginIn) (authn.BeginCommand, error) {
	var c problem.Check
	c.Unless(in.Customer == "" || in.Subject == nil, "customer", "needs either customer or subject")
	cmd := authn.BeginCommand{
		Caller: x.by, Customer: in.Customer, Purpose: authn.Purpose(in.Purpose), Channel: parties.Channel(in.Channel), ACR: authn.ACR(in.ACR),
		Binding: in.Binding, Signals: in.Context.signals(), AccessToken: in.Token,
	}
	c.Unless(in.MaxAge == nil || *in.MaxAge >= 0 && *in.MaxAge <= 31536000, "max_age", notSeconds)
	if in.Subject != nil {
		cmd.Customer = in.Subject.id(&c)
	}
	c.Unless(!parties.IsStaff(in.Customer), "customer", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	if in.Action != nil {
		action := in.Action.named(&c)
		cmd.Action = &action
	}
	return cmd, c.Err()
}

// getAuthentication returns an authentication as it stands, never a token.
func (x *exchange) getAuthentication(ctx context.Context) (reply, error) {
	v, err := x.server.Authn.LookAttempt(ctx, x.by, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	return ok(x.authenticationOf(v))
}

// getLinkedAtOrigin is getLinked under the path at which a card agent asks the page's
// origin.
func (x *exchange) getLinkedAtOrigin(ctx context.Context) (reply, error) { return x.getLinked(ctx) }

// getLinked gives the text behind a challenge hash, byte for byte, to anyone who
// knows the hash: a card agent shows it before it asks for the PIN.
func (x *exchange) getLinked(ctx context.Context) (reply, error) {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(x.id("hash"))
	if err != nil || len(sum) != 32 && len(sum) != 48 && len(sum) != 64 { // SHA-384 and SHA-512 of what certificates for documents sign
		return reply{}, problem.New(problem.NotFound, "there is no such challenge")
	}
	text, err := x.server.Authn.ChallengeText(ctx, sum)
	if problem.Is(err, problem.NotFound) {
		text, err = x.server.Enrollment.Text(ctx, sum)
	}
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, raw: text}, nil
}
