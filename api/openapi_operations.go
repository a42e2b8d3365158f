package api

import (
	"reflect"

	"mohur/audit"
	"mohur/hsm"
	"mohur/problem"
	"mohur/tokens"
)

// operations describe the routes, by method and path. A route without one is a
// failing test.
var operations = join(watching, managing, serving, handling, enrolling, proving, paying, overseeing, staffing, exempting, listing, certifying, ruling, simulating)

func join(parts ...map[string]operation) map[string]operation {
	all := map[string]operation{}
	for _, part := range parts {
		for name, op := range part {
			all[name] = op
		}
	}
	return all
}

var watching = map[string]operation{
	"GET /healthz": {id: "getHealth", tag: "watch", summary: "Is the process alive?", about: "Says nothing of its parts.",
		out: []result{gives[healthShape](200, "It is.")}},
	"GET /readyz": {id: "getReady", tag: "watch", summary: "Can the server do its work?", about: "Asks the HSM, the store and the audit log, at most once a second.",
		out: []result{gives[readyOut](200, "All parts answer."), gives[readyOut](503, "A part is away; the members say which.")}},
	"GET /metrics": {id: "getMetrics", tag: "watch", summary: "Figures in the text format of Prometheus: without a key to this machine, from elsewhere to auditor, admin and security",
		out: []result{givesText("text/plain", "The figures.")}},
	"GET /.well-known/jwks.json": {id: "getKeySet", tag: "watch", summary: "The keys that verify access tokens and authorizations (RFC 7517)",
		out: []result{{status: 200, about: "The key set.", kind: "application/jwk-set+json", bodies: []reflect.Type{reflect.TypeFor[keySetShape]()}}}},
	"GET /openapi.json": {id: "getOpenAPI", tag: "watch", summary: "This document", out: []result{gives[map[string]any](200, "An OpenAPI 3.1 document.")}},
	"GET /docs":         {id: "getDocs", tag: "watch", summary: "This document as a page", out: []result{givesText("text/html", "The page.")}},
	"GET /demo": {id: "getDemo", tag: "watch", summary: "A page to try a key or a card on", about: "In development only.", out: []result{givesText("text/html", "The page.")},
		refuses: []problem.Code{problem.NotFound}},
	"GET /.well-known/webauthn": {id: "getRelatedOrigins", tag: "watch", summary: "Pages on other domains that may use the same FIDO2 keys",
		about: "What browsers ask for at the relying party's domain (WebAuthn Level 3 section 5.11.1).",
		out:   []result{gives[relatedShape](200, "The pages.")}, refuses: []problem.Code{problem.NotFound}},
	"GET /.well-known/mohur/linked/:hash": {id: "getLinkedAtOrigin", tag: "authentications", summary: "The text behind a challenge, where a card agent looks for it",
		about: "The same as /v1/linked: front ends serve this path by passing it on.",
		out:   []result{gives[map[string]any](200, "The challenge text.")}},
	"GET /v1/linked/:hash": {id: "getLinked", tag: "authentications", summary: "The text behind a challenge",
		about: "To anyone who knows its hash, byte for byte, until it expires: what a card agent shows before it asks for the PIN.",
		out:   []result{gives[map[string]any](200, "The challenge text: canonical JSON (RFC 8785), whose SHA-256 is the challenge.")}},
}

var managing = map[string]operation{
	"POST /v1/clients": {id: "createClient", tag: "clients", summary: "Make a client and its API key", about: "The key is shown this once. Excluding roles are refused together.",
		in: body((*exchange).createClient), out: []result{gives[newClientOut](201, "The client, with its key.")}},
	"GET /v1/clients": {id: "listClients", tag: "clients", summary: "List the clients", about: "Those that have ended too.", out: []result{gives[page[clientOut]](200, "All of them.")}},
	"DELETE /v1/clients/:id": {id: "endClient", tag: "clients", summary: "End a client at once", about: "Whatever it sends from now on is answered 401. What it began stays, and nobody acts on it any more. The last administrator is not ended.",
		out: []result{givesNothing("It has ended.")}, refuses: []problem.Code{problem.Conflict}},
	"POST /v1/clients/:id/keys": {id: "addClientKey", tag: "clients", summary: "Make a further key of a client, to change over to", about: "Two are valid at once at most. The key is shown this once.",
		in: body((*exchange).addClientKey), out: []result{gives[newClientOut](201, "The client, with the new key.")}, refuses: []problem.Code{problem.Conflict}},
	"DELETE /v1/clients/:id/keys/:key": {id: "endClientKey", tag: "clients", summary: "End one key of a client at once",
		out: []result{givesNothing("It opens nothing any more.")}, refuses: []problem.Code{problem.Conflict}},
	"GET /v1/keys": {id: "listKeys", tag: "clients", summary: "List the keys in the HSM", about: "By name; the keys never leave it.",
		out: []result{gives[page[hsm.KeyInfo]](200, "All of them.")}},
	"POST /v1/keys/rotations": {id: "rotateKey", tag: "clients", summary: "Make the next version of a key of the house",
		about: "New seeds, PINs or keys of persons are wrapped or sealed with it from then on; what the versions before have made stays readable, and they stay in the HSM.",
		in:    body((*exchange).rotateKey), out: []result{gives[hsm.KeyInfo](201, "The new version.")}, refuses: []problem.Code{problem.Conflict}},
	"POST /v1/keys/transport": {id: "importTransport", tag: "clients", summary: "Bring a manufacturer's transport key into the HSM",
		about: "An AES key comes as two halves (XOR components) by two custodians, that is by two callers; the second may come up to 24 hours after the first. Where a check value is given, of a half or of the key, another one is refused and nothing is imported. A whole key (hex) is for development.",
		in:    body((*exchange).importTransport), out: []result{gives[importedOut](201, "The key is in the HSM."), gives[waitingOut](202, "The half waits, sealed under a key of the HSM, for a second custodian.")},
		refuses: []problem.Code{problem.Conflict}},
	"GET /v1/keys/transport/:name": {id: "getTransport", tag: "clients", summary: "The public half of an RSA transport key", out: []result{gives[publicOut](200, "What the manufacturer needs.")}},
	"POST /v1/keys/pairs": {id: "makePair", tag: "clients", summary: "Make an RSA transport key in the HSM",
		about: "The private half decrypts and never leaves the HSM, so one custodian is enough. It may take a minute.",
		in:    body((*exchange).makePair), out: []result{gives[publicOut](201, "The public half, for the manufacturer.")}, refuses: []problem.Code{problem.Conflict}},
	"GET /v1/keys/halves": {id: "listHalves", tag: "clients", summary: "The halves of transport keys that wait for the other", out: []result{gives[page[halfOut]](200, "All of them.")}},
	"DELETE /v1/keys/halves/:name": {id: "cancelHalf", tag: "clients", summary: "Remove a half that waits", about: "Any custodian may, whoever brought it.",
		out: []result{givesNothing("It is gone.")}, refuses: []problem.Code{problem.Conflict}},
	"DELETE /v1/keys/transport/:name": {id: "deleteTransport", tag: "clients", summary: "Remove a transport key",
		out: []result{givesNothing("It is gone.")}, refuses: []problem.Code{problem.Conflict}},
}

var serving = map[string]operation{
	"PUT /v1/customers/:id": {id: "putCustomer", tag: "customers", summary: "Create or change a customer",
		about: "A change of contacts needs a proof: an authentication of purpose action, customer.contacts, whose data is exactly this request without its proof.",
		in:    body((*exchange).putCustomer), out: []result{gives[customerOut](200, "Changed."), gives[customerOut](201, "Created.")},
		refuses: []problem.Code{problem.ProofRequired, problem.Conflict}},
	"GET /v1/customers/:id": {id: "getCustomer", tag: "customers", summary: "Look at a customer", about: "An auditor does not see name and contacts.",
		out: []result{gives[customerOut](200, "The customer.")}},
	"PUT /v1/holders/:id": mayWait(operation{id: "putHolder", tag: "customers", summary: "Say who signs for a company, or for several people together",
		about: "The whole of it each time. Of its rules the first whose up_to is not below the amount says how many of the signers a payment takes; the last rule has no up_to. Payments that wait for signatures are judged by it as it is when the last one comes.",
		in:    body((*exchange).putHolder), out: []result{gives[holderOut](200, "Changed."), gives[holderOut](201, "Created.")}, refuses: []problem.Code{problem.Conflict}}),
	"GET /v1/holders/:id": {id: "getHolder", tag: "customers", summary: "Look at a holder and its signers", about: "An auditor does not see its name.",
		out: []result{gives[holderOut](200, "The holder.")}},
	"POST /v1/customers/:id/suspend": atAnyHour(operation{id: "suspendCustomer", tag: "customers", summary: "Suspend a customer (clauses 4.3.5, 4.6)", about: "Ends his sessions; nothing of his is granted until resumed. With channels, only of those. While a part is away the customer is stopped as a whole.",
		in: body((*exchange).suspendCustomer), out: []result{gives[customerOut](200, "Suspended.")}, refuses: []problem.Code{problem.Conflict}}),
	"POST /v1/customers/:id/resume": mayWait(operation{id: "resumeCustomer", tag: "customers", summary: "Let a customer back (clause 4.7)",
		in: body((*exchange).resumeCustomer), out: []result{gives[customerOut](200, "Active.")}, refuses: []problem.Code{problem.Conflict}}),
	"PUT /v1/customers/:id/pin": {id: "putPIN", tag: "customers", summary: "Set the PIN the customer chose", about: "With a proof of the customer. No member of staff may call it.",
		in: body((*exchange).putPIN), out: []result{givesNothing("It is set.")}, refuses: []problem.Code{problem.ProofRequired, problem.AuthenticationFailed, problem.Conflict}},
	"POST /v1/customers/:id/activation-secrets": {id: "sendSecret", tag: "customers", summary: "Send an activation secret to the customer",
		about: "Random, single use, five tries, over a channel other than the token's. An older one of the same purpose ends.",
		in:    body((*exchange).sendSecret), out: []result{gives[secretOut](201, "On its way.")}, refuses: []problem.Code{problem.Conflict}},
	"GET /v1/customers/:id/limits": {id: "getLimits", tag: "customers", summary: "The limits of a customer (clause 5.32)", about: "What applies is the lower one of the bank's and the customer's own. A front end sees those of customers who are logged in with it.",
		out: []result{gives[limitsOut](200, "Limits and what of them is used today.")}},
	"PUT /v1/customers/:id/limits": {id: "putLimits", tag: "customers", summary: "Set a customer's own limits (clause 5.32)",
		about: "What is left out stays as it is. Lower is in force at once. Higher, up to the bank's own limits, takes a proof of the customer: an authentication of purpose action, limits.raise, whose data is this request without its proof; it comes into force by itself after the cooling period (limits.cooling), and the customer is told at once. Setting a limit to what it is, or lower, takes back a raise that waits.",
		in:    body((*exchange).putLimits), out: []result{gives[limitsOut](200, "The limits as they are now, with the raises that wait.")}, refuses: []problem.Code{problem.ProofRequired, problem.NotFound, problem.Conflict}},
	"GET /v1/customers/:id/activity": {id: "getActivity", tag: "customers", summary: "The last log-ins of a customer (clause 5.34)",
		about: "When and over which channel, granted and refused; never by which factor. A front end sees those of customers who are logged in with it.",
		out:   []result{gives[activityOut](200, "The last of each.")}},
	"GET /v1/customers/:id/sessions": {id: "listSessions", tag: "sessions", summary: "The live sessions of a customer", about: "A front end sees those it began.",
		out: []result{gives[page[sessionOut]](200, "Newest first.")}},
	"DELETE /v1/customers/:id/sessions": {id: "endSessions", tag: "sessions", summary: "End the sessions of a customer", about: "A front end ends those it began.",
		out: []result{givesNothing("They have ended.")}},
}

var overseeing = map[string]operation{
	"POST /v1/customer-reports": {id: "takeCustomerReport", tag: "oversight", summary: "Take a customer's report at any hour (clauses 4.4, 5.30)",
		about: "Opens an incident. All kinds but error and technical stop the token named, or every active token of the customer. While the HSM or the store is away the report is obeyed from its acknowledgement on, and suspended lists what it names.",
		in:    body((*exchange).takeCustomerReport), out: []result{gives[reportedOut](201, "Taken, and obeyed.")}},
	"GET /v1/incidents": {id: "listIncidents", tag: "oversight", summary: "The register of incidents (clause 5.9)", out: []result{gives[page[incidentOut]](200, "Newest first.")}},
	"GET /v1/audit/entries": {id: "listEntries", tag: "oversight", summary: "Entries of the audit log (clause 5.11)", about: "In the order of the log; next_cursor is the next from.",
		out: []result{gives[page[entryOut]](200, "Entries.")}},
	"GET /v1/audit/checkpoint": {id: "getCheckpoint", tag: "oversight", summary: "The last signed checkpoint of the log", out: []result{gives[checkpointOut](200, "The checkpoint.")}, refuses: []problem.Code{problem.NotFound}},
	"GET /v1/audit/proof":      {id: "getProof", tag: "oversight", summary: "Proof that an entry is in the log (RFC 6962)", out: []result{gives[audit.Inclusion](200, "The proof.")}, refuses: []problem.Code{problem.NotFound}},
	"GET /v1/audit/export": {id: "exportAudit", tag: "oversight", summary: "The log as its verifier reads it", about: "A stream of JSON lines for `mohur audit verify`.",
		out: []result{givesText("application/x-ndjson", "The log.")}, refuses: []problem.Code{problem.NotFound}},
}

var handling = map[string]operation{
	"POST /v1/token-imports": {id: "postImport", tag: "tokens", summary: "Import a seed file", about: "Answers when the file is here; it is read afterwards, and its record tells how far. An import that was cut off is gone on with, under its id, when the same file is sent again with the same profile, batch and branch. A file with seeds in the clear waits for a second person outside development: its SHA-256, size, name and these fields do, its bytes do not. Once approved, the same file sent again within 24 hours is imported, once, and an incident tells of it.",
		form: true, refuses: []problem.Code{problem.Conflict},
		out: []result{{status: 202, about: "It is being read, or it holds seeds in the clear and waits for a second person: see approvals.", bodies: []reflect.Type{reflect.TypeFor[importOut](), reflect.TypeFor[waitsOut]()}}}},
	"GET /v1/token-imports/:id":          {id: "getImport", tag: "tokens", summary: "How far an import is", out: []result{gives[importOut](200, "The import.")}},
	"GET /v1/token-imports/:id/rejected": {id: "listRejected", tag: "tokens", summary: "The keys an import did not take", out: []result{gives[page[tokens.Rejection]](200, "In the order of the file.")}},
	"GET /v1/tokens":                     {id: "listTokens", tag: "tokens", summary: "Search tokens", out: []result{gives[page[tokenOut]](200, "Newest first.")}},
	"GET /v1/tokens/:ref":                {id: "getToken", tag: "tokens", summary: "Look at a token", out: []result{gives[tokenOut](200, "The token.")}, refuses: []problem.Code{problem.Conflict}},
	"POST /v1/tokens/:ref/reserve":       moving("reserveToken", "Keep a token for a customer or a branch", body((*exchange).reserveToken)),
	"POST /v1/tokens/:ref/assign":        moving("assignToken", "Give a token to a customer or a member of staff", body((*exchange).assignToken)),
	"POST /v1/tokens/:ref/ship":          moving("shipToken", "Send a token to its customer (clause 5.20)", body((*exchange).shipToken)),
	"POST /v1/tokens/:ref/deliver":       moving("deliverToken", "Record that the customer has it (clause 5.20)", body((*exchange).deliverToken)),
	"POST /v1/tokens/:ref/activate":      moving("activateToken", "Bring a delivered token to life", body((*exchange).activateToken), problem.AuthenticationFailed),
	"POST /v1/tokens/:ref/suspend":       atAnyHour(moving("suspendToken", "Suspend a token", body((*exchange).suspendToken))),
	"POST /v1/tokens/:ref/resume":        mayWait(moving("resumeToken", "Bring a suspended token back", body((*exchange).resumeToken))),
	"POST /v1/tokens/:ref/report":        atAnyHour(moving("reportToken", "Report a token lost, stolen, damaged or suspected (clause 5.17.3)", body((*exchange).reportToken))),
	"POST /v1/tokens/:ref/unlock":        mayWait(moving("unlockToken", "End the locks of a token's credentials (clause 5.22)", body((*exchange).unlockToken))),
	"POST /v1/tokens/:ref/resync":        resyncing,
	"POST /v1/tokens/:ref/revoke":        mayWait(moving("revokeToken", "Take a token out of use for good", body((*exchange).revokeToken))),
	"POST /v1/tokens/:ref/return":        moving("returnToken", "Record that a revoked token came back", body((*exchange).returnToken)),
	"POST /v1/tokens/:ref/wipe":          moving("wipeToken", "Record that a returned token was wiped", body((*exchange).wipeToken)),
	"POST /v1/tokens/:ref/destroy":       mayWait(moving("destroyToken", "Record that a returned token was destroyed", body((*exchange).destroyToken))),
}

// moving is a step of a token's life: the token is answered as it is after it.
func moving(id, summary string, in taken, refuses ...problem.Code) operation {
	return operation{id: id, tag: "tokens", summary: summary, in: in, out: []result{gives[tokenOut](200, "The token after it. A front end sees neither customer nor history.")},
		refuses: append([]problem.Code{problem.Conflict}, refuses...)}
}

// resyncing moves no token through its life, only the counter or clock of one.
var resyncing = operation{
	id: "resyncToken", tag: "tokens", summary: "Bring a token back that has run out of its window (clause 5.23)",
	about: "By two codes in a row, which are used up by it. Always forward, and throttled; a wrong pair counts like a wrong code. It grants nothing and ends no lock. credential_id is needed where several of the token's credentials count or have a clock. A front end names the customer, tells his address, and brings back no clock that has fallen behind: that is for the bank's own people.",
	in:    body((*exchange).resyncToken), out: []result{gives[tokenOut](200, "The token, as before.")},
	refuses: []problem.Code{problem.AuthenticationFailed, problem.Conflict, problem.Locked},
}

var enrolling = map[string]operation{
	"POST /v1/enrollments": {id: "postEnrollment", tag: "tokens", summary: "Begin an app token, a FIDO2 key or a card", about: "Where the bank's policy allows one. The URI of an app and its QR code hold the seed and are shown once. For a key the page passes fido.publicKey to PublicKeyCredential.parseCreationOptionsFromJSON and on to navigator.credentials.create; for a card, card.nonce to the Web eID extension (docs/cards.md). The proof is an activation secret of purpose enroll, or an authentication of purpose action, credential.enroll, whose data is this request without its proof.",
		in: body((*exchange).postEnrollment), out: []result{gives[enrollmentOut](201, "It waits for the app's first code, or for the key or card.")},
		refuses: []problem.Code{problem.ProofRequired, problem.AuthenticationFailed, problem.Conflict}},
	"GET /v1/enrollments/:id": {id: "getEnrollment", tag: "tokens", summary: "How does an enrolment stand?", about: "To the caller who began it. After a refused card the nonce that stands here is another one.",
		out: []result{gives[enrollmentOut](200, "As it stands.")}},
	"POST /v1/enrollments/:id/responses": {id: "respondEnrollment", tag: "tokens", summary: "Complete it with a code of the app, or with the key or card", about: "A code is used up: it does not log in as well. A key is judged by its attestation and the bank's policy (docs/fido.md), a card by its certificate (docs/cards.md). Five refused responses end it.",
		in: body((*exchange).respondEnrollment), out: []result{gives[enrollmentOut](200, "The token is active.")}, refuses: []problem.Code{problem.AuthenticationFailed, problem.Conflict, problem.Expired}},
}

var proving = map[string]operation{
	"POST /v1/authentications": {id: "begin", tag: "authentications", summary: "Begin an authentication",
		about: "One for an unknown, suspended or locked customer is begun and told in the same way. Responses that come along are judged in their order. A payment's authentication is begun by its transaction. With dpop or x5t the session of a log-in is bound to that key (docs/sessions.md). With access_token a log-in proves the customer of that session again and, once granted, gives a new session in its place. A log-in may leave out customer and subject where fido.resident_key has keys keep the account: any such key may answer it, and the session says whose it is.",
		in:    body((*exchange).begin), out: []result{gives[authenticationOut](201, "Begun, and perhaps granted.")}, refuses: []problem.Code{problem.AuthenticationFailed, problem.SessionEnded, problem.InvalidProof, problem.UseNonce, problem.Conflict}},
	"GET /v1/authentications/:id": {id: "getAuthentication", tag: "authentications", summary: "Look at an authentication", about: "Never a token.",
		out: []result{gives[authenticationOut](200, "As it stands.")}},
	"POST /v1/authentications/:id/spend": {id: "spend", tag: "authentications", summary: "Spend the proof for an act of the bank's own", about: "Once, by the front end that began it, for exactly this customer, name and data. The name begins with x.; the acts of the house are spent by the requests they are for.",
		in: body((*exchange).spend), out: []result{gives[authenticationOut](200, "It is spent: do the act.")}, refuses: []problem.Code{problem.ProofRequired, problem.Conflict}},
	"POST /v1/authentications/:id/responses": {id: "respond", tag: "authentications", summary: "Answer with a response",
		about: "A PIN alone is pending: it is judged together with the possession factor. Whatever was wrong, the refusal is the one authentication-failed.",
		in:    body((*exchange).respond), out: []result{gives[verdictOut](200, "Pending or granted.")},
		refuses: []problem.Code{problem.AuthenticationFailed, problem.InvalidProof, problem.UseNonce, problem.Expired}},
	"POST /v1/sessions/introspect": {id: "introspect", tag: "sessions", summary: "Is an access token good, and its session live? (RFC 7662)", about: "One that is bound to a key is active only beside a proof of it. A proof serves one call: whoever introspects with it does not pay with it. With acr_values or max_age it also says whether the log-in was strong and recent enough, and else what to tell the client (RFC 9470).",
		in:  body((*exchange).introspect),
		out: []result{{status: 200, about: "What the token stands for, or only that it is not active.", bodies: []reflect.Type{reflect.TypeFor[activeOut](), reflect.TypeFor[inactiveOut]()}}}},
	"GET /v1/sessions/:id": {id: "getSession", tag: "sessions", summary: "Look at a session", out: []result{gives[sessionOut](200, "Live or over.")}},
	"POST /v1/sessions/:id/touch": {id: "touchSession", tag: "sessions", summary: "Record activity, and renew the access token", about: "Only the customer's own activity extends a session. One that is bound to a key asks for a proof of it: with ath where access_token goes along, else without.",
		in: body((*exchange).touchSession), out: []result{gives[sessionGrant](200, "The session; after activity of the user with a new access token.")}, refuses: []problem.Code{problem.InvalidProof, problem.UseNonce}},
	"DELETE /v1/sessions/:id": {id: "endSession", tag: "sessions", summary: "Log out, or throw out", out: []result{givesNothing("It has ended.")}},
}

var paying = map[string]operation{
	"POST /v1/transactions": {id: "createTransaction", tag: "transactions", summary: "Begin a payment",
		about: "Decides at once: approved under an exemption, step_up to a proof bound to amount and payee, held, or rejected. The same reference with the same request is the same transaction.",
		in:    body((*exchange).createTransaction), out: []result{gives[transactionOut](201, "The transaction with the decision.")},
		refuses: []problem.Code{problem.SessionEnded, problem.StepUpNeeded, problem.InvalidProof, problem.UseNonce, problem.Conflict}},
	"GET /v1/transactions":     {id: "listTransactions", tag: "transactions", summary: "List transactions", out: []result{gives[page[transactionOut]](200, "Newest first; authentications by id only.")}},
	"GET /v1/transactions/:id": {id: "getTransaction", tag: "transactions", summary: "Look at a transaction (clauses 4.3.7, 5.15)", out: []result{gives[transactionOut](200, "The transaction.")}},
	"GET /v1/transactions/:id/signature": {id: "getSignature", tag: "transactions", summary: "What the customer's certificate signed", about: "Of a payment confirmed by card-sign: detached CMS SignedData (RFC 5652, DER) over the bytes of linked.text. Of a holder's payment, that of the signer named, over his own text in signatures.given.",
		out: []result{givesText("application/cms", "The signature.")}},
	"POST /v1/transactions/:id/authentications": {id: "askAgain", tag: "transactions", summary: "Open a further authentication", about: "After one that expired, or for a further signer of the holder's, from his own session. Its text names him, and of each signer only the last one counts.",
		in: body((*exchange).askAgain), out: []result{gives[transactionOut](201, "The transaction with it.")}, refuses: []problem.Code{problem.SessionEnded, problem.StepUpNeeded, problem.InvalidProof, problem.UseNonce, problem.Conflict}},
	"POST /v1/transactions/:id/cancel":  deciding("cancelTransaction", "Cancel a payment that is not approved yet", body((*exchange).cancelTransaction)),
	"POST /v1/transactions/:id/release": deciding("releaseTransaction", "Let a held payment ask for its proof (clause 5.26)", body((*exchange).releaseTransaction)),
	"POST /v1/transactions/:id/reject":  deciding("rejectTransaction", "Reject a held payment (clause 5.26)", body((*exchange).rejectTransaction)),
	"POST /v1/transactions/:id/status":  deciding("reportTransaction", "Report what became of an authorized payment", body((*exchange).reportTransaction)),
}

func deciding(id, summary string, in taken) operation {
	return operation{id: id, tag: "transactions", summary: summary, in: in, out: []result{gives[transactionOut](200, "The transaction after it.")}, refuses: []problem.Code{problem.Conflict}}
}

// choices are members that hold one of several types.
var choices = map[string][]reflect.Type{
	"transactionOut.authentications": {reflect.TypeFor[authenticationOut](), reflect.TypeFor[attemptRef]()},
}
