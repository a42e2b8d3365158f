package api

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/problem"
	"mohur/settle"
)

// recorded is an answer as it is kept, without what is shown once. It names
// people, so it is sealed under the bank's key, at the place of its scope.
type recorded struct {
	Status  int             `json:"status,omitzero"`
	Body    jsontext.Value  `json:"body,omitzero"`
	Session string          `json:"session,omitzero"` // whose token the body has held
	Code    problem.Code    `json:"code,omitzero"`    // of a refusal
	Detail  string          `json:"detail,omitzero"`
	Fields  []problem.Field `json:"fields,omitzero"`
	At      time.Time       `json:"at"`
}

func answerPlace(scope string) string { return "memory/answer/" + scope }

// shownOnce are the members that no answer shows a second time, wherever in it
// they stand.
var shownOnce = []string{"access_token", "secret", "key", "link", "uri", "qr"}

// conclude keeps what came of a request. That it could not be kept is no failure
// of the request: who sends it again is told to look.
func (x *exchange) conclude(ctx context.Context, r settle.Remember, out reply, refusal error) {
	if out.raw != nil || out.stream != nil || out.handler != nil {
		return // not an answer of one of these routes
	}
	ctx, cancel := context.WithTimeout(ctx, x.server.waits.answer)
	defer cancel()
	text, err := x.noted(out, refusal)
	if err == nil {
		text, err = x.server.Authn.Keys.Seal(ctx, x.server.Authn.Bank, answerPlace(r.Scope), text)
	}
	if err == nil {
		err = x.server.Store.Conclude(ctx, r, text)
	}
	if err != nil {
		x.server.Logger.WarnContext(ctx, "an answer could not be kept for its repeats", "request", x.by.Request, "route", x.route.path, "error", err)
	}
}

func (x *exchange) noted(out reply, refusal error) ([]byte, error) {
	rec := recorded{Status: out.status, At: x.server.Now().UTC()}
	if refusal != nil {
		p := asProblem(refusal)
		rec = recorded{Code: p.Code, Detail: p.Detail, Fields: p.Fields, At: rec.At}
	}
	if out.body != nil && refusal == nil {
		text, err := json.Marshal(out.body, json.Deterministic(true))
		if err != nil {
			return nil, err
		}
		if rec.Body, err = rewrite(text, rec.redact); err != nil {
			return nil, err
		}
	}
	return json.Marshal(rec)
}

// redact takes out of an object what is shown once, and notes whose session it
// was about.
func (rec *recorded) redact(object map[string]any) (changed bool) {
	for _, name := range shownOnce {
		if v, there := object[name]; !there || v == nil || v == "" {
			continue
		}
		if id, is := object["id"].(string); is && name == "access_token" {
			rec.Session = id
		}
		object[name], changed = nil, true
	}
	if changed {
		object["already_issued"] = true
	}
	return changed
}

// rewrite applies f to every object of a JSON text. A text that f leaves as it is
// comes back byte for byte.
func rewrite(text []byte, f func(map[string]any) bool) ([]byte, error) {
	var v any
	d := stdjson.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // a number is not made another one
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if !visit(v, f) {
		return text, nil
	}
	return stdjson.Marshal(v)
}

func visit(v any, f func(map[string]any) bool) (changed bool) {
	switch v := v.(type) {
	case map[string]any:
		changed = f(v)
		for _, member := range v {
			changed = visit(member, f) || changed
		}
	case []any:
		for _, element := range v {
			changed = visit(element, f) || changed
		}
	}
	return changed
}

// replay tells a recorded answer again.
func (x *exchange) replay(ctx context.Context, m settle.Memory) (reply, error) {
	text, err := x.server.Authn.Keys.Open(ctx, x.server.Authn.Bank, answerPlace(m.Scope), m.Answer)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	var rec recorded
	if err := json.Unmarshal(text, &rec); err != nil {
		return reply{}, problem.Away(err)
	}
	x.w.Header().Set("Idempotency-Replayed", "true")
	if rec.Code != "" {
		return reply{}, &problem.Error{Code: rec.Code, Detail: rec.Detail, Fields: rec.Fields}
	}
	if age := x.server.Now().Sub(rec.At); rec.Session != "" && age >= 0 && age < againWithin {
		if err := x.handAgain(ctx, &rec); err != nil {
			return reply{}, err
		}
	}
	if rec.Body == nil {
		return reply{status: rec.Status}, nil
	}
	return reply{status: rec.Status, raw: rec.Body}, nil
}

// handAgain puts a new access token where the first one was: the caller, who is
// the same, may have lost it with his connection. A session that is over by now
// has none.
func (x *exchange) handAgain(ctx context.Context, rec *recorded) error {
	g, err := x.server.Authn.Again(ctx, x.by, rec.Session)
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	rec.Body, err = rewrite(rec.Body, func(object map[string]any) bool {
		token, there := object["access_token"]
		if object["id"] != rec.Session || !there || token != nil {
			return false
		}
		object["access_token"], object["expires_at"], object["idle_expires_at"] = g.AccessToken, g.ExpiresAt.UTC(), g.IdleAt.UTC()
		delete(object, "already_issued")
		return true
	})
	return err
}
