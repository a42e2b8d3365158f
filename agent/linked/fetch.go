package linked

import (
	"bytes"
	"context"
	"crypto"
	_ "crypto/sha256" // the hashes a card signs
	_ "crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"time"

	"mohur/agent/words"
)

// Path is where a site of the bank gives the texts, by the unpadded base64url of
// their hash behind it.
const Path = "/.well-known/mohur/linked/"

// The bounds of a fetch.
const (
	maxText = 64 << 10
	timeout = 10 * time.Second
)

// Error says in a sentence for the customer why nothing is signed, and in a detail
// for a helpdesk what was wrong.
type Error struct {
	Say    words.Key
	Detail string
}

func (e *Error) Error() string { return "the request cannot be shown: " + e.Detail }

func errorf(say words.Key, format string, args ...any) error {
	return &Error{say, fmt.Sprintf(format, args...)}
}

// Resolver fetches texts. It may be used by several goroutines.
type Resolver struct {
	Transport http.RoundTripper // nil: http.DefaultTransport
	Issuers   []string          // the servers whose texts are taken, by the member iss
	Now       func() time.Time  // nil: time.Now
}

// Resolve returns the text whose hash by h is sum, from a site of the bank: the
// caller has checked that origin is one. Every error is an *Error.
func (r *Resolver) Resolve(ctx context.Context, origin string, h crypto.Hash, sum []byte) (*Text, error) {
	raw, err := r.fetch(ctx, origin, sum)
	if err != nil {
		return nil, err
	}
	digest := h.New()
	digest.Write(raw)
	if !bytes.Equal(digest.Sum(nil), sum) {
		return nil, errorf(words.WrongText, "the text at %s has another hash than what is to be signed", origin)
	}
	t, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	return t, r.check(t)
}

func (r *Resolver) fetch(ctx context.Context, origin string, sum []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+Path+base64.RawURLEncoding.EncodeToString(sum), nil)
	if err != nil {
		return nil, errorf(words.NoNetwork, "%v", err)
	}
	request.Header.Set("Accept", "application/json")
	client := http.Client{
		Transport: r.Transport,
		// What another address says is not what the bank's site says.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, errorf(words.NoNetwork, "%v", err)
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, errorf(words.UnknownRequest, "%s does not know this hash", origin)
	default:
		return nil, errorf(words.NoNetwork, "%s answers %s", origin, answer.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxText+1))
	if err != nil {
		return nil, errorf(words.NoNetwork, "%v", err)
	}
	if len(raw) > maxText {
		return nil, errorf(words.WrongText, "the text is longer than %d bytes", maxText)
	}
	return raw, nil
}

// The customer's clock may be wrong, and the server judges the time anyway. So
// this only refuses what is plainly stale, or lives longer than any attempt does.
const (
	lateness = 2 * time.Minute
	farthest = time.Hour
)

func (r *Resolver) check(t *Text) error {
	known := false
	for _, issuer := range r.Issuers {
		known = known || t.Issuer == issuer
	}
	if !known {
		return errorf(words.OtherIssuer, "the text is of %q, which the configuration does not list under issuers", show(t.Issuer))
	}
	return r.Fresh(t)
}

// Fresh tells whether the text can still be signed. It is asked again after the
// customer has read it.
func (r *Resolver) Fresh(t *Text) error {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	left := t.Expires.Sub(now())
	if left < -lateness || left > farthest {
		return errorf(words.OldRequest, "the text ends at %s, and here it is %s", t.Expires.UTC().Format(time.RFC3339), now().UTC().Format(time.RFC3339))
	}
	return nil
}
