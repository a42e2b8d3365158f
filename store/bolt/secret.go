package bolt

import (
	"context"

	"mohur/enrollment"
)

// purposeActivate is the purpose whose secrets belong to a token.
const purposeActivate = "activate"

// OpenSecrets implements enrollment.Store.
func (s *Store) OpenSecrets(ctx context.Context, customer, purpose, token string) ([]enrollment.Secret, error) {
	l := listing[enrollment.Secret]{table: secrets, index: secretsOpen, prefix: joined(customer)}
	l.keep = func(_ reading, secret *enrollment.Secret) (bool, error) {
		return secret.Purpose == purpose && (purpose != purposeActivate || secret.Token == token), nil
	}
	return l.all(ctx, s)
}
