package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// chapter is one step of the story: what happens, in plain words, and the calls
// that make it happen. It fails when anything goes otherwise than told.
type chapter struct {
	title string
	play  func(ctx context.Context, s *story) error
}

// exchange is one request with its answer, as it is shown: secrets shortened.
type exchange struct {
	Who    string          `json:"who"`
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Sent   json.RawMessage `json:"sent,omitempty"`
	Status int             `json:"status"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// story is what has happened so far: who takes part, and what they hold.
type story struct {
	http *http.Client
	base string
	c    *Config
	run  string // makes every name of this run new

	keys map[string]string // API key by the name of its client
	told []exchange        // of the chapter being played
	says []string          // what the chapter found, in words

	transportKey []byte
	tokens       []*demoToken // of the batch; the first is handed out
	token        string       // its id
	customer     string
	pin          string
	session      string
	access       string // token of the session
	lastCode     string
	refusal      []byte // the one refusal, as first seen
	own          *demoPayment
}

// demoPayment is a payment that waits for its proof.
type demoPayment struct {
	id, authentication, question string
	sha256                       string // of the linked text
	answer                       string // of the token, to the question
	authorization                string
}

func (s *story) findf(format string, args ...any) {
	s.says = append(s.says, fmt.Sprintf(format, args...))
}

// unexpected is what a step says when the server answered otherwise than told.
type unexpected struct {
	what string
	want int
	got  int
	body []byte
}

func (e *unexpected) Error() string {
	return fmt.Sprintf("%s was to be answered with %d and was answered with %d: %s", e.what, e.want, e.got, clip(string(e.body), 400))
}

// clip cuts a text after n characters.
func clip(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n]) + "…"
}

// ask sends JSON as one of the clients, expects a status and decodes the answer.
func (s *story) ask(ctx context.Context, who, method, path string, in any, want int, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	answer, err := s.send(ctx, who, method, path, "application/json", body, shortened(body), want)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// send sends one request and notes the exchange.
func (s *story) send(ctx context.Context, who, method, path, contentType string, body []byte, shown json.RawMessage, want int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if key := s.keys[who]; key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the server cannot be reached: %w; start it with `mohur serve --config %s`", err, s.c.File)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	s.told = append(s.told, exchange{Who: who, Method: method, Path: path, Sent: shown, Status: resp.StatusCode, Answer: shortened(answer)})
	if resp.StatusCode != want {
		return nil, &unexpected{what: method + " " + path, want: want, got: resp.StatusCode, body: answer}
	}
	return answer, nil
}

// until asks again and again until done says so, for at most a minute.
func until(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
