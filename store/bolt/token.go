package bolt

import (
	"context"
	"errors"
	"strings"

	"mohur/parties"
	"mohur/settle"
	"mohur/tokens"
)

var errNoName = errors.New("store: a token's name has a serial and the token's id")

func nameToken(e tokens.NameToken) (change, error) {
	if e.Serial == "" || e.Token == "" {
		return nil, errNoName
	}
	return func(w *writing) (settle.Outcome, error) {
		mine, err := w.putOnce(tokenNames, joined(e.Manufacturer, e.Serial), e.Token)
		if err != nil || mine {
			return settle.Done, err
		}
		return settle.Exists, nil
	}, nil
}

// Token implements tokens.Store.
func (s *Store) Token(ctx context.Context, id string) (tokens.Token, error) {
	return one(ctx, s, tokenRecords, id)
}

// Credential implements tokens.Store.
func (s *Store) Credential(ctx context.Context, id string) (tokens.Credential, error) {
	return one(ctx, s, credentials, id)
}

// CredentialByKey implements tokens.Store.
func (s *Store) CredentialByKey(ctx context.Context, manufacturer, serial, keyID string) (c tokens.Credential, err error) {
	err = s.view(ctx, func(r reading) (err error) {
		id := r.get(keyIDs, joined(manufacturer, serial, keyID))
		if id == nil {
			return parties.ErrNotFound
		}
		c, err = credentials.load(r, string(id))
		return err
	})
	return c, err
}

// TokensBySerial implements tokens.Store.
func (s *Store) TokensBySerial(ctx context.Context, serial string) ([]tokens.Token, error) {
	if serial == "" {
		return nil, nil
	}
	l := listing[tokens.Token]{table: tokenRecords, index: tokensBySerial, prefix: joined(serial)}
	return l.all(ctx, s)
}

// TokensOf implements tokens.Store.
func (s *Store) TokensOf(ctx context.Context, customer string) ([]tokens.Token, error) {
	if customer == "" {
		return nil, nil
	}
	l := listing[tokens.Token]{table: tokenRecords, index: tokensByCustomer, prefix: joined(customer)}
	return l.all(ctx, s)
}

// Tokens implements tokens.Store. It walks the narrowest index the filter
// allows; the rest of the filter is applied to the records.
func (s *Store) Tokens(ctx context.Context, f tokens.Filter, cursor string, limit int) ([]tokens.Token, string, error) {
	l := listing[tokens.Token]{table: tokenRecords, index: tokensByAge}
	switch {
	case f.Serial != "":
		l.index, l.prefix = tokensBySerial, joined(f.Serial)
	case f.Customer != "":
		l.index, l.prefix = tokensByCustomer, joined(f.Customer)
	}
	l.keep = func(r reading, t *tokens.Token) (bool, error) {
		if !passes(f, t) {
			return false, nil
		}
		if f.Kind == "" {
			return true, nil
		}
		return hasKind(r, t, f.Kind)
	}
	return l.page(ctx, s, cursor, limit)
}

// passes applies what the record itself can answer.
func passes(f tokens.Filter, t *tokens.Token) bool {
	return (f.State == "" || t.State == f.State) &&
		(f.Customer == "" || t.Customer == f.Customer) &&
		(f.Batch == "" || t.Batch == f.Batch) &&
		(f.Branch == "" || t.Branch == f.Branch) &&
		(f.Query == "" || mentions(t, strings.ToLower(f.Query)))
}

func mentions(t *tokens.Token, query string) bool {
	for _, text := range []string{t.Serial, t.Model, t.Manufacturer} {
		if strings.Contains(strings.ToLower(text), query) {
			return true
		}
	}
	return false
}

func hasKind(r reading, t *tokens.Token, kind tokens.Kind) (bool, error) {
	for _, id := range t.Credentials {
		c, err := credentials.load(r, id)
		if err != nil {
			return false, damaged(inTokens, t.ID, err)
		}
		if c.Kind == kind {
			return true, nil
		}
	}
	return false, nil
}

// Import implements tokens.ImportStore.
func (s *Store) Import(ctx context.Context, id string) (tokens.Import, error) {
	return one(ctx, s, imports, id)
}

// Permit implements tokens.ImportStore.
func (s *Store) Permit(ctx context.Context, id string) (tokens.Permit, error) {
	return one(ctx, s, permits, id)
}

// UnfinishedImports implements tokens.ImportStore.
func (s *Store) UnfinishedImports(ctx context.Context) ([]tokens.Import, error) {
	return listing[tokens.Import]{table: imports, index: importsRunning}.all(ctx, s)
}
