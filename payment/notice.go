package payment

import (
	"context"
	"encoding/json"
	"time"

	"mohur/ident"
	"mohur/notify"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// noticeLife is how long a notice is worth sending.
const noticeLife = 24 * time.Hour

// notices tell a customer of something by every contact the bank has of him: what a thief
// has may be one of them.
func (s *Service) notices(ctx context.Context, c parties.Customer, kind, text string) ([]settle.Effect, error) {
	plain, err := s.Keys.Open(ctx, c.Key, parties.ProfilePlace(c.ID), c.Sealed)
	if err != nil {
		return nil, problem.Away(err)
	}
	var p parties.Profile
	if err := json.Unmarshal(plain, &p); err != nil {
		return nil, problem.Away(err)
	}
	now := s.Now().UTC()
	var out []settle.Effect
	for channel, contact := range map[string]string{"sms": p.Phone, "email": p.Email} {
		if contact == "" {
			continue
		}
		n := notify.Notice{ID: ident.New("no"), Customer: c.ID, Channel: channel, Kind: kind, CreatedAt: now, ExpiresAt: now.Add(noticeLife)}
		if n.Sealed, err = s.Keys.Seal(ctx, c.Key, notify.Place(n.ID), []byte(text)); err != nil {
			return nil, problem.Away(err)
		}
		out = append(out, notify.Queue{Notice: n})
	}
	return out, nil
}
