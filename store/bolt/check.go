package bolt

import (
	"context"
	"fmt"
	"os"
	"slices"

	"mohur/enrollment"
	"mohur/storecheck"
)

var _ storecheck.Store = (*Store)(nil)

// Parts lists the parts of the file for Examine: all but the audit log, which
// proves itself.
func Parts() []string {
	var parts []string
	for i, name := range names {
		switch b := bucket(i); {
		case !b.known(), b == inMeta, b == inEntries, b == inHashes, b == inCheckpoints:
		default:
			parts = append(parts, name)
		}
	}
	return parts
}

// Rows counts the rows of a part.
func (s *Store) Rows(ctx context.Context, part string) (n int, err error) {
	err = s.view(ctx, func(r reading) error {
		b, err := partOf(part)
		if err == nil {
			n = r.in(b).Stats().KeyN
		}
		return err
	})
	return n, err
}

// Examine looks at the rows of one part that come after a key: whether they can
// be read, and whether records and index rows lead to one another. It returns
// the keys of at most limit rows; fewer than limit are the last ones. What it
// looks at is of one moment, so a server may go on writing.
func (s *Store) Examine(ctx context.Context, part, after string, limit int) (keys []string, faults []storecheck.Finding, err error) {
	err = s.view(ctx, func(r reading) error {
		b, err := partOf(part)
		if err != nil {
			return err
		}
		c := r.in(b).Cursor()
		k, v := c.Seek([]byte(after))
		if k != nil && after != "" && string(k) == after {
			k, v = c.Next()
		}
		for ; k != nil && len(keys) < limit; k, v = c.Next() {
			keys = append(keys, string(k))
			for _, text := range r.examine(b, string(k), v) {
				faults = append(faults, storecheck.Finding{
					Kind: storecheck.KindStructure, Part: part, ID: readable(string(k)), Text: text,
					Do: "keep a copy of the file and compare it with the last backup; the server was not the one that wrote this",
				})
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return keys, faults, nil
}

// Secret returns an activation secret's record by its id, as it lies there.
func (s *Store) Secret(ctx context.Context, id string) (enrollment.Secret, error) {
	return one(ctx, s, secrets, id)
}

// CheckFile looks at the pages of a file that nobody has open: of a copy, before
// it is relied upon. It reads only.
func CheckFile(path string) error {
	f, err := openFile(path, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("store: check %s: %w", path, err)
	}
	return f.Close()
}

// Structure has bbolt check its own tree and list of free pages. It is for a
// store that nobody writes to: bbolt reads the list without a lock.
func (s *Store) Structure(ctx context.Context) (faults []string, err error) {
	err = s.view(ctx, func(r reading) error {
		for fault := range r.tx.Check() {
			faults = append(faults, fault.Error())
		}
		return nil
	})
	return faults, err
}

func partOf(name string) (bucket, error) {
	if i := slices.Index(names[:], name); i > 0 && name != "" {
		return bucket(i), nil
	}
	return 0, fmt.Errorf("store: there is no part %q", name)
}

// readable is a key as people read it.
func readable(key string) string {
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return fmt.Sprintf("%x", key)
		}
	}
	return key
}

// examine says what is wrong with one row.
func (r reading) examine(b bucket, key string, value []byte) []string {
	switch b {
	case inCustomers:
		return customers.examine(r, key)
	case inClients:
		return clients.examine(r, key)
	case inHolders:
		return holders.examine(r, key)
	case inVelocities:
		return velocities.examine(r, key)
	case inPayeeHistories:
		return payeeHistories.examine(r, key)
	case inCompromised:
		return compromisedList.examine(r, key)
	case inTokens:
		return tokenRecords.examine(r, key)
	case inCredentials:
		return credentials.examine(r, key)
	case inHalves:
		return halves.examine(r, key)
	case inPermits:
		return permits.examine(r, key)
	case inApprovals:
		return approvals.examine(r, key)
	case inMetadata:
		return metadata.examine(r, key)
	case inPolicies:
		return r.examinePolicy(key)
	case inRates:
		return exchangeRates.examine(r, key)
	case inAuthorities:
		return authorities.examine(r, key)
	case inCertificates:
		return certificates.examine(r, key)
	case certifiedKeys:
		return when(r.get(inCertificates, string(value)) == nil, "it is the key of a certificate that is not there")
	case inImports:
		return imports.examine(r, key)
	case inLimits:
		return limits.examine(r, key)
	case inPINs:
		return pins.examine(r, key)
	case inSecrets:
		return secrets.examine(r, key)
	case inAttempts:
		return attempts.examine(r, key)
	case inSessions:
		return sessions.examine(r, key)
	case inDecisions:
		_, err := decodeDecision(key, value)
		return when(err != nil, "it is not a decision of its time")
	case inTransactions:
		return append(transactions.examine(r, key), r.examineReference(key)...)
	case inIncidents:
		return incidents.examine(r, key)
	case inNotices:
		return notices.examine(r, key)
	case inHotVersion:
		return when(r.get(inHot, key) == nil, "the index knows a version of a row that is not there")
	case inSums:
		return r.examineSum(key)
	case inSessionUsed:
		return when(len(value) != 8 || r.get(inSessions, key) == nil, "it is the last use of a session that is not there")
	case keyIDs:
		return when(r.get(inCredentials, string(value)) == nil, "it is the name of a credential that is not there")
	case tokenNames:
		return when(r.get(inTokens, string(value)) == nil, "it is the name of a token that is not there")
	case expiry:
		return r.examineRemoval(key, value)
	}
	if rows, ok := leadsTo[b]; ok {
		return r.examineIndex(b, key, rows, string(value))
	}
	return nil
}

func when(wrong bool, text string) []string {
	if wrong {
		return []string{text}
	}
	return nil
}

// leadsTo says where the records of an index are.
var leadsTo = map[bucket]bucket{
	tokensByAge: inTokens, tokensBySerial: inTokens, tokensByCustomer: inTokens, importsRunning: inImports,
	attemptsOpen: inAttempts, attemptsByChallenge: inAttempts, sessionsOpen: inSessions, secretsOpen: inSecrets,
	transactionsByAge: inTransactions, transactionsByCustomer: inTransactions, incidentsByAge: inIncidents, noticesByAge: inNotices,
	approvalsByAge: inApprovals, certificatesByToken: inCertificates, certificatesRevoked: inCertificates, transactionsHeld: inTransactions,
}

// examine reads a record and expects its index rows to be those of its content,
// and to be there.
func (t table[T]) examine(r reading, id string) (wrong []string) {
	f, _, err := t.frame(r, id)
	if err != nil {
		return []string{err.Error()}
	}
	rec, err := t.decode(id, f)
	if err != nil {
		return []string{err.Error()}
	}
	var want []indexKey
	if t.indexes != nil {
		want = t.indexes(&rec)
	}
	for _, x := range want {
		if !slices.Contains(f.indexes, x) {
			wrong = append(wrong, "it does not name its row in the index "+names[x.bucket])
		}
		if string(r.get(x.bucket, x.key)) != id {
			wrong = append(wrong, "the index "+names[x.bucket]+" does not lead to it")
		}
	}
	if len(f.indexes) > len(want) {
		wrong = append(wrong, "it names index rows that are not its own")
	}
	return wrong
}

// examineIndex expects a row of an index to be one that its record names.
func (r reading) examineIndex(b bucket, key string, rows bucket, id string) []string {
	stored := r.get(rows, id)
	if stored == nil {
		return []string{"it leads to a " + names[rows] + " that is not there: " + readable(id)}
	}
	f, err := decodeFrame(stored)
	if err != nil {
		return nil // told where the record is
	}
	return when(!slices.Contains(f.indexes, indexKey{b, key}), "it leads to a "+names[rows]+" that does not name it: "+readable(id))
}

// examineReference: a payment's reference stays taken, or it could be used twice.
func (r reading) examineReference(id string) []string {
	t, err := transactions.load(r, id)
	if err != nil {
		return nil // told already
	}
	return when(string(r.get(references, t.Reference)) != id, "its reference is not taken by it")
}

func (r reading) examineSum(key string) []string {
	have, err := loadSum(r, key)
	if err != nil {
		return []string{err.Error()}
	}
	return when(have.until != 0 && string(r.get(expiry, have.removal(key).key)) != key, "nothing will ever remove it")
}

func (r reading) examineRemoval(key string, value []byte) []string {
	if len(key) <= momentSize+1 {
		return []string{errDue.Error()}
	}
	from, id := bucket(key[momentSize]), key[momentSize+1:]
	if _, ok := removers[from]; !ok || string(value) != id {
		return []string{errDue.Error()}
	}
	if from != inSums {
		return r.examineIndex(expiry, key, from, id)
	}
	have, err := loadSum(r, id)
	return when(err == nil && (have.until == 0 || have.removal(id).key != key), "it is the removal of a sum that does not name it: "+id)
}
