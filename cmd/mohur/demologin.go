package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

func loginChapters() []chapter {
	return []chapter{
		{"He logs in with a code from the token and his PIN", logIn},
		{"A code that was seen on its way is offered again, and refused", replay},
		{"A thief guesses the PIN, and learns nothing", guessPIN},
	}
}

// demoContext is what the front end tells of the customer's surroundings.
func demoContext() map[string]string {
	return map[string]string{"ip": "203.0.113.7", "user_agent": "Demo/1.0", "device_id": "phone-1", "country": "AZ"}
}

// attempt is an authentication as the story needs it.
type attempt struct {
	ID      string     `json:"id"`
	State   string     `json:"state"`
	Ways    [][]string `json:"ways"`
	Methods []struct {
		Method   string `json:"method"`
		Question string `json:"question"`
	} `json:"methods"`
	Session struct {
		ID          string `json:"id"`
		AccessToken string `json:"access_token"`
	} `json:"session"`
	Transaction struct {
		ID            string `json:"id"`
		State         string `json:"state"`
		Authorization string `json:"authorization"`
	} `json:"transaction"`
	ACR string   `json:"acr"`
	AMR []string `json:"amr"`
}

// begin opens a log-in.
func (s *story) begin(ctx context.Context) (a attempt, err error) {
	err = s.ask(ctx, frontend, http.MethodPost, "/v1/authentications", map[string]any{
		"customer": s.customer, "purpose": "login", "channel": "internet", "binding": "cookie-" + s.run, "context": demoContext(),
	}, http.StatusCreated, &a)
	return a, err
}

// response is the body of an answer to an attempt.
func (s *story) response(method, value string) map[string]string {
	in := map[string]string{"method": method, "binding": "cookie-" + s.run}
	if method == "pin" {
		in["pin"] = value
	} else {
		in["code"] = value
	}
	return in
}

// answer sends one response to an attempt, which is to leave it in a state.
func (s *story) answer(ctx context.Context, id, method, value, state string) (a attempt, err error) {
	err = s.ask(ctx, frontend, http.MethodPost, "/v1/authentications/"+id+"/responses", s.response(method, value), http.StatusOK, &a)
	if err == nil && a.State != state {
		err = fmt.Errorf("the authentication is %s and was to be %s", a.State, state)
	}
	return a, err
}

func logIn(ctx context.Context, s *story) error {
	a, err := s.begin(ctx)
	if err != nil {
		return err
	}
	s.lastCode = s.tokens[0].code()
	if _, err := s.answer(ctx, a.ID, "otp", s.lastCode, "pending"); err != nil {
		return err
	}
	full, err := s.answer(ctx, a.ID, "pin", s.pin, "granted")
	if err != nil {
		return err
	}
	s.session, s.access = full.Session.ID, full.Session.AccessToken
	if s.access == "" {
		return errors.New("no access token was handed out")
	}
	s.findf("level %s, by %v; the access token is signed in the HSM and lives five minutes", full.ACR, full.AMR)
	return nil
}

// refuse sends a response that has to meet the one refusal, the same to the byte
// whatever its cause.
func (s *story) refuse(ctx context.Context, id, method, value string) error {
	body, err := json.Marshal(s.response(method, value))
	if err != nil {
		return err
	}
	answer, err := s.send(ctx, frontend, http.MethodPost, "/v1/authentications/"+id+"/responses", "application/json", body, shortened(body), http.StatusForbidden)
	if err != nil {
		return err
	}
	var members map[string]any
	if err := json.Unmarshal(answer, &members); err != nil {
		return err
	}
	delete(members, "instance") // the id of the request
	same, err := json.Marshal(members)
	if err != nil {
		return err
	}
	if s.refusal == nil {
		s.refusal = same
	}
	if !bytes.Equal(s.refusal, same) {
		return fmt.Errorf("this refusal differs from the first one: %s and %s", same, s.refusal)
	}
	return nil
}

// pinThen opens a log-in and sends a PIN, which is never judged alone.
func (s *story) pinThen(ctx context.Context, pin string) (id string, err error) {
	a, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	_, err = s.answer(ctx, a.ID, "pin", pin, "pending")
	return a.ID, err
}

func replay(ctx context.Context, s *story) error {
	id, err := s.pinThen(ctx, s.pin)
	if err != nil {
		return err
	}
	if err := s.refuse(ctx, id, "otp", s.lastCode); err != nil {
		return err
	}
	s.findf("one code is accepted once, ever")
	return nil
}

func guessPIN(ctx context.Context, s *story) error {
	id, err := s.pinThen(ctx, "482913")
	if err != nil {
		return err
	}
	if err := s.refuse(ctx, id, "otp", "000000"); err != nil {
		return err
	}
	s.findf("without the token the PIN is not even looked at: it cannot be tried out, nor locked by strangers")
	if id, err = s.pinThen(ctx, "482913"); err != nil {
		return err
	}
	if err := s.refuse(ctx, id, "otp", s.tokens[0].code()); err != nil {
		return err
	}
	s.findf("a right code with a wrong PIN is refused with the same answer, to the byte")
	return nil
}
