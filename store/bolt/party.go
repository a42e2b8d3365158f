package bolt

import (
	"context"

	"mohur/authn/pin"
	"mohur/parties"
)

// Customer implements parties.Store.
func (s *Store) Customer(ctx context.Context, id string) (parties.Customer, error) {
	return one(ctx, s, customers, id)
}

// Client implements parties.Store.
func (s *Store) Client(ctx context.Context, id string) (parties.Client, error) {
	return one(ctx, s, clients, id)
}

// ClientKeys implements parties.Store.
func (s *Store) ClientKeys(ctx context.Context, id string) ([]parties.ClientKey, error) {
	c, err := s.Client(ctx, id)
	return c.Keys, err
}

// Clients implements parties.Store: all of them, by id.
func (s *Store) Clients(ctx context.Context) (list []parties.Client, err error) {
	err = s.view(ctx, func(r reading) error {
		c := r.in(inClients).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			client, err := clients.load(r, string(k))
			if err != nil {
				return err
			}
			list = append(list, client)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Staff implements parties.Store. Their ids lie after those of every customer.
func (s *Store) Staff(ctx context.Context) (list []parties.Customer, err error) {
	err = s.view(ctx, func(r reading) error {
		c := r.in(inCustomers).Cursor()
		for k, _ := c.Seek([]byte(parties.Subject(""))); k != nil && parties.IsStaff(string(k)); k, _ = c.Next() {
			person, err := customers.load(r, string(k))
			if err != nil {
				return err
			}
			list = append(list, person)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// PIN implements pin.Store.
func (s *Store) PIN(ctx context.Context, customer string) (pin.Record, error) {
	return one(ctx, s, pins, customer)
}
