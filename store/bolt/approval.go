package bolt

import (
	"context"
	"time"

	"mohur/approval"
)

// keepApproval is how long an approval stays after it has expired, decided or not.
// Who asked, who decided and what came of it is in the audit log for ever.
const keepApproval = 180 * 24 * time.Hour

var approvals = table[approval.Approval]{
	rows: inApprovals,
	key:  func(a *approval.Approval) (string, uint64) { return a.ID, a.Version },
	indexes: func(a *approval.Approval) []indexKey {
		return []indexKey{{approvalsByAge, order(a.MadeAt, a.ID)}, removal(a.ExpiresAt.Add(keepApproval), inApprovals, a.ID)}
	},
}

// Approval implements approval.Store.
func (s *Store) Approval(ctx context.Context, id string) (approval.Approval, error) {
	return one(ctx, s, approvals, id)
}

// Approvals implements approval.Store.
func (s *Store) Approvals(ctx context.Context, cursor string, limit int) ([]approval.Approval, string, error) {
	return listing[approval.Approval]{table: approvals, index: approvalsByAge}.page(ctx, s, cursor, limit)
}
