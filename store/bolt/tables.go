package bolt

import (
	"time"

	"mohur/authn"
	"mohur/authn/pin"
	"mohur/enrollment"
	"mohur/incident"
	"mohur/notify"
	"mohur/parties"
	"mohur/payment"
	"mohur/tokens"
)

// How long a record stays after it has expired: long enough for a late answer
// or a late question to be told what became of it. The audit log keeps what
// happened.
const (
	keepAttempt = time.Hour
	keepSession = 24 * time.Hour
	keepSecret  = 24 * time.Hour
	keepSum     = time.Hour
)

// The states by which an index holds a record or leaves it out.
const secretOpen = "open"

var customers = table[parties.Customer]{
	rows: inCustomers,
	key:  func(c *parties.Customer) (string, uint64) { return c.ID, c.Version },
}

var clients = table[parties.Client]{
	rows: inClients,
	key:  func(c *parties.Client) (string, uint64) { return c.ID, c.Version },
}

var pins = table[pin.Record]{
	rows: inPINs,
	key:  func(r *pin.Record) (string, uint64) { return r.Customer, r.Version },
}

var tokenRecords = table[tokens.Token]{
	rows: inTokens,
	key:  func(t *tokens.Token) (string, uint64) { return t.ID, t.Version },
	indexes: func(t *tokens.Token) []indexKey {
		at := order(t.CreatedAt, t.ID)
		keys := []indexKey{{tokensByAge, at}}
		if t.Serial != "" {
			keys = append(keys, indexKey{tokensBySerial, joined(t.Serial) + at})
		}
		if t.Customer != "" {
			keys = append(keys, indexKey{tokensByCustomer, joined(t.Customer) + at})
		}
		return keys
	},
}

// credentials never change, so their version is always 1.
var credentials = table[tokens.Credential]{
	rows: inCredentials,
	key:  func(c *tokens.Credential) (string, uint64) { return c.ID, 1 },
}

var imports = table[tokens.Import]{
	rows: inImports,
	key:  func(i *tokens.Import) (string, uint64) { return i.ID, i.Version },
	indexes: func(i *tokens.Import) []indexKey {
		if i.State != tokens.ImportRunning {
			return nil
		}
		return []indexKey{{importsRunning, order(i.CreatedAt, i.ID)}}
	},
}

// permits stay like the imports they are for, so that none is given twice.
var permits = table[tokens.Permit]{
	rows: inPermits,
	key:  func(p *tokens.Permit) (string, uint64) { return p.ID, p.Version },
}

var secrets = table[enrollment.Secret]{
	rows: inSecrets,
	key:  func(s *enrollment.Secret) (string, uint64) { return s.ID, s.Version },
	indexes: func(s *enrollment.Secret) []indexKey {
		keys := []indexKey{removal(s.ExpiresAt.Add(keepSecret), inSecrets, s.ID)}
		if s.State == secretOpen {
			keys = append(keys, indexKey{secretsOpen, joined(s.Customer) + order(s.CreatedAt, s.ID)})
		}
		return keys
	},
}

// attempts that are open lie in the order in which they expire, so that those
// of the past, which only wait for Sweep, are never read.
var attempts = table[authn.Attempt]{
	rows: inAttempts,
	key:  func(a *authn.Attempt) (string, uint64) { return a.ID, a.Version },
	indexes: func(a *authn.Attempt) []indexKey {
		keys := []indexKey{
			removal(a.ExpiresAt.Add(keepAttempt), inAttempts, a.ID),
			{attemptsByChallenge, joined(string(a.SHA256)) + order(a.CreatedAt, a.ID)},
		}
		for _, sum := range a.Longer {
			keys = append(keys, indexKey{attemptsByChallenge, joined(string(sum)) + order(a.CreatedAt, a.ID)})
		}
		if a.State == authn.Pending {
			keys = append(keys, indexKey{attemptsOpen, joined(a.Customer) + order(a.ExpiresAt, a.ID)})
		}
		return keys
	},
}

var sessions = table[authn.Session]{
	rows: inSessions,
	key:  func(s *authn.Session) (string, uint64) { return s.ID, s.Version },
	indexes: func(s *authn.Session) []indexKey {
		keys := []indexKey{removal(s.ExpiresAt.Add(keepSession), inSessions, s.ID)}
		if s.EndedAt.IsZero() {
			keys = append(keys, indexKey{sessionsOpen, joined(s.Customer) + order(s.AuthTime, s.ID)})
		}
		return keys
	},
}

var transactions = table[payment.Transaction]{
	rows: inTransactions,
	key:  func(t *payment.Transaction) (string, uint64) { return t.ID, t.Version },
	indexes: func(t *payment.Transaction) []indexKey {
		at := order(t.CreatedAt, t.ID)
		return append(heldRows(t), indexKey{transactionsByAge, at}, indexKey{transactionsByCustomer, joined(t.Customer) + at})
	},
}

var incidents = table[incident.Incident]{
	rows: inIncidents,
	key:  func(i *incident.Incident) (string, uint64) { return i.ID, i.Version },
	indexes: func(i *incident.Incident) []indexKey {
		return []indexKey{{incidentsByAge, order(i.At, i.ID)}}
	},
}

// notices are queued once, so their version is always 1.
var notices = table[notify.Notice]{
	rows: inNotices,
	key:  func(n *notify.Notice) (string, uint64) { return n.ID, 1 },
	indexes: func(n *notify.Notice) []indexKey {
		return []indexKey{{noticesByAge, order(n.CreatedAt, n.ID)}}
	},
}
