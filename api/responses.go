package api

import (
	"context"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"mohur/authn"
	"mohur/problem"
)

// answerIn is one response. Each method has one member of its own; credential
// (WebAuthn) and token (Web eID) are opaque here.
type answerIn struct {
	Method       string         `json:"method"`
	CredentialID string         `json:"credential_id"`
	Code         string         `json:"code"`
	PIN          string         `json:"pin"`
	TLSCode      string         `json:"tls_code"`
	Credential   jsontext.Value `json:"credential"`
	Token        jsontext.Value `json:"token"`
	Binding      string         `json:"binding"`
	Context      *contextIn     `json:"context"`
	DPoP         *string        `json:"dpop"`
	HTM          *string        `json:"htm"`
	HTU          *string        `json:"htu"`
	X5T          *string        `json:"x5t"`
}

// carriers says which member carries the response of a method. A certificate that a
// card has shown over TLS comes as a code in place of its token.
var carriers = map[string]string{
	"otp": "code", "ocra": "code", "pin": "pin", "fido": "credential", "card": "token", "card-sign": "token",
}

// overTLS reports whether the response is a code of the client-certificate listener.
func (a *answerIn) overTLS() bool { return a.Method == "card" && a.TLSCode != "" && len(a.Token) == 0 }

// secret returns what is to be judged.
func (a *answerIn) secret(path string) (string, error) {
	wanted, known := carriers[a.Method]
	if a.overTLS() {
		wanted = "tls_code"
	}
	var c problem.Check
	c.Unless(known, path+"method", "needs to be otp, ocra, pin, fido, card or card-sign")
	secret := ""
	for _, m := range a.members() {
		switch {
		case !known:
		case m.name == wanted:
			c.Unless(m.value != "", path+m.name, "is needed with this method")
			secret = m.value
		default:
			c.Unless(m.value == "", path+m.name, "does not go with this method")
		}
	}
	c.Unless(len(a.Code) <= maxSecret, path+"code", "is too long")
	c.Unless(len(a.PIN) <= maxSecret, path+"pin", "is too long")
	c.Unless(len(a.Credential) <= authn.MaxResponse, path+"credential", "is too long")
	c.Unless(len(a.Token) <= authn.MaxResponse, path+"token", "is too long")
	c.Unless(len(a.TLSCode) <= maxSecret, path+"tls_code", "is too long")
	c.Unless(len(a.CredentialID) <= maxName, path+"credential_id", "is too long")
	c.Unless(len(a.Binding) <= maxBinding, path+"binding", "has at most 512 bytes")
	if err := c.Err(); err != nil {
		return "", err
	}
	return secret, nil
}

// part is a member of a request and its text.
type part struct{ name, value string }

func (a *answerIn) members() []part {
	return []part{
		{"code", a.Code}, {"pin", a.PIN}, {"tls_code", a.TLSCode}, {"credential", string(a.Credential)}, {"token", string(a.Token)},
	}
}

func (a *answerIn) command(path string) (authn.AnswerCommand, error) {
	secret, err := a.secret(path)
	if err != nil {
		return authn.AnswerCommand{}, err
	}
	return authn.AnswerCommand{Method: authn.Method(a.Method), Credential: a.CredentialID, Secret: secret, Binding: a.Binding, IP: a.Context.signals().IP, TLS: a.overTLS()}, nil
}

// maxBinding bounds the value a front end binds an attempt to, in bytes.
const maxBinding = authn.MaxBinding

// maxResponses is how many responses may come with the first request: a way has
// two.
const maxResponses = 4

func (in beginIn) answers() ([]authn.AnswerCommand, error) {
	if len(in.Responses) > maxResponses {
		return nil, invalid("responses", "has at most "+quantity(maxResponses))
	}
	out := make([]authn.AnswerCommand, 0, len(in.Responses))
	for i := range in.Responses {
		r, path := &in.Responses[i], "responses."+strconv.Itoa(i)+"."
		a, err := r.command(path)
		if err != nil {
			return nil, err
		}
		if r.DPoP != nil || r.HTM != nil || r.HTU != nil || r.X5T != nil {
			return nil, invalid(path+"dpop", "goes with the request itself, and so do htm, htu and x5t")
		}
		out = append(out, a)
	}
	return out, nil
}

// verdictOut is the answer to a response that was not refused.
type verdictOut struct {
	ID      string          `json:"id"`
	State   string          `json:"state"`
	ACR     string          `json:"acr"`
	Shown   string          `json:"shown"`
	AMR     []string        `json:"amr"`
	Session *sessionGrant   `json:"session,omitzero"`
	Payment *transactionRef `json:"transaction,omitzero"`
}

// transactionRef is what a granted proof tells of its transaction.
type transactionRef struct {
	ID            string `json:"id"`
	State         string `json:"state"`
	Authorization string `json:"authorization,omitzero"`
}

func transactionGranted(t *authn.TransactionResult) *transactionRef {
	if t == nil {
		return nil
	}
	return &transactionRef{ID: t.ID, State: t.State, Authorization: t.Authorization}
}

// respond judges one response.
func (x *exchange) respond(ctx context.Context, in answerIn) (reply, error) {
	cmd, err := in.command("")
	if err != nil {
		return reply{}, err
	}
	cmd.Caller, cmd.Attempt = x.by, x.id("id")
	if cmd.Possession, err = x.possession(ctx, possessionIn{in.DPoP, in.HTM, in.HTU, in.X5T}); err != nil {
		return reply{}, err
	}
	v, err := x.server.Authn.Answer(ctx, cmd)
	if err != nil {
		return reply{}, err
	}
	a := v.Attempt
	return ok(verdictOut{
		ID: a.ID, State: string(a.State), ACR: string(a.ACR), Shown: a.Shown, AMR: a.AMR,
		Session: x.sessionGranted(v.Session), Payment: transactionGranted(v.Transaction),
	})
}
