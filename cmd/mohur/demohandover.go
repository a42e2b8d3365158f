package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"strings"

	"mohur/authn/pin"
)

func lower(s string) string { return strings.ToLower(s) }

func handoverChapters() []chapter {
	return []chapter{
		{"The branch enters a customer with his contract", putCustomer},
		{"The customer chooses a PIN; a secret sent to his phone proves that it is he", choosePIN},
		{"A token is assigned to him, shipped and delivered", handOver},
		{"He brings it to life with a secret from another channel and a code from the token", activate},
	}
}

func putCustomer(ctx context.Context, s *story) error {
	s.customer = "DEMO-" + s.run
	return s.ask(ctx, operator, http.MethodPut, "/v1/customers/"+s.customer, map[string]any{
		"name": "Leyla Əliyeva", "locale": "az", "segment": "retail",
		"contacts":     map[string]string{"phone": "+994501234567", "email": "leyla@example.az"},
		"contract_ref": "K-" + s.run, "contract_version": "1", "kyc_ref": "V-" + s.run,
	}, http.StatusCreated, nil)
}

// secret has an activation secret sent, and reads it where a development server
// tells it: in the answer.
func (s *story) secret(ctx context.Context, purpose, channel, token string) (secret, question string, err error) {
	in := map[string]string{"purpose": purpose, "channel": channel}
	if token != "" {
		in["token"] = token
	}
	var out struct{ Secret, Question string }
	err = s.ask(ctx, operator, http.MethodPost, "/v1/customers/"+s.customer+"/activation-secrets", in, http.StatusCreated, &out)
	return out.Secret, out.Question, err
}

func choosePIN(ctx context.Context, s *story) error {
	s.pin = randomPIN()
	in := map[string]any{"pin": s.pin}
	if err := s.ask(ctx, frontend, http.MethodPut, "/v1/customers/"+s.customer+"/pin", in, http.StatusForbidden, nil); err != nil {
		return err
	}
	s.findf("without a proof of the customer nobody sets his PIN, staff least of all")
	secret, _, err := s.secret(ctx, "pin", "sms", "")
	if err != nil {
		return err
	}
	in["proof"] = map[string]string{"activation_secret": secret}
	return s.ask(ctx, frontend, http.MethodPut, "/v1/customers/"+s.customer+"/pin", in, http.StatusNoContent, nil)
}

// randomPIN is six digits that a bank lets a customer choose.
func randomPIN() string {
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(1e6))
		if err != nil {
			panic(err) // the system has no randomness
		}
		if p := fmt.Sprintf("%06d", n); (pin.Rules{}).Fault(p) == "" {
			return p
		}
	}
}

func handOver(ctx context.Context, s *story) error {
	ref := "/v1/tokens/serial:" + s.tokens[0].serial
	var t tokenView
	for _, move := range []struct {
		name string
		in   map[string]string
	}{
		{"assign", map[string]string{"customer": s.customer}},
		{"ship", map[string]string{"to": "Bakı, Nizami 1", "carrier": "Azərpoçt", "tracking": "AZ" + s.run}},
		{"deliver", map[string]string{"receipt": "signed by the customer"}},
	} {
		if err := s.ask(ctx, operator, http.MethodPost, ref+"/"+move.name, move.in, http.StatusOK, &t); err != nil {
			return err
		}
	}
	s.token = t.ID
	return s.expectState(t, "delivered")
}

func (s *story) expectState(t tokenView, want string) error {
	if t.State != want {
		return fmt.Errorf("the token is %s and was to be %s", t.State, want)
	}
	s.findf("the token %s is %s", s.tokens[0].serial, want)
	return nil
}

func activate(ctx context.Context, s *story) error {
	secret, _, err := s.secret(ctx, "activate", "email", s.token)
	if err != nil {
		return err
	}
	var t tokenView
	in := map[string]any{"activation_secret": secret, "response": map[string]string{"method": "otp", "code": s.tokens[0].code()}}
	if err := s.ask(ctx, frontend, http.MethodPost, "/v1/tokens/"+s.token+"/activate", in, http.StatusOK, &t); err != nil {
		return err
	}
	if err := s.expectState(t, "active"); err != nil {
		return err
	}
	if err := s.ask(ctx, frontend, http.MethodPost, "/v1/tokens/"+s.token+"/activate", in, http.StatusForbidden, nil); err != nil {
		return err
	}
	s.findf("the secret served once")
	return nil
}
