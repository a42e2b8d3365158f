package bolt

import (
	"context"
	"slices"
	"time"

	"go.etcd.io/bbolt"

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

// endApprovals gives the approvals of an earlier build the row by which they are
// removed one day. A record that cannot be read is left to the check of the store.
func endApprovals(tx *bbolt.Tx) error {
	rows, ends := tx.Bucket([]byte(names[inApprovals])), tx.Bucket([]byte(names[expiry]))
	found := map[string][]byte{}
	err := rows.ForEach(func(k, v []byte) error {
		f, err := decodeFrame(v)
		if err != nil || slices.ContainsFunc(f.indexes, func(x indexKey) bool { return x.bucket == expiry }) {
			return nil
		}
		a, err := approvals.decode(string(k), f)
		if err != nil {
			return nil
		}
		f.indexes = approvals.indexes(&a)
		found[string(k)] = f.encode()
		return ends.Put([]byte(f.indexes[len(f.indexes)-1].key), k)
	})
	if err != nil {
		return err
	}
	for k, v := range found {
		if err := rows.Put([]byte(k), v); err != nil {
			return err
		}
	}
	return nil
}
