package etoken

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Server is the bank's, as an operator reaches it.
type Server struct {
	URL  string // scheme, host and port
	Key  string // API key of a client with the role operator
	HTTP *http.Client
}

// callTime bounds one call.
const callTime = 30 * time.Second

// maxAnswer is more than any answer has that is read here.
const maxAnswer = 1 << 20

// token is what the server tells of one.
type token struct {
	ID           string `json:"id"`
	Serial       string `json:"serial"`
	Manufacturer string `json:"manufacturer"`
	Model        string `json:"model"`
	State        string `json:"state"`
	Customer     string `json:"customer"`
}

// certificate is one that the server has issued.
type certificate struct {
	Serial      string     `json:"serial"`
	Token       string     `json:"token"`
	Certificate string     `json:"certificate"` // PEM
	NotAfter    time.Time  `json:"not_after"`
	Attested    string     `json:"attested"`
	RevokedAt   *time.Time `json:"revoked_at"`

	parsed *x509.Certificate
}

// problem is what the server says instead (RFC 9457).
type problem struct {
	status int
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

func (p *problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	for _, f := range p.Errors {
		text += "; " + f.Field + " " + f.Message
	}
	return fmt.Sprintf("the server refuses: %s (%d)", text, p.status)
}

func (s *Server) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.URL, "/")+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("the server cannot be reached: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		p := &problem{Title: resp.Status}
		_ = json.Unmarshal(text, p)
		p.status = resp.StatusCode
		return p
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return nil
}

func tokenPath(ref string) string { return "/v1/tokens/" + url.PathEscape(ref) }

func (s *Server) token(ctx context.Context, ref string) (t token, err error) {
	err = s.call(ctx, http.MethodGet, tokenPath(ref), nil, &t)
	if err == nil && t.ID == "" {
		err = errors.New("the server's answer names no token")
	}
	return t, err
}

// authority is the bank's own, by which certificates are checked before they are
// written to a token.
func (s *Server) authority(ctx context.Context) (*x509.Certificate, error) {
	var out struct {
		Certificate string `json:"certificate"`
	}
	if err := s.call(ctx, http.MethodGet, "/v1/ca", nil, &out); err != nil {
		return nil, err
	}
	return fromPEM(out.Certificate)
}

func fromPEM(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("the server's answer holds no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// certified returns the certificate of a key: the one it got in an interrupted run, if
// that is in force, else a new one. A key is certified once.
func (s *Server) certified(ctx context.Context, token string, public, request []byte, proof [][]byte) (certificate, string, error) {
	var list struct {
		Items []certificate `json:"items"`
	}
	if err := s.call(ctx, http.MethodGet, tokenPath(token)+"/certificates", nil, &list); err != nil {
		return certificate{}, "", err
	}
	for _, c := range list.Items {
		parsed, err := fromPEM(c.Certificate)
		if err != nil {
			return certificate{}, "", err
		}
		if !bytes.Equal(parsed.RawSubjectPublicKeyInfo, public) {
			continue
		}
		if c.RevokedAt != nil {
			return certificate{}, "", errors.New("the certificate of the key on this token is revoked; --renew makes a new key")
		}
		c.parsed = parsed
		return c, Before, nil
	}
	in := map[string]string{"request": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}))}
	for _, der := range proof {
		in["attestation"] += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	var c certificate
	if err := s.call(ctx, http.MethodPost, tokenPath(token)+"/certificates", in, &c); err != nil {
		return certificate{}, "", err
	}
	var err error
	c.parsed, err = fromPEM(c.Certificate)
	return c, Now, err
}
