package bolt

import (
	"context"

	"mohur/authn"
)

// activities is one record for each customer. Those that stand for nobody go with
// their attempts.
var activities = table[authn.Activity]{
	rows: inActivity,
	key:  func(a *authn.Activity) (string, uint64) { return a.Customer, a.Version },
	indexes: func(a *authn.Activity) []indexKey {
		if a.ExpiresAt.IsZero() {
			return nil
		}
		return []indexKey{removal(a.ExpiresAt.Add(keepAttempt), inActivity, a.Customer)}
	},
}

// Activity implements authn.Store.
func (s *Store) Activity(ctx context.Context, customer string) (authn.Activity, error) {
	return one(ctx, s, activities, customer)
}
