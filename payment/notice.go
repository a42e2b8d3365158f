package payment

import (
	"context"
	"time"

	"mohur/notify"
	"mohur/parties"
	"mohur/settle"
)

// noticeLife is how long a notice is worth sending.
const noticeLife = 24 * time.Hour

// notices tell a customer of something by every contact the bank has of him.
func (s *Service) notices(ctx context.Context, c parties.Customer, kind, text string) ([]settle.Effect, error) {
	now := s.Now().UTC()
	return parties.Notices(ctx, s.Keys, c, notify.Notice{Kind: kind, CreatedAt: now, ExpiresAt: now.Add(noticeLife)}, text)
}
