package api

import (
	"reflect"
	"slices"

	"mohur/approval"
	"mohur/authn"
	"mohur/custody"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/parties"
	"mohur/payment"
	"mohur/risk"
	"mohur/stoplist"
	"mohur/tokens"
)

// enumOfType returns the values of a type of the domain, nil if it is open.
func enumOfType(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[parties.Role]():
		return texts(parties.Roles())
	case reflect.TypeFor[parties.Channel]():
		return texts(parties.Channels())
	}
	return nil
}

var (
	attemptStates = texts([]authn.State{authn.Pending, authn.Granted, authn.Denied, authn.Expired})
	levels        = texts([]authn.ACR{authn.Single, authn.Strong, authn.Linked})
	shownValues   = []string{"none", "agent", "device"}
	locales       = []string{"az", "en", "ru"}
	segments      = []string{"retail", "corporate"}
	services      = []string{"information", "transactional"}
	tokenKinds    = texts([]tokens.Kind{tokens.HOTP, tokens.TOTP, tokens.OCRA, tokens.FIDO, tokens.Card})
	rowStates     = []string{"inert", "live", "suspended", "revoked", "quarantined", "damaged"}
	sessionStates = []string{"live", "ended"}
	decided       = texts([]risk.Decision{risk.Approved, risk.StepUp, risk.Held, risk.Rejected})
)

// enums are the values of members whose Go type is only text; those of a
// parameter stand under its path. A test sends what is not among them.
var enums = map[string][]string{
	"beginIn.purpose":           texts([]authn.Purpose{authn.Login, authn.Action}),
	"beginIn.channel":           texts(parties.Channels()),
	"beginIn.acr":               texts([]authn.ACR{authn.Single, authn.Strong}),
	"subjectIn.kind":            {"customer", "staff"},
	"staffOut.state":            texts([]parties.CustomerState{parties.CustomerActive, parties.CustomerSuspended}),
	"approvalOut.state":         texts(approval.States()),
	"answerIn.method":           methodNames(),
	"authenticationOut.state":   attemptStates,
	"authenticationOut.purpose": texts([]authn.Purpose{authn.Login, authn.Payment, authn.Action}),
	"authenticationOut.channel": texts(parties.Channels()),
	"authenticationOut.acr":     levels,
	"authenticationOut.shown":   shownValues,
	"authenticationOut.ways":    methodNames(),
	"methodOut.method":          methodNames(),
	"Offered.kind":              tokenKinds,
	"verdictOut.state":          attemptStates,
	"verdictOut.acr":            levels,
	"verdictOut.shown":          shownValues,
	"transactionRef.state":      texts(transactionStates),
	"customerIn.locale":         locales,
	"customerIn.segment":        segments,
	"customerOut.locale":        locales,
	"customerOut.segment":       segments,
	"customerOut.class":         texts(parties.Classes()),
	"stateIn.class":             texts(parties.Classes()),
	"stateIn.channels":          texts(parties.Channels()),
	"barOut.channel":            texts(parties.Channels()),
	"barOut.class":              texts(parties.Classes()),
	"loginOut.channel":          texts(parties.Channels()),
	"loginOut.outcome":          {"granted", "refused"},
	"customerOut.state":         texts([]parties.CustomerState{parties.CustomerActive, parties.CustomerSuspended}),
	"secretIn.purpose":          {"pin", "enroll", "activate"},
	"secretIn.channel":          {"sms", "email", "letter"},
	"sessionOut.state":          sessionStates,
	"sessionOut.channel":        texts(parties.Channels()),
	"sessionOut.acr":            levels,
	"sessionOut.shown":          shownValues,
	"activeOut.channel":         texts(parties.Channels()),
	"activeOut.acr":             levels,
	"activeOut.shown":           shownValues,
	"touchIn.activity":          {"user", "poll"},
	"versionOut.state":          {"in_force", "scheduled", "past"},
	"versionOut.source":         {"built in", "configuration", "adopted"},
	"rotateIn.key":              texts([]hsm.Key{hsm.SeedKEK, hsm.PINSeal, hsm.DataKEK}),
	"transportIn.kcv_form":      texts([]custody.Form{custody.CMAC, custody.ECB}),
	"tokenOut.state":            texts(tokens.States()),
	"credentialOut.kind":        tokenKinds,
	"credentialOut.state":       rowStates,
	"changeOut.move":            append([]string{"import", "enroll"}, texts(tokens.Moves())...),
	"changeOut.from":            append([]string{""}, texts(tokens.States())...),
	"changeOut.to":              texts(tokens.States()),
	"enrollmentIn.kind":         texts([]tokens.Kind{tokens.HOTP, tokens.TOTP, tokens.FIDO, tokens.Card}),
	"enrollmentIn.use":          {tokens.UseLogin, tokens.UseSign},
	"cardAskOut.use":            {tokens.UseLogin, tokens.UseSign},
	"enrollmentOut.state":       {"pending", "completed", "ended"},
	"reportIn.kind":             enrollment.ReportKinds(),
	"customerReportIn.kind":     stoplist.Kinds(),
	"customerReportIn.channel":  stoplist.Channels(),
	"importOut.state":           texts([]tokens.ImportState{tokens.ImportRunning, tokens.ImportCompleted, tokens.ImportFailed}),
	"importOut.format":          append(enrollment.Formats(), "auto"),
	"import.format":             append(enrollment.Formats(), "auto"),
	"transactionIn.channel":     texts(parties.Channels()),
	"transactionIn.service":     services,
	"transactionOut.channel":    texts(parties.Channels()),
	"transactionOut.service":    services,
	"transactionOut.decision":   decided,
	"transactionOut.state":      texts(transactionStates),
	"transactionOut.exemption":  {"low_value"},
	"transactionOut.acr":        levels,
	"transactionOut.shown":      shownValues,
	"stepOut.state":             texts(transactionStates),
	"statusIn.state":            texts([]payment.State{payment.Executed, payment.Failed}),
	"/v1/tokens?state":          texts(tokens.States()),
	"/v1/tokens?kind":           tokenKinds,
	"/v1/transactions?state":    texts(transactionStates),
	"/v1/transactions?decision": decisions,
	"/demo?lang":                locales,
	"/docs?lang":                locales,
}

// enumOf returns the values of a member or parameter, nil if it is open.
func enumOf(key string) []string { return enums[key] }

// methodNames are the methods a response can have.
func methodNames() []string {
	var names []string
	for name := range carriers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// needed are the members without which a request is refused whatever else is in
// it; a test leaves out each of them. Under "?" stand parameters.
var needed = map[string][]string{
	"?":                {"/v1/audit/proof?index"},
	"clientIn":         {"name", "roles"},
	"transportIn":      {"name"},
	"pairIn":           {"name"},
	"staffIn":          {"id", "name", "roles"},
	"staffReasonIn":    {"reason"},
	"rolesIn":          {"roles"},
	"rejectIn":         {"reason"},
	"rotateIn":         {"key"},
	"customerIn":       {"name", "locale", "segment"},
	"pinIn":            {"pin", "proof"},
	"secretIn":         {"purpose", "channel"},
	"stateIn":          {"reason"},
	"shipIn":           {"to"},
	"deliverIn":        {"receipt"},
	"activateIn":       {"activation_secret", "response"},
	"reportIn":         {"kind"},
	"resyncIn":         {"codes"},
	"enrollmentIn":     {"kind", "proof"},
	"firstCodeIn":      {"code"},
	"customerReportIn": {"kind", "channel", "details"},
	"answerIn":         {"method"},
	"beginIn":          {"purpose", "channel"},
	"introspectIn":     {"access_token"},
	"spendIn":          {"customer", "action"},
	"touchIn":          {"activity"},
	"transactionIn":    {"reference", "channel", "service", "amount", "purpose", "payer"},
	"reasonIn":         {"reason"},
	"partyIn":          {"name", "account", "bank"},
	"lineIn":           {"amount", "payee"},
	"listedIn":         {"version", "items", "proof"},
	"accountsIn":       {"version", "items"},
	"accountIn":        {"account", "bank"},
	"fraudIn":          {"confirmed", "reason"},
	"giveBackIn":       {"band", "reason"},
	"holderIn":         {"version", "name", "signers", "rules"},
	"signingIn":        {"required"},
	"moneyIn":          {"value", "currency"},
	"askIn":            {"access_token"},
	"whyIn":            {"reason"},
	"statusIn":         {"jti", "state"},
	"subjectIn":        {"kind", "id"},
	"actionIn":         {"name"},
}

// longest are the lengths past which a text is refused.
var longest = map[string]int{
	"customerIn.name": 200, "customerIn.contract_ref": 64, "customerIn.contract_version": 64, "customerIn.kyc_ref": 64,
	"contacts.phone": 32, "contacts.email": 254,
	"proof.activation_secret": maxSecret, "activateIn.activation_secret": maxSecret,
	"resyncIn.credential_id": maxName, "enrollmentIn.label": enrollment.MaxLabel, "firstCodeIn.code": maxSecret,
	"answerIn.code": maxSecret, "answerIn.pin": maxSecret, "answerIn.credential_id": maxName, "answerIn.binding": maxBinding, "beginIn.binding": maxBinding, "transactionIn.binding": maxBinding, "askIn.binding": maxBinding,
	"stateIn.reason": 500, "reasonIn.reason": 500, "reasonIn.note": 2000, "whyIn.reason": 500, "statusIn.detail": 500, "reportIn.details": 2000, "customerReportIn.details": maxDetails,
	"reserveIn.branch": maxName, "shipIn.to": maxFact, "shipIn.carrier": maxFact, "shipIn.tracking": maxFact, "deliverIn.receipt": maxFact,
	"transactionIn.purpose": 200, "transactionIn.holder": 64, "transactionIn.series": 64, "fraudIn.reason": 500, "giveBackIn.reason": 500, "accountIn.account": 34, "accountIn.bank": 70, "partyIn.name": 140, "partyIn.account": 34, "partyIn.bank": 70, "partyIn.country": 2,
	"lineIn.purpose": 200, "lineIn.reference": 64, "holderIn.name": 200,
	"transactionIn.reference": 64, "clientIn.name": 64,
}
