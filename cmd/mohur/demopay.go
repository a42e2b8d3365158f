package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

func paymentChapters() []chapter {
	return []chapter{
		{"He pays 20 AZN; that passes without a further proof, and is counted", paySmall},
		{"He pays 1,500 AZN; that asks for a proof of this amount and this payee", payLarge},
		{"A Trojan horse begins a payment of 9,500 AZN and offers his answer for it, in vain", changeAmount},
		{"He answers his own payment, with the token and the PIN; it is authorised", approve},
		{"The core system verifies the authorization, executes it, and cannot do so twice", execute},
	}
}

// paymentView is a transaction as the story needs it.
type paymentView struct {
	ID            string `json:"id"`
	Decision      string `json:"decision"`
	State         string `json:"state"`
	Exemption     string `json:"exemption"`
	Authorization string `json:"authorization"`
	Linked        struct {
		Text   string `json:"text"`
		SHA256 string `json:"sha256"`
	} `json:"linked"`
	Authentications []attempt `json:"authentications"`
}

// order is the body of a payment.
func (s *story) order(name, amount, payee, account string) map[string]any {
	return map[string]any{
		"access_token": s.access, "reference": "DEMO-" + s.run + "-" + name, "channel": "internet", "service": "transactional",
		"amount": map[string]string{"value": amount, "currency": "AZN"}, "purpose": "invoice " + name,
		"payer":   map[string]string{"name": "Leyla Əliyeva", "account": "AZ21NABZ00000000137010001944", "bank": "Example Bank"},
		"payee":   map[string]string{"name": payee, "account": account, "bank": "Example Bank", "country": "AZ"},
		"context": demoContext(),
	}
}

// pay begins a payment, on which the server is to decide so.
func (s *story) pay(ctx context.Context, decision string, order map[string]any) (t paymentView, err error) {
	err = s.ask(ctx, frontend, http.MethodPost, "/v1/transactions", order, http.StatusCreated, &t)
	if err == nil && t.Decision != decision {
		err = fmt.Errorf("the decision is %s (%s) and was to be %s", t.Decision, t.State, decision)
	}
	return t, err
}

func paySmall(ctx context.Context, s *story) error {
	t, err := s.pay(ctx, "approved", s.order("1", "20.00", "Kitab Evi", "AZ96AZEJ00000000001234567890"))
	if err != nil {
		return err
	}
	if t.Exemption != "low_value" {
		return fmt.Errorf("the exemption is %q and was to be low_value", t.Exemption)
	}
	claims, err := s.authorization(ctx, t.Authorization)
	if err != nil {
		return err
	}
	s.findf("exemption low_value: at most 50 AZN each, 5 in a row, 150 AZN in sum; the authorization says so (%v)", claims["exemption"])
	return nil
}

func payLarge(ctx context.Context, s *story) error {
	t, err := s.pay(ctx, "step_up", s.order("2", "1500.00", "Xəzər Mebel MMC", "AZ77VTBA00000000001234500001"))
	if err != nil {
		return err
	}
	asked, err := t.question()
	if err != nil {
		return err
	}
	s.own = asked
	text, err := s.send(ctx, nobody, http.MethodGet, "/v1/linked/"+t.Linked.SHA256, "", nil, nil, http.StatusOK)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), `"1500.00"`) || !strings.Contains(string(text), "AZ77VTBA00000000001234500001") {
		return errors.New("the linked text does not name amount and payee")
	}
	s.findf("the question %s stands for the SHA-256 of a text with amount and payee in it", asked.question)
	return nil
}

// question returns what the token will be asked for a payment.
func (t paymentView) question() (*demoPayment, error) {
	if len(t.Authentications) != 1 {
		return nil, fmt.Errorf("%d authentications were opened and one was to be", len(t.Authentications))
	}
	a := t.Authentications[0]
	if !slices.ContainsFunc(a.Ways, func(w []string) bool { return slices.Equal(w, []string{"ocra", "pin"}) }) {
		return nil, fmt.Errorf("the ways are %v and one was to be ocra with pin", a.Ways)
	}
	for _, m := range a.Methods {
		if m.Method == "ocra" {
			return &demoPayment{id: t.ID, authentication: a.ID, question: m.Question, sha256: t.Linked.SHA256}, nil
		}
	}
	return nil, errors.New("no question for the token was sent")
}

func changeAmount(ctx context.Context, s *story) error {
	own := s.own
	var err error
	if own.answer, err = s.tokens[0].answer(own.question); err != nil {
		return err
	}
	t, err := s.pay(ctx, "step_up", s.order("3", "9500.00", "Somebody Else", "AZ00XXXX00000000009999999999"))
	if err != nil {
		return err
	}
	other, err := t.question()
	if err != nil {
		return err
	}
	if _, err := s.answer(ctx, other.authentication, "pin", s.pin, "pending"); err != nil {
		return err
	}
	if err := s.refuse(ctx, other.authentication, "ocra", own.answer); err != nil {
		return err
	}
	s.findf("an answer for one amount and payee is worth nothing for another")
	return nil
}

func approve(ctx context.Context, s *story) error {
	own := s.own
	if _, err := s.answer(ctx, own.authentication, "pin", s.pin, "pending"); err != nil {
		return err
	}
	a, err := s.answer(ctx, own.authentication, "ocra", own.answer, "granted")
	if err != nil {
		return err
	}
	if a.Transaction.State != "approved" || a.ACR != "linked" {
		return fmt.Errorf("the payment is %s at level %s; it was to be approved at linked", a.Transaction.State, a.ACR)
	}
	own.authorization = a.Transaction.Authorization
	s.findf("the same answer that was refused for the other payment is right for this one")
	return nil
}

func execute(ctx context.Context, s *story) error {
	own := s.own
	claims, err := s.authorization(ctx, own.authorization)
	if err != nil {
		return err
	}
	payee, _ := claims["payee"].(map[string]any)
	amount, _ := claims["amount"].(map[string]any)
	if amount["value"] != "1500.00" || payee["account"] != "AZ77VTBA00000000001234500001" || claims["sha256"] != own.sha256 {
		return fmt.Errorf("the authorization is for %v to %v", amount, payee)
	}
	s.findf("signed by the HSM: 1500.00 AZN to %v, level %v", payee["name"], claims["acr"])
	in := map[string]any{"jti": claims["jti"], "state": "executed"}
	if err := s.ask(ctx, core, http.MethodPost, "/v1/transactions/"+own.id+"/status", in, http.StatusOK, nil); err != nil {
		return err
	}
	if err := s.ask(ctx, core, http.MethodPost, "/v1/transactions/"+own.id+"/status", in, http.StatusConflict, nil); err != nil {
		return err
	}
	s.findf("executed once, and once only")
	return nil
}

// authorization verifies a compact JWS with nothing but the published keys.
func (s *story) authorization(ctx context.Context, text string) (map[string]any, error) {
	set, err := s.send(ctx, core, http.MethodGet, "/.well-known/jwks.json", "", nil, nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	payload, err := verifyJWS(text, set, "mohur-authorization+jwt")
	if err != nil {
		return nil, fmt.Errorf("the authorization: %w", err)
	}
	var claims map[string]any
	return claims, json.Unmarshal(payload, &claims)
}
