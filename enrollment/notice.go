package enrollment

import (
	"context"

	"mohur/ident"
	"mohur/notify"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// notices tell a customer of a change to what he proves himself by, by every
// contact the bank has of him: what a thief has may be one of them. They say that
// something was set or locked, never a secret and never which factor was wrong.
func (s *Service) notices(ctx context.Context, c parties.Customer, kind string) ([]settle.Effect, error) {
	p, err := s.Parties.Profile(ctx, c)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	var out []settle.Effect
	for channel, contact := range map[string]string{"sms": p.Phone, "email": p.Email} {
		if contact == "" {
			continue
		}
		n := notify.Notice{ID: ident.New("no"), Customer: c.ID, Channel: channel, Kind: kind, CreatedAt: now, ExpiresAt: now.Add(noticeLife)}
		if n.Sealed, err = s.Keys.Seal(ctx, c.Key, notify.Place(n.ID), []byte(kind)); err != nil {
			return nil, problem.Away(err)
		}
		out = append(out, notify.Queue{Notice: n})
	}
	return out, nil
}
