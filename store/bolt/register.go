package bolt

import (
	"context"

	"mohur/incident"
	"mohur/notify"
)

// Incidents implements incident.Store.
func (s *Store) Incidents(ctx context.Context, cursor string, limit int) ([]incident.Incident, string, error) {
	return listing[incident.Incident]{table: incidents, index: incidentsByAge}.page(ctx, s, cursor, limit)
}

// Notices implements notify.Store.
func (s *Store) Notices(ctx context.Context, max int) (oldest []notify.Notice, err error) {
	max = min(max, maxLimit)
	l := listing[notify.Notice]{table: notices, index: noticesByAge}
	err = s.view(ctx, func(r reading) error {
		c := r.in(l.index).Cursor()
		for k, id := c.First(); k != nil && len(oldest) < max; k, id = c.Next() {
			n, err := l.follow(r, id)
			if err != nil {
				return err
			}
			oldest = append(oldest, n)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return oldest, nil
}
