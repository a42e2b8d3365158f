package bound

import (
	"context"
	"errors"
	"time"

	"mohur/approval"
	"mohur/authn"
	"mohur/ca"
	"mohur/custody"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/payment"
	"mohur/tokens"
)

// Customer implements parties.Store.
func (s *Store) Customer(ctx context.Context, id string) (parties.Customer, error) {
	r, err := s.Engine.Customer(ctx, id)
	return customer.check(ctx, s, r, err)
}

// Client implements parties.Store.
func (s *Store) Client(ctx context.Context, id string) (parties.Client, error) {
	r, err := s.Engine.Client(ctx, id)
	return client.check(ctx, s, r, err)
}

// Holder implements parties.Store.
func (s *Store) Holder(ctx context.Context, id string) (parties.Holder, error) {
	r, err := s.Engine.Holder(ctx, id)
	return holder.check(ctx, s, r, err)
}

// Staff implements parties.Store. One whose record was changed fails the list.
func (s *Store) Staff(ctx context.Context) ([]parties.Customer, error) {
	r, err := s.Engine.Staff(ctx)
	return customer.all(ctx, s, r, err)
}

// Token implements tokens.Store.
func (s *Store) Token(ctx context.Context, id string) (tokens.Token, error) {
	r, err := s.Engine.Token(ctx, id)
	return token.check(ctx, s, r, err)
}

// TokensBySerial implements tokens.Store.
func (s *Store) TokensBySerial(ctx context.Context, serial string) ([]tokens.Token, error) {
	r, err := s.Engine.TokensBySerial(ctx, serial)
	return token.all(ctx, s, r, err)
}

// TokensOf implements tokens.Store.
func (s *Store) TokensOf(ctx context.Context, customer string) ([]tokens.Token, error) {
	r, err := s.Engine.TokensOf(ctx, customer)
	return token.whole(ctx, s, r, err)
}

// Tokens implements tokens.Store; what was changed is left out of the list.
func (s *Store) Tokens(ctx context.Context, f tokens.Filter, cursor string, limit int) ([]tokens.Token, string, error) {
	r, next, err := s.Engine.Tokens(ctx, f, cursor, limit)
	r, err = token.whole(ctx, s, r, err)
	return r, next, err
}

// Clients implements parties.Store.
func (s *Store) Clients(ctx context.Context) ([]parties.Client, error) {
	r, err := s.Engine.Clients(ctx)
	return client.whole(ctx, s, r, err)
}

// Activity implements authn.Store.
func (s *Store) Activity(ctx context.Context, customer string) (authn.Activity, error) {
	r, err := s.Engine.Activity(ctx, customer)
	return activity.check(ctx, s, r, err)
}

// Sessions implements authn.Store.
func (s *Store) Sessions(ctx context.Context, customer string) ([]authn.Session, error) {
	r, err := s.Engine.Sessions(ctx, customer)
	return session.whole(ctx, s, r, err)
}

// Transactions implements payment.Store.
func (s *Store) Transactions(ctx context.Context, f payment.Filter, cursor string, limit int) ([]payment.Transaction, string, error) {
	r, next, err := s.Engine.Transactions(ctx, f, cursor, limit)
	r, err = transaction.whole(ctx, s, r, err)
	return r, next, err
}

// Limits implements payment.Store.
func (s *Store) Limits(ctx context.Context, customer string) (payment.Limits, error) {
	r, err := s.Engine.Limits(ctx, customer)
	return limits.check(ctx, s, r, err)
}

// HeldDue implements payment.Store; what was changed is left out.
func (s *Store) HeldDue(ctx context.Context, now time.Time, max int) ([]payment.Transaction, error) {
	r, damage := s.Engine.HeldDue(ctx, now, max)
	r, err := transaction.whole(ctx, s, r, nil)
	return r, errors.Join(damage, err)
}

// OpenSecrets implements enrollment.Store.
func (s *Store) OpenSecrets(ctx context.Context, customer, purpose, token string) ([]enrollment.Secret, error) {
	r, err := s.Engine.OpenSecrets(ctx, customer, purpose, token)
	return secret.whole(ctx, s, r, err)
}

// Attempt implements authn.Store.
func (s *Store) Attempt(ctx context.Context, id string) (authn.Attempt, error) {
	r, err := s.Engine.Attempt(ctx, id)
	return attempt.check(ctx, s, r, err)
}

// OpenAttempts implements authn.Store.
func (s *Store) OpenAttempts(ctx context.Context, customer string, now time.Time) ([]authn.Attempt, error) {
	r, err := s.Engine.OpenAttempts(ctx, customer, now)
	return attempt.whole(ctx, s, r, err)
}

// AttemptByChallenge implements authn.Store.
func (s *Store) AttemptByChallenge(ctx context.Context, sha256 []byte) (authn.Attempt, error) {
	r, err := s.Engine.AttemptByChallenge(ctx, sha256)
	return attempt.check(ctx, s, r, err)
}

// Session implements authn.Store.
func (s *Store) Session(ctx context.Context, id string) (authn.Session, error) {
	r, err := s.Engine.Session(ctx, id)
	return session.check(ctx, s, r, err)
}

// Transaction implements payment.Store.
func (s *Store) Transaction(ctx context.Context, id string) (payment.Transaction, error) {
	r, err := s.Engine.Transaction(ctx, id)
	return transaction.check(ctx, s, r, err)
}

// TransactionByReference implements payment.Store.
func (s *Store) TransactionByReference(ctx context.Context, reference string) (payment.Transaction, error) {
	r, err := s.Engine.TransactionByReference(ctx, reference)
	return transaction.check(ctx, s, r, err)
}

// Half implements custody.Store.
func (s *Store) Half(ctx context.Context, name string) (custody.Half, error) {
	r, err := s.Engine.Half(ctx, name)
	return half.check(ctx, s, r, err)
}

// Halves implements custody.Store. One that was changed is left out.
func (s *Store) Halves(ctx context.Context) ([]custody.Half, error) {
	r, err := s.Engine.Halves(ctx)
	return half.whole(ctx, s, r, err)
}

// Approval implements approval.Store.
func (s *Store) Approval(ctx context.Context, id string) (approval.Approval, error) {
	r, err := s.Engine.Approval(ctx, id)
	return decision.check(ctx, s, r, err)
}

// Approvals implements approval.Store. One that was changed is left out.
func (s *Store) Approvals(ctx context.Context, cursor string, limit int) ([]approval.Approval, string, error) {
	r, next, err := s.Engine.Approvals(ctx, cursor, limit)
	r, err = decision.whole(ctx, s, r, err)
	return r, next, err
}

// Metadata implements tokens.MetadataStore.
func (s *Store) Metadata(ctx context.Context, signer string) (tokens.Metadata, error) {
	r, err := s.Engine.Metadata(ctx, signer)
	return metadata.check(ctx, s, r, err)
}

// Permit implements tokens.ImportStore.
func (s *Store) Permit(ctx context.Context, id string) (tokens.Permit, error) {
	r, err := s.Engine.Permit(ctx, id)
	return permit.check(ctx, s, r, err)
}

// Authority implements ca.Store.
func (s *Store) Authority(ctx context.Context, id string) (ca.Authority, error) {
	r, err := s.Engine.Authority(ctx, id)
	return authority.check(ctx, s, r, err)
}

// Certificate implements ca.Store.
func (s *Store) Certificate(ctx context.Context, serial string) (ca.Certificate, error) {
	r, err := s.Engine.Certificate(ctx, serial)
	return certificate.check(ctx, s, r, err)
}

// CertificatesOf implements ca.Store.
func (s *Store) CertificatesOf(ctx context.Context, token string) ([]ca.Certificate, error) {
	r, err := s.Engine.CertificatesOf(ctx, token)
	return certificate.all(ctx, s, r, err)
}

// RevokedCertificates implements ca.Store. One that was changed fails the list: it
// must not leave it unseen.
func (s *Store) RevokedCertificates(ctx context.Context, now time.Time) ([]ca.Certificate, error) {
	r, err := s.Engine.RevokedCertificates(ctx, now)
	return certificate.all(ctx, s, r, err)
}

// PayeeList implements payment.Store.
func (s *Store) PayeeList(ctx context.Context, id string) (payment.PayeeList, error) {
	r, err := s.Engine.PayeeList(ctx, id)
	return payeeList.check(ctx, s, r, err)
}

// Series implements payment.Store.
func (s *Store) Series(ctx context.Context, id string) (payment.Series, error) {
	r, err := s.Engine.Series(ctx, id)
	return series.check(ctx, s, r, err)
}

// Analysis implements payment.Store.
func (s *Store) Analysis(ctx context.Context, id string) (payment.Analysis, error) {
	r, err := s.Engine.Analysis(ctx, id)
	return analysis.check(ctx, s, r, err)
}
