package main

import (
	"slices"
	"time"

	"mohur/authn/pin"
)

// setting is one line of a configuration file: its name, what it means, and
// where its value goes. The table is the only place that knows the settings:
// reading, checking and the documented file of `mohur init` all go by it.
type setting struct {
	key   string // "hsm.pin_file"
	doc   string
	value value
}

// sections say what the parts of the file are for.
var sections = map[string]string{
	"tls":            "The certificate of the HTTPS listener, PEM. TLS 1.2 is the oldest that is spoken.",
	"hsm":            "The hardware security module that holds every key, over PKCS#11.",
	"store":          "The database. It belongs to one process; nobody else opens it.",
	"tokens":         "What is handed out to customers.",
	"audit":          "The audit log.",
	"session":        "How long somebody who has logged in stays so (clause 5.22).",
	"authentication": "Attempts to log in or to confirm (clauses 5.22, 5.23).",
	"pin":            "The PINs that customers choose (clause 5.22). Patterns, dates and common PINs are refused always.",
	"payment":        "Payments and what goes without a proof (docs/payments.md); how much is the policy's.",
	"rates":          "Rates of exchange (docs/policy.md).",
	"held":           "Payments that the policy holds until the bank's security has decided (clauses 5.25, 5.26).",
	"notices":        "Within what time customers are told (docs/customers.md).",
	"approval":       "Acts that take two people (clause 5.3.6, docs/staff.md).",
	"enrollment":     "How credentials come to customers.",
	"fido":           "FIDO2 keys (docs/fido.md). What is not loosened here is refused.",
	"ca":             "The bank's own certificate authority for E-tokens (docs/cards.md); `mohur ca create` makes it.",
	"card":           "Smart cards and E-tokens with certificates (docs/cards.md).",
	"limits":         "What is beyond a limit is told to come back later (429) and is neither judged nor counted. How much a\ncustomer may pay is the policy's and his own.",
}

func (c *Config) settings() []setting {
	return append([]setting{
		{"url", "The address under which clients know this server. It is the issuer (iss) of every\nchallenge, token and authorization, whatever the server listens on.", textValue{&c.URL}},
		{"listen", "Address and port of the API.", textValue{&c.Listen}},
		{"development", "Plain seed files are taken, one-time secrets are told in answers, and the development\nkey has every role. Refused with a listener that others can reach.", boolValue{&c.Development}},
		{"plain_http", "Speak HTTP without TLS. Refused unless the listener is on this machine only.", boolValue{&c.PlainHTTP}},
		{"socket", "The socket of the command line, for the server's own user and root. Paths in this file\nstart at its directory.", pathValue{&c.Socket}},
		{"zone", "The time zone of the bank's day, for limits by the day.", textValue{&c.Zone}},
		{"policy", "A policy of the bank's own: how strong a proof is asked for (see docs/policy.md; check it with\n`mohur policy check`). Left out, the one the server ships with.", pathValue{&c.Policy}},
		{"customer_references_required", "A customer needs the references of his contract and of his identification\n(clauses 4.1, 4.3.4).", boolValue{&c.References}},

		{"tls.cert", "The certificate, and after it those between it and the root.", pathValue{&c.TLS.Cert}},
		{"tls.key", "Its private key, readable by the server's user alone.", pathValue{&c.TLS.Key}},

		{"hsm.module", "The PKCS#11 library of the module's maker.", pathValue{&c.HSM.Module}},
		{"hsm.token_label", "The label of the token that holds the keys.", textValue{&c.HSM.TokenLabel}},
		{"hsm.pin_file", "A file that holds the PIN of the token in one line, mode 0600.", pathValue{&c.HSM.PINFile}},
		{"hsm.softhsm_conf", "The configuration of SoftHSM. Development only.", pathValue{&c.HSM.SoftHSMConf}},
		{"hsm.profile", "The module's maker, for what differs between makers: softhsm, nss, p11-kit, luna, cloudhsm\n(see docs/hsm.md). Left out, the module follows the standard.", textValue{&c.HSM.Profile}},
		{"hsm.init", "What the module is told when it is initialised, for those configured by it (nss).", textValue{&c.HSM.Init}},
		{"hsm.sessions", "How many calls the module gets at once; left out, as the profile says, or 16.", orProfile{intValue{&c.HSM.Sessions, 1, 1024}}},
		{"hsm.call_timeout", "How long one call may take before the module counts as away.", durationValue{&c.HSM.CallTimeout, 50 * time.Millisecond, 30 * time.Second}},
		{"hsm.strict", "Refuse a module that is weaker than it could be, instead of warning.", boolValue{&c.HSM.Strict}},
		{"hsm.wrap_mechanism", "The number of RFC 3394 key wrapping; left out, as the profile says, or 0x2109.", orProfile{intValue{&c.HSM.WrapMechanism, 1, 1<<32 - 1}}},
		{"hsm.value_len", "Name the length of a key when it is unwrapped, which some modules demand; left out,\nas the profile says.", choiceValue{&c.HSM.ValueLen}},

		{"store.path", "The file.", pathValue{&c.Store.Path}},
		{"store.spool", "A directory for seed files while they are read; nothing stays in it.", pathValue{&c.Store.Spool}},
		{"store.stop_list", "Where losses and thefts are written down while the HSM or the file above is away (clause 5.17.3);\nbest on another disk.", pathValue{&c.Store.StopList}},
		{"store.sweep", "The whole store is compared with the HSM's MACs and the audit log, slowly, from the start\non and then anew after this time; 0s: only by `mohur store check`.", durationValue{&c.Store.Sweep, 0, 720 * time.Hour}},

		{"tokens.profiles", "A file with device profiles of the bank's own, beside those of the house (see docs/otp.md).", pathValue{&c.Tokens.Profiles}},

		{"audit.origin", "The name of the log in its checkpoints. It stays for the life of the log.", textValue{&c.Audit.Origin}},
		{"audit.node", "The name of this server in audit entries. It stays for the life of the store.", textValue{&c.Audit.Node}},
		{"audit.every", "A checkpoint is signed after this many entries,", intValue{&c.Audit.Every, 1, 100000}},
		{"audit.interval", "and after this time if there are any.", durationValue{&c.Audit.Interval, 50 * time.Millisecond, time.Minute}},

		{"session.idle", "A session ends after this time without activity, 5m at most.", durationValue{&c.Session.Idle, time.Second, 5 * time.Minute}},
		{"session.absolute", "A session ends after this time whatever happens, 12h at most.", durationValue{&c.Session.Absolute, time.Second, 12 * time.Hour}},
		{"session.access_token", "How long an access token lives, 5m at most.", durationValue{&c.Session.Token, time.Second, 5 * time.Minute}},
		{"session.reauthenticate", "No payment begins from a session whose customer proved longer ago who he is: he logs in again and\ngoes on (docs/sessions.md); 0s: however long ago.", durationValue{&c.Session.Reauth, 0, 12 * time.Hour}},
		{"session.max", "How many live sessions a person has at once; the oldest gives way to the next.", intValue{&c.Session.Max, 1, 100}},
		{"session.dpop_nonce", "Proofs of a session's key (RFC 9449) carry this server's nonce, at most two minutes old.", boolValue{&c.Session.Nonce}},
		{"session.dpop_window", "How far the clock of who makes such a proof may be off, 5m at most.", durationValue{&c.Session.Window, time.Second, 5 * time.Minute}},

		{"authentication.attempt", "How long an attempt and its challenge can be answered, 5m at most.", durationValue{&c.Auth.Attempt, time.Second, 5 * time.Minute}},
		{"authentication.failures", "Consecutive failures that lock a token or a PIN, 5 at most.", intValue{&c.Auth.Failures, 1, 5}},
		{"authentication.locks", "How long each lock lasts, one after the other; after the last one, until the bank unlocks.\nOne to five locks from 1m to 24h; the customer is warned with the last.", locksValue{&c.Auth.Locks}},
		{"authentication.max_open", "Open attempts of a customer; the oldest gives way.", intValue{&c.Auth.MaxOpen, 1, 20}},
		{"authentication.floor_pin", "No verdict with a PIN leaves sooner than this after the answer came in.", durationValue{&c.Auth.FloorPIN, 0, 5 * time.Second}},
		{"authentication.floor_refusal", "Nor any other refusal sooner than this.", durationValue{&c.Auth.FloorRefusal, 0, 5 * time.Second}},
		{"authentication.floor_begin", "Nor is any attempt opened sooner, so that the time does not tell who is a customer.", durationValue{&c.Auth.FloorBegin, 0, 5 * time.Second}},
		{"authentication.pin_slots", "How many PINs are hashed at once, each with 19 MiB.", intValue{&c.Auth.PINSlots, 1, 64}},

		{"pin.min_digits", "The fewest digits of a new PIN,", intValue{&c.PIN.MinDigits, pin.MinDigits, pin.MaxDigits}},
		{"pin.max_digits", "and the most.", intValue{&c.PIN.MaxDigits, pin.MinDigits, pin.MaxDigits}},
		{"pin.history", "A PIN among the customer's last so many is refused, the present one included.", intValue{&c.PIN.History, 1, pin.MaxHistory}},
		{"pin.min_age", "A younger PIN is changed only with an activation secret, so that nobody changes his way\naround the history; 0s: any PIN may be changed.", durationValue{&c.PIN.MinAge, 0, 720 * time.Hour}},
		{"pin.max_age", "An older PIN proves nothing but its own change; 0s: none is too old, which is what NIST\nSP 800-63B asks for.", durationValue{&c.PIN.MaxAge, 0, 17520 * time.Hour}},

		{"payment.decision_budget", "How long a decision on a payment may take; beyond it nothing is exempt and what is not known by\nthen counts as missing (docs/policy.md); 0s: no limit.", durationValue{&c.Payment.DecisionBudget, 0, 5 * time.Second}},
		{"payment.keep_decisions", "How long decisions are kept for policies to be tried on (`mohur policy simulate`).", durationValue{&c.Payment.KeepDecisions, 24 * time.Hour, 87600 * time.Hour}},
		{"payment.payee_cooling", "How long a payee or account stands on a customer's list before a payment to it can be exempt.", durationValue{&c.Payment.PayeeCooling, 0, 720 * time.Hour}},

		{"rates.max_age", "How long a rate is used after the end of its day, 240h at most; then payments in that currency are held.", durationValue{&c.Rates.MaxAge, time.Hour, 240 * time.Hour}},

		{"held.review", "A held payment that nobody has decided on by then opens an incident,", durationValue{&c.Held.Review, time.Minute, 720 * time.Hour}},
		{"held.expire", "and is rejected by itself after this time.", durationValue{&c.Held.Expire, time.Minute, 2160 * time.Hour}},

		{"approval.life", "How long an act waits for its second person.", durationValue{&c.Approval.Life, time.Minute, 720 * time.Hour}},

		{"notices.suspension", "Of a suspension (clause 4.3.5), as the contract says,", durationValue{&c.Notices.Suspension, time.Minute, 720 * time.Hour}},
		{"notices.resumption", "and of its end (clause 4.7).", durationValue{&c.Notices.Resumption, time.Minute, 720 * time.Hour}},

		{"enrollment.bank_name", "The bank's name on letters and in authenticator apps; left out, the host of url.", textValue{&c.Enrollment.BankName}},
		{"enrollment.apps", "Customers may have their one-time passwords made by an authenticator app; left out, in\ndevelopment only.", choiceValue{&c.Enrollment.Apps}},

		{"limits.caller_rate", "Requests of one caller per second,", intValue{&c.Limits.CallerRate, 1, 1000000}},
		{"limits.caller_burst", "and at once.", intValue{&c.Limits.CallerBurst, 1, 1000000}},
		{"limits.customer_rate", "Attempts, answers and payments of one customer per second,", intValue{&c.Limits.CustomerRate, 1, 1000000}},
		{"limits.customer_burst", "and at once.", intValue{&c.Limits.CustomerBurst, 1, 1000000}},
		{"limits.source_rate", "The same of one source: the customer's address as the front end tells it (context.ip),\nelse the front end's own. Per second,", intValue{&c.Limits.SourceRate, 1, 1000000}},
		{"limits.source_burst", "and at once.", intValue{&c.Limits.SourceBurst, 1, 1000000}},
		{"limits.nameless_rate", "Log-ins without a name that one source begins per second,", intValue{&c.Limits.NamelessRate, 1, 1000000}},
		{"limits.nameless_burst", "and at once: so many wait for their answer at most, and what is added in the life of one.", intValue{&c.Limits.NamelessBurst, 1, 1000000}},
		{"limits.nameless_client_rate", "The same of one front end: per second,", intValue{&c.Limits.NamelessClientRate, 1, 1000000}},
		{"limits.nameless_client_burst", "and at once.", intValue{&c.Limits.NamelessClientBurst, 1, 1000000}},
		{"limits.customer_failures", "From this many refused answers of a customer on, each next one has to wait: a second,\nthen twice as long each time. It never locks.", intValue{&c.Limits.CustomerFailures, 1, 1000000}},
		{"limits.source_failures", "The same of one source.", intValue{&c.Limits.SourceFailures, 1, 1000000}},
		{"limits.slow_window", "How long a refused answer counts,", durationValue{&c.Limits.SlowWindow, time.Minute, time.Hour}},
		{"limits.slow_most", "and the longest wait, 60s at most.", durationValue{&c.Limits.SlowMost, time.Second, time.Minute}},
		{"limits.cooling", "How long a customer's raise of his own payment limits waits before it is in force (clause 5.32).", durationValue{&c.Limits.Cooling, time.Minute, 720 * time.Hour}},
		{"limits.connections", "Open connections. When all are taken, a newcomer takes a place from those who have sent no\nrequest yet or from the idle ones, whichever are more: that of the one who has waited longest.", intValue{&c.Limits.Connections, 16, 100000}},
	}, slices.Concat(c.fidoSettings(), c.cardSettings(), c.caSettings())...)
}
