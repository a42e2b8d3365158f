package bolt

// bucket is one part of the file. The numbers are on disk, inside the records
// that name their index rows: a number is never changed or given again.
type bucket uint8

// The records, each by its id.
const (
	inMeta         bucket = 0
	inHot          bucket = 1 // hot rows, apart from the records: they move with every answer
	inHotVersion   bucket = 2 // id of a hot row → its last version
	inSums         bucket = 3 // running sums of reservations
	inCustomers    bucket = 4
	inClients      bucket = 5
	inTokens       bucket = 6
	inCredentials  bucket = 7
	inImports      bucket = 8
	inPINs         bucket = 9
	inSecrets      bucket = 10
	inAttempts     bucket = 11
	inSessions     bucket = 12
	inSessionUsed  bucket = 13 // session → last touch: eight bytes instead of a record each time
	inTransactions bucket = 14
	inIncidents    bucket = 15
	inNotices      bucket = 16
	inMemories     bucket = 17 // requests with an Idempotency-Key
	inHalves       bucket = 18 // of transport keys, by the key's name
	inApprovals    bucket = 19
	inDecisions    bucket = 60 // on payments, by time and transaction: what policies are tried on
	inMetadata     bucket = 25 // of FIDO keys, the highest number seen, by signer
	inPermits      bucket = 23 // of imports of seeds in the clear
	inLimits       bucket = 65 // what customers have set and used up, by customer
	inPayeeLists   bucket = 67 // trusted payees and own accounts
	inAnalyses     bucket = 68 // of transaction risk: one record
	inSeries       bucket = 69 // of payments that come again
	inAuthorities  bucket = 26
	inCertificates bucket = 27 // issued by the bank's authority, by serial
	inHolders      bucket = 64 // of accounts, who sign together
	inActivity     bucket = 71 // log-ins of a customer

	inVelocities     bucket = 61 // what a customer's payments of the hour and the day add up to
	inPayeeHistories bucket = 62 // what a customer has paid to a payee, by a MAC of both
	inCompromised    bucket = 63 // the bank's list of compromised things: its head and its items
)

// The audit log.
const (
	inEntries     bucket = 20 // sequence → entry
	inHashes      bucket = 21 // group of tree hashes, see hashGroup
	inCheckpoints bucket = 22 // size → signed note
)

// The names that are unique for ever. Nothing is removed from them.
const (
	keyIDs        bucket = 30 // manufacturer, serial, key id → credential
	references    bucket = 31 // reference → transaction
	tokenNames    bucket = 32 // manufacturer, serial → token
	certifiedKeys bucket = 34 // SHA-256 of a public key → certificate
)

// The indexes: each key ends in the id it leads to, which is also the value.
const (
	tokensByAge            bucket = 40
	tokensBySerial         bucket = 41
	tokensByCustomer       bucket = 42
	importsRunning         bucket = 43
	attemptsOpen           bucket = 44 // by customer and expiry
	attemptsByChallenge    bucket = 45
	sessionsOpen           bucket = 46 // by customer
	secretsOpen            bucket = 47 // by customer
	transactionsByAge      bucket = 48
	transactionsByCustomer bucket = 49
	incidentsByAge         bucket = 50
	noticesByAge           bucket = 51
	expiry                 bucket = 52 // moment of removal, bucket, id
	approvalsByAge         bucket = 53
	certificatesByToken    bucket = 56
	certificatesRevoked    bucket = 57 // by their end
	inPolicies             bucket = 58 // adopted ones by version, their head, the shadow policy: records
	inRates                bucket = 59 // of exchange: a record
	transactionsHeld       bucket = 66 // by the moment at which something is due
	lastBucket             bucket = 79
)

var names = [lastBucket + 1]string{
	inMeta: "meta", inHot: "hot", inHotVersion: "hot-version", inSums: "sum",
	inCustomers: "customer", inClients: "client", inTokens: "token",
	inCredentials: "credential", inImports: "import", inPINs: "pin",
	inSecrets: "secret", inAttempts: "attempt", inSessions: "session",
	inSessionUsed: "session-used", inTransactions: "transaction",
	inIncidents: "incident", inNotices: "notice", inMemories: "memory",
	inDecisions: "decision", inHalves: "half", inApprovals: "approval", inPermits: "permit", inMetadata: "metadata",

	inEntries: "audit", inHashes: "audit-hash", inCheckpoints: "audit-checkpoint",

	inPayeeLists: "payee-list", inAnalyses: "analysis", inSeries: "series",
	inAuthorities: "authority", inCertificates: "certificate", certifiedKeys: "unique-certified-key",
	certificatesByToken: "certificate-by-token", certificatesRevoked: "certificate-revoked",

	inPolicies: "policy", inRates: "rates",
	inVelocities: "velocity", inPayeeHistories: "payee-history", inCompromised: "compromised",
	inActivity: "activity", inHolders: "holder",

	keyIDs: "unique-key-id", references: "unique-reference", tokenNames: "unique-token-name",

	tokensByAge: "token-by-age", tokensBySerial: "token-by-serial",
	tokensByCustomer: "token-by-customer", importsRunning: "import-running",
	attemptsOpen: "attempt-open", attemptsByChallenge: "attempt-by-challenge",
	sessionsOpen: "session-open", secretsOpen: "secret-open",
	transactionsByAge: "transaction-by-age", transactionsByCustomer: "transaction-by-customer",
	incidentsByAge: "incident-by-age", noticesByAge: "notice-by-age",
	expiry: "expiry", approvalsByAge: "approval-by-age",
	inLimits: "limits", transactionsHeld: "transaction-held",
}

// known reports whether there is such a bucket; a number read from disk is
// asked before it is used.
func (b bucket) known() bool { return int(b) < len(names) && names[b] != "" }

// grows reports whether keys come in rising order, so that pages are better
// left nearly full than half empty.
func (b bucket) grows() bool {
	switch b {
	case inEntries, inHashes, inCheckpoints, inDecisions, tokensByAge, transactionsByAge, incidentsByAge, noticesByAge, approvalsByAge:
		return true
	}
	return false
}

// appendFill is how full such pages are left. bbolt splits in halves otherwise.
const appendFill = 0.95

// The largest key and value, far below the engine's own limits, so that a Put
// can only fail with the disk. An import's record with all its rejections is the
// largest value.
const (
	maxKey   = 1 << 10
	maxValue = 16 << 20
)
