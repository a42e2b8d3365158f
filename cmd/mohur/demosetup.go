package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
)

// Who takes part, by the names their clients have in the story.
const (
	admin    = "admin"
	operator = "operator"
	frontend = "e-banking"
	core     = "core"
	helpdesk = "helpdesk"
	auditor  = "auditor"
	nobody   = "anybody"
)

func openingChapters() []chapter {
	return []chapter{
		{"A development server is up: HSM, store and audit log answer", ready},
		{"The admin makes a client for each system that will call, each with one role", makeClients},
		{"The manufacturer's transport key goes into the HSM and stays there", bringTransportKey},
		{"The branch imports a batch of tokens, every seed encrypted under that key", importBatch},
	}
}

func ready(ctx context.Context, s *story) error {
	var out struct {
		Development bool `json:"development"`
	}
	if err := s.ask(ctx, nobody, http.MethodGet, "/readyz", nil, http.StatusOK, &out); err != nil {
		return err
	}
	if !out.Development {
		return fmt.Errorf("the server at %s is not for development", s.base)
	}
	return nil
}

func makeClients(ctx context.Context, s *story) error {
	for _, c := range []struct{ name, role string }{
		{operator, "operator"}, {frontend, "frontend"}, {core, "core"}, {helpdesk, "helpdesk"}, {auditor, "auditor"},
	} {
		var out struct {
			Key string `json:"key"`
		}
		in := newClient{Name: "demo-" + c.name + "-" + s.run, Roles: []string{c.role}}
		if err := s.ask(ctx, admin, http.MethodPost, "/v1/clients", in, http.StatusCreated, &out); err != nil {
			return err
		}
		s.keys[c.name] = out.Key
	}
	// What a role is not for, it may not: the core system lists no tokens.
	if err := s.ask(ctx, core, http.MethodGet, "/v1/tokens", nil, http.StatusForbidden, nil); err != nil {
		return err
	}
	s.findf("a client may call what its role is for, and nothing else")
	return nil
}

func (s *story) transportName() string { return "demo-" + lower(s.run) }

func bringTransportKey(ctx context.Context, s *story) error {
	s.transportKey = make([]byte, 16)
	rand.Read(s.transportKey)
	in := newTransport{Name: s.transportName(), Hex: hex.EncodeToString(s.transportKey)}
	return s.ask(ctx, admin, http.MethodPost, "/v1/keys/transport", in, http.StatusCreated, nil)
}

// batchSize is how many tokens the batch has, each with two keys.
const batchSize = 5

func importBatch(ctx context.Context, s *story) error {
	for i := range batchSize {
		s.tokens = append(s.tokens, newDemoToken(fmt.Sprintf("DEMO-%s-%02d", s.run, i+1)))
	}
	file, err := writeDemoBatch(s.transportKey, s.transportName(), s.tokens)
	if err != nil {
		return err
	}
	if bytes.Contains(file, []byte(hex.EncodeToString(s.tokens[0].hotpSeed))) {
		return fmt.Errorf("the file holds a seed in the clear")
	}
	job, err := s.sendBatch(ctx, file)
	if err != nil {
		return err
	}
	err = until(ctx, func() (bool, error) {
		s.told = s.told[:1] // of the polling only the last answer is told
		err := s.ask(ctx, operator, http.MethodGet, "/v1/token-imports/"+job.ID, nil, http.StatusOK, &job)
		return job.State != "running", err
	})
	if err != nil {
		return err
	}
	if job.State != "completed" || job.Imported != 2*batchSize || job.Rejected != 0 {
		return fmt.Errorf("the import is %s: %d imported, %d rejected %s", job.State, job.Imported, job.Rejected, job.Error)
	}
	s.findf("%d tokens with two keys each are in stock; their seeds are wrapped by a key of the HSM", batchSize)
	return s.ask(ctx, admin, http.MethodDelete, "/v1/keys/transport/"+s.transportName(), nil, http.StatusNoContent, nil)
}

// sendBatch sends the file as a form.
func (s *story) sendBatch(ctx context.Context, file []byte) (job importView, err error) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	o := importOptions{format: "pskc", transportKey: s.transportName(), batch: "demo-" + s.run}
	if err := o.form(w, bytes.NewReader(file), "batch.xml"); err != nil {
		return job, err
	}
	shown, err := json.Marshal(map[string]any{
		"file": fmt.Sprintf("batch.xml, %d bytes", len(file)), "format": o.format, "transport_key": o.transportKey, "batch": o.batch,
	})
	if err != nil {
		return job, err
	}
	answer, err := s.send(ctx, operator, http.MethodPost, "/v1/token-imports", w.FormDataContentType(), body.Bytes(), shown, http.StatusAccepted)
	if err != nil {
		return job, err
	}
	return job, json.Unmarshal(answer, &job)
}
