package enrollment

import (
	"context"

	"mohur/notify"
	"mohur/parties"
	"mohur/settle"
)

// notices tell a customer of a change to what he proves himself by, by every
// contact the bank has of him. They say that something was set or locked, never a
// secret and never which factor was wrong.
func (s *Service) notices(ctx context.Context, c parties.Customer, kind string) ([]settle.Effect, error) {
	now := s.Now().UTC()
	return parties.Notices(ctx, s.Keys, c, notify.Notice{Kind: kind, CreatedAt: now, ExpiresAt: now.Add(noticeLife)}, kind)
}
