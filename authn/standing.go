package authn

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"mohur/authn/fido"
	"mohur/authn/pin"
	"mohur/parties"
	"mohur/tokens"
)

// Standing is what a risk decision asks about a customer's credentials, and about the one
// that opened a session or proves a payment.
type Standing struct {
	Since   time.Time // when the credential's token was last activated; zero: nobody knows
	Model   string    // of a FIDO2 key, what the metadata says of its model: ok, warned, unknown; of any other credential none
	Refused int       // answers that stand against his credentials and PIN, see Whole
	Whole   bool      // false: somebody changed a row of them, so Refused says nothing
}

// Standing reads it. Refused counts the answers since each credential was last answered
// right, with those that locked it. parties.ErrNotFound says that the credential's token
// is not one of the customer's any more, or not as the server wrote it.
func (s *Service) Standing(ctx context.Context, customer, credential string) (Standing, error) {
	list, err := s.Store.TokensOf(ctx, customer)
	if err != nil {
		return Standing{}, err
	}
	out, found, key := Standing{Model: "none", Whole: true}, false, false
	ids := []string{pin.HotID(customer)}
	for _, t := range list {
		ids = append(ids, t.Credentials...)
		if !slices.Contains(t.Credentials, credential) {
			continue
		}
		found, key = true, t.Profile == tokens.FIDOProfile
		for _, h := range t.History {
			if h.Move == tokens.Activate && h.At.After(out.Since) {
				out.Since = h.At
			}
		}
	}
	if !found {
		return Standing{}, parties.ErrNotFound
	}
	if key {
		if out.Model, err = s.model(ctx, credential); err != nil {
			return Standing{}, err
		}
	}
	rows, err := s.Store.Hot(ctx, ids...)
	if err != nil {
		return Standing{}, err
	}
	for _, r := range rows {
		if !r.Found && r.Indexed == 0 {
			continue // no PIN was ever set
		}
		intact, err := r.Intact(ctx, s.HSM)
		if err != nil {
			return Standing{}, err
		}
		out.Whole = out.Whole && intact
		out.Refused += int(r.Hot.Fails) + int(r.Hot.Locks)*int(s.Settings.Limits.Failures)
	}
	return out, nil
}

// model is what the metadata says of a key's model.
func (s *Service) model(ctx context.Context, credential string) (string, error) {
	c, err := s.Store.Credential(ctx, credential)
	if err != nil {
		return "", err
	}
	var known *fido.Metadata
	if s.Models != nil {
		known = s.Models()
	}
	var r fido.Record
	if json.Unmarshal(c.FIDO, &r) != nil {
		return fido.StandingUnknown, nil
	}
	return known.Standing(r, s.Now()), nil
}

// IssuedAt is when an access token that was verified was signed. It does not verify
// anything itself.
func IssuedAt(token string) (time.Time, bool) {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var c struct {
		IssuedAt int64 `json:"iat"`
	}
	if err != nil || json.Unmarshal(text, &c) != nil || c.IssuedAt <= 0 || c.IssuedAt > math.MaxInt32*4 {
		return time.Time{}, false
	}
	return time.Unix(c.IssuedAt, 0), true
}
