package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client speaks to the API: over the network with a key, over the socket as a
// user of this machine, or straight to a server inside this process.
type client struct {
	base string
	key  string
	http *http.Client
}

// callFor bounds one call; a file that is sent or an export gets longer.
const callFor = 30 * time.Second

// problemError is a problem document as people read it.
type problemError struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

func (e *problemError) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	for _, f := range e.Errors {
		text += "\n  " + f.Field + " " + f.Message
	}
	return text + " (" + fmt.Sprint(e.Status) + " " + strings.TrimPrefix(e.Type, "urn:mohur:problem:") + ")"
}

// call sends a JSON request and decodes the answer into out, unless that is
// nil. Any status but 2xx is a *problemError.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	resp, err := c.send(ctx, method, path, "application/json", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return nil
}

// send sends a request and returns the answer if it is 2xx; the caller closes
// its body.
func (c *client) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the server cannot be reached: %w", err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readProblem(resp)
}

// maxProblem is more than a problem document has.
const maxProblem = 64 << 10

func readProblem(resp *http.Response) error {
	p := &problemError{Status: resp.StatusCode}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		return err
	}
	if json.Unmarshal(text, p) != nil || p.Title == "" && p.Detail == "" {
		p.Title = "the server answered " + resp.Status
	}
	p.Status = resp.StatusCode
	return p
}
