package revocation

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// newClient makes the only way out of this package: no proxy, no redirect, no
// compression that could unfold, few connections to each host.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			MaxConnsPerHost:        16,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        time.Minute,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch asks one address; with a body it posts an OCSP request. The answer has at
// most that many bytes.
func (c *Checker) fetch(ctx context.Context, address string, body []byte, most int64) ([]byte, error) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, faulty(Away, "%v", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/ocsp-request")
		req.Header.Set("Accept", "application/ocsp-response")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, unreached(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, faulty(Away, "%s redirects to %.100s; redirects are not followed: put that address into the rules", address, resp.Header.Get("Location"))
	case resp.StatusCode != http.StatusOK:
		return nil, faulty(Away, "%s answers %s", address, resp.Status)
	case resp.ContentLength > most:
		return nil, faulty(Oversized, "%s has %d bytes, more than %d", address, resp.ContentLength, most)
	}
	return readAll(resp.Body, address, most)
}

func readAll(r io.Reader, name string, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return nil, unreached(err)
	case int64(len(b)) > most:
		return nil, faulty(Oversized, "%s has more than %d bytes", name, most)
	}
	return b, nil
}

// unreached tells who is slow from who is not there.
func unreached(err error) error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return faulty(Slow, "%v", err)
	}
	return faulty(Away, "%v", err)
}
