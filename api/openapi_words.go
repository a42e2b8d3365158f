package api

import "strings"

// wordsOf says what a member or parameter means: what is written for this one,
// else for all of its name. "" is a fault that a test finds.
func wordsOf(key string) string {
	if w := memberWords[wordsKey(key)]; w != "" {
		return w
	}
	return commonWords[key[strings.LastIndexAny(key, ".?")+1:]]
}

// wordsKey is under what a key is described: the id in a path means the same for
// all routes of a kind.
func wordsKey(key string) string {
	path, name, ofRoute := strings.Cut(key, "?")
	if ofRoute && name == "id" {
		return strings.Join(strings.SplitAfterN(path, "/", 4)[:3], "") + "?id"
	}
	return key
}

// commonWords are for members that mean the same everywhere.
var commonWords = map[string]string{
	"access_token":     "the access token: typ at+jwt (RFC 9068), at most five minutes",
	"acr":              "level of authentication: single (one factor), strong (two independent factors), linked (strong, and bound to amount and payee)",
	"amr":              "what was verified (RFC 8176)",
	"auth_time":        "when the customer logged in",
	"authorization":    "the order to pay: compact JWS, ES256, typ mohur-authorization+jwt, at most five minutes",
	"batch":            "the delivery it came with, as the bank calls it",
	"binding":          "an opaque value of the front end's, such as a hash of its cookie: answers have to bring the same",
	"branch":           "the branch that keeps it",
	"by":               "who did it",
	"channel":          "service channel (clause 3.1)",
	"context":          "what the front end sees of the customer's surroundings; what is missing raises the risk",
	"contract_ref":     "the contract the service is given on (clause 4.1)",
	"contract_version": "version of the terms accepted (clause 4.2)",
	"contacts":         "where the customer is reached",
	"country":          "ISO 3166-1 alpha-2",
	"created_at":       "when it was made",
	"currency":         "ISO 4217, such as AZN",
	"cursor":           "next_cursor of the page before; none begins with the first",
	"customer":         "the customer, by id",
	"development":      "a development server: transport keys and plain seeds come in over the API",
	"ended_at":         "when it ended",
	"ends_at":          "when it ends whatever the customer does",
	"expires_at":       "when it expires",
	"id":               "opaque identifier",
	"idle_expires_at":  "when it ends without activity of the customer",
	"items":            "the page; short or empty where a filter passes little: the end is an empty next_cursor",
	"kyc_ref":          "the record of the identification (clause 4.3.4)",
	"limit":            "the most items on a page",
	"locale":           "language of notices",
	"method":           "the method of proof",
	"next_cursor":      "cursor of the next page; empty at the end",
	"note":             "a remark for the evidence",
	"policy_version":   "version of the policy that decided",
	"profile":          "device profile",
	"proof":            "what entitles the customer to this",
	"purpose":          "what for",
	"question":         "the OCRA question, derived from the challenge, that the customer types into the token",
	"reason":           "why; it goes into the evidence",
	"risk":             "score and reasons",
	"segment":          "kind of customer",
	"serial":           "serial number on the token",
	"service":          "class of service (clause 3.1)",
	"session":          "the session a granted log-in opens",
	"shown":            "who showed the customer what the proof is for: none, agent (card agent) or device (typed on, or displayed by, the token)",
	"state":            "where it stands",
	"version":          "version",
	"ref":              "id of the token, or serial: and its serial number",
}

// memberWords are for single members; the type's name is that in package api.
var memberWords = map[string]string{
	"healthShape.status": "alive",
	"staffIn.id":         "the bank's id of the person", "staffIn.name": "name of the person", "staffIn.roles": "helpdesk, operator, supervisor, security, custodian, auditor or admin; not operator with supervisor, custodian with security, auditor with any",
	"staffIn.contacts": "where the person is reached; an invitation that takes two people goes to the e-mail address", "rolesIn.roles": "all the roles from now on",
	"staffOut.id": "the bank's id of the person", "staffOut.name": "name of the person", "staffOut.roles": "what the person may", "staffOut.contacts": "where the person is reached",
	"staffOut.updated_at": "when it was last changed", "staffOut.invitation": "how the person comes in; not there later",
	"invitationOut.link": "where the person enrols; shown this once", "invitationOut.secret": "what the link ends in: the activation_secret of one enrolment and of one PIN", "invitationOut.sent_to": "the address it went to, masked",
	"waitsOut.approval": "what waits", "approvalOut.act": "method and path of the request", "approvalOut.request": "the request as it was asked for", "approvalOut.sha256": "SHA-256 of the stored request, base64url: what the proof of the person who decides is for",
	"approvalOut.maker": "who asked for it", "approvalOut.maker_name": "name of who asked for it", "approvalOut.made_at": "when it was asked for", "approvalOut.checker": "who decided", "approvalOut.decided_at": "when it was decided",
	"approvalOut.reason": "why it was rejected, or was not possible any more", "approvalOut.result": "what the act answered", "askedOut.path": "what stands in the path", "askedOut.body": "the body",
	"approveIn.authentication": "the proof: id of a granted authentication of purpose action, approval", "rejectIn.authentication": "the proof, as for an approval",
	"enrollmentIn.staff": "the member of staff, in place of a customer",
	"readyOut.ready":     "all parts answer", "readyOut.hsm": "the HSM answers", "readyOut.store": "the store takes reads and writes",
	"readyOut.stop_list":    "no report waits to be settled",
	"customerReportIn.kind": "what happened", "customerReportIn.channel": "how the customer told", "customerReportIn.details": "in the customer's words; kept sealed",
	"customerReportIn.token": "id of the token, or serial: and its serial number", "customerReportIn.transaction": "id or reference of the operation",
	"reportedOut.ack": "the acknowledgement", "reportedOut.at": "when it was taken", "reportedOut.suspended": "what is out of use by it: ids, or what was named while a part is away",
	"incidentOut.details": "what a customer told; for security only", "Details.details": "in the customer's words", "Details.by": "name of the caller", "Details.customer": "the customer named", "Details.token": "the token named", "Details.transaction": "the operation named",
	"readyOut.audit": "the audit log is written and signed", "readyOut.checkpoint_at": "time of the last checkpoint", "readyOut.version": "version of the program",

	"keySetShape.keys":   "the keys",
	"publicKeyShape.kty": "EC", "publicKeyShape.crv": "P-256", "publicKeyShape.x": "coordinate, base64url", "publicKeyShape.y": "coordinate, base64url",
	"publicKeyShape.kid": "RFC 7638 thumbprint", "publicKeyShape.alg": "ES256", "publicKeyShape.use": "sig",
	"KeyInfo.key": "name of the key in the HSM", "KeyInfo.version": "version of the key", "KeyInfo.type": "AES-256, HMAC-SHA256, EC P-256 or RSA-3072",
	"KeyInfo.use": "the one thing it is used for", "KeyInfo.id": "RFC 7638 thumbprint of a public key",
	"transportIn.name": "1 to 32 of a-z 0-9 -", "transportIn.hex": "in development, a whole key: 16 or 32 bytes as hexadecimal digits", "importedOut.key": "name of the key in the HSM",
	"transportIn.half": "one half: 16 or 32 bytes as hexadecimal digits", "transportIn.half_kcv": "check value of the half, if its letter says one: 6 to 10 hexadecimal digits",
	"transportIn.kcv": "check value of the whole key, if it is known", "transportIn.kcv_form": "how the check values were computed: cmac (AES-CMAC of a block of zeros, the default) or ecb (a block of zeros encrypted)",
	"importedOut.kcv": "check value of the key", "waitingOut.kcv": "check value of the half", "KCV.cmac": "first three bytes of AES-CMAC over a block of zeros", "KCV.ecb": "first three bytes of a block of zeros, encrypted",
	"waitingOut.half": "what waits", "waitingOut.waiting_for": "who has to come", "halfOut.name": "name the key will have", "halfOut.type": "what the key will be", "halfOut.by": "who brought it",
	"rotateIn.key": "seed-kek, pin-seal or data-kek", "pairIn.name": "1 to 32 of a-z 0-9 -", "pairIn.bits": "2048, 3072 or 4096; 3072 if not there", "publicOut.key": "name of the key in the HSM", "publicOut.type": "kind and size of the key",
	"publicOut.public_key": "SubjectPublicKeyInfo, PEM", "publicOut.sha256": "SHA-256 of its DER, hexadecimal: for comparing over the telephone",
	"/v1/keys/transport/:name?name": "name of the transport key", "/v1/keys/halves/:name?name": "name of the transport key",

	"authorityIn.name": "name of the authority, 1 to 64 bytes", "authorityOut.subject": "its name (RFC 2253)", "authorityOut.certificate": "its certificate, PEM", "authorityOut.chain": "those above it, PEM, the root last; not there when it is its own root",
	"authorityOut.sha256": "SHA-256 of its certificate in DER, hexadecimal: for comparing", "authorityOut.not_after": "when its certificate ends", "authorityOut.crl_number": "number of the last revocation list",
	"csrOut.request": "PKCS#10 request, PEM", "adoptIn.certificate": "the certificate, PEM", "adoptIn.chain": "those above it, PEM, each signing the one before, up to the root",
	"certifyIn.request": "PKCS#10 request signed by the key, PEM: RSA of 2048 to 4096 bits, or EC on P-256 or P-384", "certifyIn.attestation": "the device's proof that it made the key itself, PEM: the key's attestation certificate, the device's, and those above",
	"certificateOut.serial": "serial number of the certificate, hexadecimal", "certificateOut.token": "the token", "certificateOut.certificate": "the certificate, PEM", "certificateOut.chain": "those above it, PEM, the root last; with a new one",
	"certificateOut.not_after": "when it ends", "certificateOut.attested": "serial number the device proved the key under; not there when it did not", "certificateOut.issued_at": "when it was issued", "certificateOut.revoked_at": "when it was revoked; not there: it was not",

	"clientIn.name": "1 to 64 of A-Z a-z 0-9 . _ : / @ + -", "clientIn.roles": "what it may do", "clientIn.channels": "channels it may use; none are all three",
	"clientIn.days": "life of the key, 1 to 3650; none is a year", "clientKeyIn.days": "life of the key, 1 to 3650; none is a year", "newClientOut.key_id": "id of the key", "newClientOut.key": "the API key, shown this once",
	"newClientOut.expires_at": "when the key ends; not there: it does not", "clientOut.name": "its name", "clientOut.roles": "what it may do", "clientOut.channels": "channels it may use",
	"/v1/clients/?id": "id of the client", "/v1/clients/:id/keys/:key?key": "id of the key", "clientOut.ended_at": "when it was ended; not there: it was not",
	"clientOut.keys": "its API keys, without anything that could serve as one", "keyOut.expires_at": "when it ends; not there: it does not",

	"customerIn.name": "name of the person", "customerIn.proof": "needed when contacts change", "customerOut.name": "name of the person; not for auditors",
	"customerOut.contacts": "where he is reached; not for auditors", "customerOut.reason": "why suspended", "customerOut.updated_at": "when it was last changed",
	"contacts.phone": "telephone number, E.164", "contacts.email": "email address",
	"proof.authentication":    "id of a granted authentication of purpose action whose action and data are this request's",
	"proof.activation_secret": "an activation secret of this purpose", "proof.approval": "not served yet",
	"pinIn.pin": "the PIN as the customer chose it", "stateIn.notify": "tell the customer; true if not there",
	"secretIn.purpose": "what the secret will entitle to", "secretIn.token": "with activate: the token", "secretIn.channel": "how it is sent; not the token's own way",
	"secretOut.sent_to": "where it went, masked", "secretOut.question": "what an OCRA token answers at its activation", "secretOut.secret": "the secret itself, in development only",
	"limitsOut.daily": "limit of the day", "dailyLimit.limit": "the limit", "dailyLimit.used": "what of it is used",
	"Money.value": "decimal text", "moneyIn.value": "decimal text, such as 1500.00",
	"/v1/customers/?id": "the bank's own id of the customer: 1 to 64 of A-Z a-z 0-9 . _ : / @ + -",

	"import.file": "the seed file, or the list of serials", "import.format": "form of the file; auto: what it begins with says it", "import.transport_key": "name of the key in the HSM that the seeds are encrypted under; without it or a password, in the clear: outside development that waits for a second person",
	"import.password": "password of a PSKC file under PBKDF2 (RFC 6030 section 6.2); kept nowhere", "import.profile": "device profile of the tokens; says the digits where the format does not. With serials one of devices without seeds, such as fido2-key", "importOut.sha256": "SHA-256 of the file, hex",
	"importOut.format": "form of the file; auto: it was not recognised", "importOut.warnings": "what a person should know of the file", "importOut.total": "keys in the file", "importOut.imported": "keys taken", "importOut.rejected": "keys not taken", "importOut.error": "why the file was refused",
	"Rejection.index": "position of the key in the file, from 1", "Rejection.key_id": "id of the key in the file", "Rejection.reason": "why it was not taken",
	"/v1/token-imports/?id": "id of the import",

	"tokenOut.manufacturer": "who made it", "tokenOut.model": "model", "tokenOut.import": "the import it came with", "tokenOut.credentials": "what proves", "tokenOut.history": "where it has been",
	"tokenOut.state": "where it is in its life", "credentialOut.kind": "kind of credential", "credentialOut.label": "what the customer knows it by",
	"credentialOut.state": "condition; damaged ones are quarantined at the next answer", "credentialOut.locked": "no answer is granted",
	"credentialOut.locked_until": "end of the lock; not there when locked for good", "credentialOut.uses_left": "how many more codes are accepted; not there where the maker set no limit, nor for front ends",
	"changeOut.at": "when", "changeOut.from": "state before", "changeOut.to": "state after", "changeOut.move": "the move",
	"reserveIn.customer": "for whom", "reserveIn.branch": "or where", "assignIn.customer": "whose it will be", "assignIn.staff": "or the member of staff; never the one who asks", "shipIn.to": "where it is sent", "shipIn.carrier": "by whom", "shipIn.tracking": "number of the consignment",
	"deliverIn.receipt": "what shows that the customer has it", "activateIn.activation_secret": "the secret that was sent to the customer", "activateIn.response": "a response of the token itself: it proves possession and is consumed",
	"reportIn.kind": "what happened", "reportIn.details": "in the caller's words",
	"resyncIn.codes": "two codes of the token in a row, in their order", "resyncIn.customer": "whose token it is; needed from a front end", "resyncIn.credential_id": "which credential, where several of the token's count or have a clock",
	"enrollmentIn.kind": "an app by event or by time, a FIDO2 key, or a certificate of a card", "enrollmentIn.label": "what the app or the browser calls it, beside the bank; none: the customer's id", "enrollmentIn.token": "with fido: the key the bank handed out, where it enrols no other; with card: the card the bank handed out, or an active one of the customer's, whose certificate with the same use is replaced", "enrollmentIn.use": "with card: login, also if not there, or sign for a certificate for documents, which confirms payments", "enrollmentOut.card": "for the card", "cardAskOut.nonce": "standard base64 of the SHA-256 of text: the challengeNonce of Web eID; each answer, good or bad, spends it", "cardAskOut.origin": "the origin of the page that asks the card", "cardAskOut.use": "what the certificate will be for", "cardAskOut.text": "the challenge text: canonical JSON (RFC 8785); with sign, what is signed", "enrollmentOut.fido": "for the browser", "creationOut.publicKey": "PublicKeyCredentialCreationOptions as JSON (WebAuthn Level 3 section 5.1.9)", "enrollmentOut.otp": "for the app; shown this once", "enrollmentOut.token": "the token, when completed",
	"provisionOut.uri": "otpauth://, with the seed in it", "provisionOut.qr": "the same as a QR code: data:image/png;base64", "finishIn.otp": "with an app: its first code", "finishIn.fido": "with a FIDO2 key: the PublicKeyCredential, as the browser's toJSON gave it", "finishIn.card": "with a card: the Web eID token, as the browser gave it; with use sign the object certificate, signature, signatureAlgorithm", "firstCodeIn.code": "its digits", "/v1/enrollments/?id": "id of the enrolment",
	"/v1/tokens?state": "tokens in this state", "/v1/tokens?kind": "tokens with a credential of this kind", "/v1/tokens?customer": "tokens of this customer", "/v1/tokens?batch": "tokens of this delivery",
	"/v1/tokens?branch": "tokens of this branch", "/v1/tokens?serial": "the token with this serial number", "/v1/tokens?q": "part of a serial number, in any case",

	"beginIn.customer": "who; or subject; left out: whoever the FIDO2 key that answers says", "beginIn.subject": "who; or customer", "beginIn.purpose": "login, or action for the proof of an act", "beginIn.action": "with purpose action: which", "beginIn.acr": "raises what policy asks, never lowers it",
	"beginIn.responses": "responses already known, judged in their order", "subjectIn.kind": "customer", "subjectIn.id": "id of the customer",
	"actionIn.name": "which act", "actionIn.data": "what it is about: the canonical request without proof and secrets",
	"contextIn.ip": "address of the customer", "contextIn.user_agent": "his browser or app", "contextIn.device_id": "the front end's id of his device", "contextIn.country": "country of the address, ISO 3166-1 alpha-2",
	"authenticationOut.methods": "what is accepted", "authenticationOut.challenge": "what the responses are for", "authenticationOut.ways": "lists of methods: any one list suffices",
	"authenticationOut.amr": "what was verified so far (RFC 8176)", "authenticationOut.transaction": "the transaction a granted proof has moved",
	"methodOut.credentials": "those that can answer", "relatedShape.origins": "scheme, host and port of each", "readyOut.fido_metadata": "what is known of models of FIDO2 keys is current; does not count for ready", "methodOut.options": "with fido: PublicKeyCredentialRequestOptions as JSON (WebAuthn Level 3 section 5.1.10)", "methodOut.nonce": "with card: the challengeNonce of Web eID, standard base64 of the challenge's SHA-256; each answer, good or bad, spends it, and another one takes a new authentication", "methodOut.origin": "with card: the origin of the page that asks the card", "methodOut.type_on_device": "what the customer types on a device that shows what it signs, part by part", "Offered.kind": "kind of credential", "Offered.label": "what the customer knows it by",
	"challengeOut.text": "the challenge text: canonical JSON (RFC 8785); not for auditors", "challengeOut.sha256": "SHA-256 of the text, base64url without padding; for auditors once it has expired",
	"riskOut.score": "0 (none) to 100", "riskOut.reasons": "what made the score", "Reason.code": "code", "Reason.text": "the same in words",
	"answerIn.method": "the method of the response; it says which of the members below carries it", "answerIn.credential_id": "which credential, where there are several",
	"answerIn.code": "with otp and ocra: the digits", "answerIn.pin": "with pin: the PIN", "answerIn.tls_code": "with card, in place of token, to log in: the code that the client-certificate listener gave to this browser", "answerIn.credential": "with fido: the WebAuthn credential, as the browser gave it",
	"answerIn.token": "with card: the Web eID token, as the browser gave it; with card-sign: the object certificate, signature, signatureAlgorithm over the SHA-2 hash of the challenge text", "verdictOut.transaction": "the transaction a granted proof has moved",
	"/.well-known/mohur/linked/:hash?hash": "the same as in /v1/linked", "/v1/linked/:hash?hash": "SHA-256 of the text, base64url without padding; of what a certificate for documents may sign, SHA-384 or SHA-512 as well", "/v1/authentications/?id": "id of the authentication", "/v1/sessions/?id": "id of the session", "/v1/transactions/?id": "id of the transaction",

	"sessionGrant.customer": "who is logged in", "sessionGrant.access_token": "the access token (RFC 9068); not after a poll", "sessionGrant.expires_at": "end of the access token", "sessionOut.reason": "why it ended", "sessionOut.last_used_at": "last activity",
	"touchIn.activity": "user extends the session and renews the token, poll does not", "introspectIn.dpop": "not served yet", "introspectIn.htm": "not served yet", "introspectIn.htu": "not served yet", "introspectIn.x5t": "not served yet",
	"activeOut.active": "true", "inactiveOut.active": "false, and nothing else is told", "activeOut.token_type": "Bearer", "activeOut.iss": "who issued it", "activeOut.aud": "for whom", "activeOut.sub": "the customer", "activeOut.sid": "the session",
	"activeOut.client_id": "the front end it was issued to", "activeOut.auth_time": "log-in, seconds since 1970", "activeOut.jti": "id of the token", "activeOut.iat": "issued, seconds since 1970", "activeOut.exp": "end, seconds since 1970",

	"transactionIn.access_token": "of the customer's session; or session", "transactionIn.session": "id of the session; or access_token", "transactionIn.dpop": "not served yet", "transactionIn.batch": "not served yet",
	"transactionIn.reference": "the bank's own reference, never used again: 1 to 64 of A-Z a-z 0-9 . _ : / @ + -", "transactionIn.amount": "what is paid", "transactionIn.purpose": "what it is paid for", "transactionIn.holder": "holder of the account, where it is not the customer",
	"transactionIn.payer": "who pays", "transactionIn.payee": "who is paid", "partyIn.name": "name", "partyIn.account": "account, IBAN", "partyIn.bank": "bank", "partyOut.name": "name; not for auditors", "partyOut.account": "account, IBAN; for auditors its last four characters", "partyOut.bank": "bank",
	"transactionOut.reference": "the bank's own reference", "transactionOut.decision": "what policy decided", "transactionOut.exemption": "why no proof of its own was needed", "transactionOut.amount": "what is paid",
	"transactionOut.purpose": "what it is paid for; not for auditors", "transactionOut.holder": "holder of the account, where it is not the customer", "transactionOut.payer": "who pays", "transactionOut.payee": "who is paid", "transactionOut.acr": "level of the proof given",
	"transactionOut.linked": "the challenge that binds the proof to amount and payee", "transactionOut.signatures": "proofs asked for and given", "transactionOut.authentications": "its authentications; in a list, and the older ones, by id only",
	"transactionOut.authorization": "the order to pay, for front end and core only: compact JWS, ES256", "transactionOut.jti": "id of the authorization", "transactionOut.limits": "the customer's limits", "transactionOut.timeline": "what became of it (clause 5.15)",
	"signatures.required": "proofs asked for", "signatures.collected": "proofs given", "stepOut.at": "when", "stepOut.reason": "why; a front end is not told what staff wrote", "statusIn.jti": "jti of the authorization", "statusIn.state": "what became of it", "statusIn.detail": "in the core system's words",
	"/v1/transactions?customer": "transactions of this customer", "/v1/transactions?state": "transactions in this state", "/v1/transactions?decision": "transactions decided so", "/v1/transactions?from": "made at or after this time", "/v1/transactions?to": "made before this time",

	"incidentOut.kind": "kind of incident", "incidentOut.reference": "what it is about", "incidentOut.cause": "cause", "incidentOut.content": "what happened", "incidentOut.at": "when", "incidentOut.measures": "measures taken",
	"entryOut.seq": "position in the log, from 0", "entryOut.header": "the header, where it is JSON", "entryOut.header_text": "the exact bytes the leaf hash covers", "entryOut.erased": "the sealed body has been erased",
	"checkpointOut.checkpoint": "the signed note (C2SP tlog-checkpoint)", "checkpointOut.origin": "name of the log", "checkpointOut.size": "entries it covers", "checkpointOut.root": "root hash, base64", "checkpointOut.time": "when it was signed", "checkpointOut.verifier": "the key to check it with: take it from elsewhere",
	"Inclusion.index": "the entry", "Inclusion.size": "size of the log of the checkpoint", "Inclusion.proof": "hashes from the leaf's sibling to the root", "Inclusion.checkpoint": "the signed note",
	"/v1/audit/entries?from": "first entry, from 0", "/v1/audit/export?from": "first entry, from 0", "/v1/audit/proof?index": "the entry", "/v1/audit/proof?size": "size of the checkpoint; none: the last one",
	"/demo?lang": "language of the page; none: as Accept-Language says", "/docs?lang": "language of the headings; none: as Accept-Language says",

	"policyOut.version": "version of the policy", "policyOut.login": "what a log-in takes", "policyOut.payments": "what a payment takes", "policyOut.otp": "how far one-time passwords reach (clause 5.23)", "policyOut.attempts": "limits of an authentication (clause 5.22)",
	"policyOut.sessions": "limits of a session (clause 5.22)", "policyOut.guessing": "what wrong answers lead to (clause 5.22)", "policyOut.signals": "score of each signal", "policyOut.currency": "currency of the amounts", "policyOut.source": "built in: no decision of the board has replaced it",
	"paymentRules.low_value": "the exemption of small payments", "paymentRules.proof_up_to": "up to here a proof suffices", "paymentRules.above": "what happens to larger ones", "paymentRules.daily_per_customer": "limit of a customer's day",
	".each": "the largest", ".in_a_row": "how many in a row", ".in_sum": "their largest sum", ".highest_score": "the highest score that is still exempt",
	"otpRule.title": "its name", "otpRule.pin_on_device": "the token has a PIN of its own", "otpRule.software": "a program on a device that does other things too", "otpRule.binds": "it can bind an answer to a payment (OCRA)",
	"otpRule.shown": "what the device shows of what it signs: none or device", "otpRule.windows": "how far its one-time passwords reach",
	"Windows.look_ahead": "HOTP, OCRA with a counter: how many codes beyond the next are tried", "Windows.steps_either": "TOTP, OCRA with a time: how many time steps either side",
	"Windows.life_seconds": "the longest a password of time is taken for", "Windows.max_drift_steps": "most steps of drift learnt from successes",
	"Windows.resync_counters": "codes searched for two in a row", "Windows.resync_steps_either": "time steps searched either side for two codes in a row", "Windows.challenge_seconds": "age from which a challenge is not answered any more",
	"policyOut.otp_ceiling":         "what no profile goes beyond",
	"otpRule.valid_seconds_by_step": "the longest a TOTP is taken for, by length of its step in seconds", "attemptRules.life_seconds": "life", "attemptRules.answers": "answers it takes", "attemptRules.open_per_customer": "open ones of a customer",
	"sessionRules.idle_seconds": "without activity", "sessionRules.absolute_seconds": "in all", "sessionRules.access_token_seconds": "life of an access token", "guessingRules.failures": "wrong answers until a lock", "guessingRules.locks_seconds": "the locks, one after the other", "guessingRules.then": "and then",
	"policyOut.pin": "which PINs may be chosen (clause 5.22)", "pinRules.digits_from": "shortest PIN", "pinRules.digits_to": "longest PIN", "pinRules.history": "a PIN among the last so many is refused, the present one included",
	"pinRules.max_age_seconds": "an older PIN proves nothing but its own change; 0: none is too old", "pinRules.min_age_seconds": "a younger PIN is changed only with an activation secret; 0: any PIN may be changed",

	"document.type": "urn:mohur:problem: and the code", "document.title": "the same for all refusals of the code", "document.status": "HTTP status", "document.detail": "what is the matter here", "document.instance": "id of the request, as in X-Request-Id", "document.errors": "what is wrong with members of the request",
	"Field.field": "path of the member, such as payer.name", "Field.message": "what is wrong with it",
}
