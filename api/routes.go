package api

import (
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"mohur/parties"
)

// route is one line of the table.
type route struct {
	method   string
	path     string
	open     bool           // answered without asking who calls
	roles    []parties.Role // of which the caller needs one
	query    []string       // the parameters it knows
	asItIs   bool           // tells how things stand now: with an Idempotency-Key, too, it is asked anew each time
	anyHour  bool           // takes something out of use, also while a part is away
	patience time.Duration  // how long its answer may take; 0: as long as any
	room     int64          // how many bytes its body may have; 0: as many as any
	serve    endpoint
}

// Sets of roles that recur. Nobody is in a set because it was convenient: what a
// role is for stands at its name in package parties.
var (
	frontend   = []parties.Role{parties.Frontend}
	operator   = []parties.Role{parties.Operator}
	supervisor = []parties.Role{parties.Supervisor}
	security   = []parties.Role{parties.Security}
	custodian  = []parties.Role{parties.Custodian}
	admin      = []parties.Role{parties.Admin}
	core       = []parties.Role{parties.Core}

	backRoom   = []parties.Role{parties.Operator, parties.Supervisor}
	suspenders = []parties.Role{parties.Helpdesk, parties.Supervisor, parties.Security}
	resyncers  = []parties.Role{parties.Frontend, parties.Helpdesk, parties.Operator, parties.Supervisor}
	readers    = []parties.Role{parties.Helpdesk, parties.Operator, parties.Supervisor, parties.Security, parties.Auditor}
	ofRules    = []parties.Role{parties.Supervisor, parties.Security, parties.Auditor, parties.Admin} // who knows the thresholds
	watchers   = []parties.Role{parties.Security, parties.Auditor}
	ofSessions = []parties.Role{parties.Frontend, parties.Helpdesk, parties.Security, parties.Auditor}
	ofPayments = []parties.Role{parties.Frontend, parties.Core, parties.Helpdesk, parties.Security, parties.Auditor}
)

// with adds roles to a set.
func with(set []parties.Role, more ...parties.Role) []parties.Role {
	return append(append([]parties.Role(nil), set...), more...)
}

// routes is the whole API: which role may call which resource, and by what. There
// is no other way in.
var routes = []route{
	{method: "GET", path: "/healthz", open: true, serve: plain((*exchange).getHealth)},
	{method: "GET", path: "/readyz", open: true, serve: plain((*exchange).getReady)},
	{method: "GET", path: "/metrics", open: true, serve: plain((*exchange).getMetrics)},
	{method: "GET", path: "/.well-known/jwks.json", open: true, serve: plain((*exchange).getKeySet)},
	{method: "GET", path: "/openapi.json", open: true, serve: plain((*exchange).getOpenAPI)},
	{method: "GET", path: "/docs", open: true, query: []string{"lang"}, serve: plain((*exchange).getDocs)},
	{method: "GET", path: "/.well-known/webauthn", open: true, serve: plain((*exchange).getRelatedOrigins)},
	{method: "GET", path: "/demo", open: true, query: []string{"lang"}, serve: plain((*exchange).getDemo)},
	{method: "GET", path: "/v1/linked/:hash", open: true, serve: plain((*exchange).getLinked)},
	{method: "GET", path: "/.well-known/mohur/linked/:hash", open: true, serve: plain((*exchange).getLinkedAtOrigin)},

	{method: "GET", path: "/ca/certificate.cer", open: true, serve: plain((*exchange).getAuthorityFile)},
	{method: "GET", path: "/ca/crl.crl", open: true, serve: plain((*exchange).getCRL)},

	{method: "PUT", path: "/v1/customers/:id", roles: operator, serve: take((*exchange).putCustomer)},
	{method: "GET", path: "/v1/customers/:id", roles: readers, serve: plain((*exchange).getCustomer)},
	{method: "POST", path: "/v1/customers/:id/suspend", roles: suspenders, anyHour: true, serve: anyHour((*exchange).suspendCustomer, (*exchange).fileCustomerSuspension)},
	{method: "POST", path: "/v1/customers/:id/resume", roles: supervisor, serve: fourEyes((*exchange).resumeCustomer)},
	{method: "PUT", path: "/v1/customers/:id/pin", roles: frontend, serve: take((*exchange).putPIN)},
	{method: "POST", path: "/v1/customers/:id/activation-secrets", roles: operator, serve: take((*exchange).sendSecret)},
	{method: "GET", path: "/v1/customers/:id/limits", roles: with(readers, parties.Frontend, parties.Core), serve: plain((*exchange).getLimits)},
	{method: "PUT", path: "/v1/customers/:id/limits", roles: with(operator, parties.Frontend), serve: take((*exchange).putLimits)},
	{method: "GET", path: "/v1/customers/:id/activity", roles: with(readers, parties.Frontend), serve: plain((*exchange).getActivity)},
	{method: "GET", path: "/v1/customers/:id/payees", roles: with(readers, parties.Frontend), serve: plain((*exchange).getPayees)},
	{method: "PUT", path: "/v1/customers/:id/payees", roles: frontend, serve: take((*exchange).putPayees)},
	{method: "GET", path: "/v1/customers/:id/accounts", roles: readers, serve: plain((*exchange).getAccounts)},
	{method: "PUT", path: "/v1/customers/:id/accounts", roles: operator, serve: fourEyes((*exchange).putAccounts)},
	{method: "GET", path: "/v1/customers/:id/sessions", roles: with(readers, parties.Frontend), serve: plain((*exchange).listSessions)},
	{method: "DELETE", path: "/v1/customers/:id/sessions", query: []string{"except"}, roles: with(suspenders, parties.Frontend), serve: plain((*exchange).endSessions)},

	{method: "PUT", path: "/v1/holders/:id", roles: operator, serve: fourEyes((*exchange).putHolder)},
	{method: "GET", path: "/v1/holders/:id", roles: with(readers, parties.Core), serve: plain((*exchange).getHolder)},

	{method: "POST", path: "/v1/staff", roles: admin, serve: fourEyes((*exchange).postStaff)},
	{method: "GET", path: "/v1/staff", roles: with(supervisor, parties.Security, parties.Auditor, parties.Admin), serve: plain((*exchange).listStaff)},
	{method: "POST", path: "/v1/staff/:id/suspend", roles: with(supervisor, parties.Security, parties.Admin), serve: take((*exchange).suspendStaff)},
	{method: "POST", path: "/v1/staff/:id/resume", roles: admin, serve: fourEyes((*exchange).resumeStaff)},
	{method: "PUT", path: "/v1/staff/:id/roles", roles: admin, serve: fourEyes((*exchange).putRoles)},
	{method: "POST", path: "/v1/staff/:id/invitations", roles: admin, serve: fourEyes((*exchange).inviteStaff)},
	{method: "PUT", path: "/v1/staff/:id/pin", roles: frontend, serve: take((*exchange).putStaffPIN)},
	{method: "GET", path: "/v1/approvals", roles: with(supervisor, parties.Security, parties.Auditor, parties.Admin), query: []string{"limit", "cursor"}, serve: plain((*exchange).listApprovals)},
	{method: "GET", path: "/v1/approvals/:id", roles: with(supervisor, parties.Security, parties.Auditor, parties.Admin), serve: plain((*exchange).getApproval)},
	{method: "POST", path: "/v1/approvals/:id/approve", roles: supervisor, serve: take((*exchange).approve)},
	{method: "POST", path: "/v1/approvals/:id/reject", roles: supervisor, serve: take((*exchange).reject)},

	{method: "POST", path: "/v1/token-imports", roles: operator, serve: (*exchange).postImport},
	{method: "GET", path: "/v1/token-imports/:id", roles: with(backRoom, parties.Auditor), serve: plain((*exchange).getImport)},
	{method: "GET", path: "/v1/token-imports/:id/rejected", roles: with(backRoom, parties.Auditor), query: []string{"limit", "cursor"}, serve: plain((*exchange).listRejected)},

	{method: "GET", path: "/v1/tokens", roles: readers, query: []string{"state", "kind", "customer", "batch", "branch", "serial", "q", "limit", "cursor"}, serve: plain((*exchange).listTokens)},
	{method: "GET", path: "/v1/tokens/:ref", roles: readers, serve: plain((*exchange).getToken)},
	{method: "POST", path: "/v1/tokens/:ref/reserve", roles: operator, serve: take((*exchange).reserveToken)},
	{method: "POST", path: "/v1/tokens/:ref/assign", roles: operator, serve: take((*exchange).assignToken)},
	{method: "POST", path: "/v1/tokens/:ref/ship", roles: operator, serve: take((*exchange).shipToken)},
	{method: "POST", path: "/v1/tokens/:ref/deliver", roles: with(operator, parties.Frontend), serve: take((*exchange).deliverToken)},
	{method: "POST", path: "/v1/tokens/:ref/activate", roles: frontend, serve: take((*exchange).activateToken)},
	{method: "POST", path: "/v1/tokens/:ref/suspend", roles: suspenders, anyHour: true, serve: anyHour((*exchange).suspendToken, (*exchange).fileTokenSuspension)},
	{method: "POST", path: "/v1/tokens/:ref/resume", roles: supervisor, serve: fourEyes((*exchange).resumeToken)},
	{method: "POST", path: "/v1/tokens/:ref/report", roles: with(suspenders, parties.Frontend, parties.Operator), anyHour: true, serve: anyHour((*exchange).reportToken, (*exchange).fileTokenReport)},
	{method: "POST", path: "/v1/tokens/:ref/unlock", roles: supervisor, serve: fourEyes((*exchange).unlockToken)},
	{method: "POST", path: "/v1/tokens/:ref/resync", roles: resyncers, serve: take((*exchange).resyncToken)},
	{method: "POST", path: "/v1/tokens/:ref/revoke", roles: supervisor, serve: fourEyes((*exchange).revokeToken)},
	{method: "POST", path: "/v1/tokens/:ref/return", roles: backRoom, serve: take((*exchange).returnToken)},
	{method: "POST", path: "/v1/tokens/:ref/wipe", roles: backRoom, serve: take((*exchange).wipeToken)},
	{method: "POST", path: "/v1/tokens/:ref/destroy", roles: supervisor, serve: fourEyes((*exchange).destroyToken)},

	{method: "POST", path: "/v1/tokens/:ref/certificates", roles: operator, serve: take((*exchange).certifyToken)},
	{method: "GET", path: "/v1/tokens/:ref/certificates", roles: readers, serve: plain((*exchange).listCertificates)},

	{method: "POST", path: "/v1/enrollments", roles: frontend, serve: take((*exchange).postEnrollment)},
	{method: "GET", path: "/v1/enrollments/:id", roles: frontend, serve: plain((*exchange).getEnrollment)},
	{method: "POST", path: "/v1/enrollments/:id/responses", roles: frontend, serve: take((*exchange).respondEnrollment)},

	{method: "POST", path: "/v1/authentications", roles: frontend, serve: take((*exchange).begin)},
	{method: "GET", path: "/v1/authentications/:id", roles: ofSessions, serve: plain((*exchange).getAuthentication)},
	{method: "POST", path: "/v1/authentications/:id/spend", roles: frontend, serve: take((*exchange).spend)},
	{method: "POST", path: "/v1/authentications/:id/responses", roles: frontend, serve: take((*exchange).respond)},

	{method: "POST", path: "/v1/transactions", roles: frontend, serve: take((*exchange).createTransaction)},
	{method: "GET", path: "/v1/transactions", roles: ofPayments, query: []string{"customer", "state", "decision", "from", "to", "limit", "cursor"}, serve: plain((*exchange).listTransactions)},
	{method: "GET", path: "/v1/transactions/:id", roles: ofPayments, serve: plain((*exchange).getTransaction)},
	{method: "GET", path: "/v1/transactions/:id/signature", roles: ofPayments, query: []string{"customer"}, serve: plain((*exchange).getSignature)},
	{method: "POST", path: "/v1/transactions/:id/authentications", roles: frontend, serve: take((*exchange).askAgain)},
	{method: "POST", path: "/v1/transactions/:id/cancel", roles: frontend, serve: take((*exchange).cancelTransaction)},
	{method: "POST", path: "/v1/transactions/:id/release", roles: security, serve: take((*exchange).releaseTransaction)},
	{method: "POST", path: "/v1/transactions/:id/reject", roles: security, serve: take((*exchange).rejectTransaction)},
	{method: "POST", path: "/v1/transactions/:id/fraud", roles: security, serve: fourEyes((*exchange).markFraud)},
	{method: "POST", path: "/v1/transactions/:id/status", roles: core, serve: take((*exchange).reportTransaction)},

	{method: "POST", path: "/v1/sessions/introspect", asItIs: true, roles: with(frontend, parties.Core), serve: take((*exchange).introspect)},
	{method: "GET", path: "/v1/sessions/:id", roles: ofSessions, serve: plain((*exchange).getSession)},
	{method: "POST", path: "/v1/sessions/:id/touch", asItIs: true, roles: frontend, serve: take((*exchange).touchSession)},
	{method: "DELETE", path: "/v1/sessions/:id", roles: with(suspenders, parties.Frontend), serve: plain((*exchange).endSession)},

	{method: "POST", path: "/v1/customer-reports", roles: with(suspenders, parties.Frontend, parties.Operator), anyHour: true, serve: anyHour((*exchange).takeCustomerReport, (*exchange).fileCustomerReport)},
	{method: "GET", path: "/v1/compromised", roles: watchers, serve: plain((*exchange).getCompromised)},
	{method: "PUT", path: "/v1/compromised", roles: security, serve: fourEyes((*exchange).putCompromised)},
	{method: "GET", path: "/v1/incidents", roles: watchers, query: []string{"limit", "cursor"}, serve: plain((*exchange).listIncidents)},
	{method: "GET", path: "/v1/audit/entries", roles: watchers, query: []string{"from", "limit"}, serve: plain((*exchange).listEntries)},
	{method: "GET", path: "/v1/audit/checkpoint", roles: watchers, serve: plain((*exchange).getCheckpoint)},
	{method: "GET", path: "/v1/audit/proof", roles: watchers, query: []string{"index", "size"}, serve: plain((*exchange).getProof)},
	{method: "GET", path: "/v1/audit/export", roles: watchers, query: []string{"from"}, serve: (*exchange).exportAudit},
	{method: "POST", path: "/v1/policy/simulate", asItIs: true, patience: simulateWait, room: policyRoom, roles: with(watchers, parties.Supervisor), serve: take((*exchange).simulatePolicy)},
	{method: "GET", path: "/v1/policy", roles: ofRules, serve: plain((*exchange).getPolicy)},
	{method: "PUT", path: "/v1/policy", roles: security, room: policyRoom, serve: fourEyes((*exchange).putPolicy)},
	{method: "PUT", path: "/v1/policy/shadow", roles: security, room: policyRoom, serve: take((*exchange).putShadow)},
	{method: "DELETE", path: "/v1/policy/shadow", roles: security, serve: plain((*exchange).deleteShadow)},
	{method: "GET", path: "/v1/policies", roles: ofRules, serve: plain((*exchange).listPolicies)},
	{method: "GET", path: "/v1/policies/:version", roles: ofRules, serve: plain((*exchange).getPolicyVersion)},
	{method: "GET", path: "/v1/rates", roles: with(readers, parties.Core, parties.Admin), serve: plain((*exchange).getRates)},
	{method: "PUT", path: "/v1/rates", roles: core, serve: fourEyes((*exchange).putRates)},

	{method: "POST", path: "/v1/exemptions/tra/give-back", roles: security, serve: fourEyes((*exchange).giveBack)},
	{method: "GET", path: "/v1/reports/exemptions", roles: watchers, query: []string{"from", "to"}, serve: plain((*exchange).reportExemptions)},

	{method: "POST", path: "/v1/clients", roles: admin, serve: take((*exchange).createClient)},
	{method: "GET", path: "/v1/clients", roles: with(admin, parties.Auditor), serve: plain((*exchange).listClients)},
	{method: "DELETE", path: "/v1/clients/:id", roles: admin, serve: plain((*exchange).endClient)},
	{method: "POST", path: "/v1/clients/:id/keys", roles: admin, serve: take((*exchange).addClientKey)},
	{method: "DELETE", path: "/v1/clients/:id/keys/:key", roles: admin, serve: plain((*exchange).endClientKey)},
	{method: "GET", path: "/v1/ca", roles: with(readers, parties.Admin), serve: plain((*exchange).getAuthority)},
	{method: "POST", path: "/v1/ca", roles: admin, serve: take((*exchange).createAuthority)},
	{method: "PUT", path: "/v1/ca", roles: admin, serve: take((*exchange).adoptAuthority)},
	{method: "POST", path: "/v1/ca/requests", roles: admin, serve: take((*exchange).requestAuthority)},
	{method: "GET", path: "/v1/keys", roles: with(custodian, parties.Auditor), serve: plain((*exchange).listKeys)},
	{method: "POST", path: "/v1/keys/rotations", roles: custodian, patience: pairWait, serve: take((*exchange).rotateKey)},
	{method: "POST", path: "/v1/keys/transport", roles: custodian, serve: take((*exchange).importTransport)},
	{method: "GET", path: "/v1/keys/transport/:name", roles: with(custodian, parties.Auditor), serve: plain((*exchange).getTransport)},
	{method: "DELETE", path: "/v1/keys/transport/:name", roles: custodian, serve: plain((*exchange).deleteTransport)},
	{method: "POST", path: "/v1/keys/pairs", roles: custodian, patience: pairWait, serve: take((*exchange).makePair)},
	{method: "GET", path: "/v1/keys/halves", roles: with(custodian, parties.Auditor), serve: plain((*exchange).listHalves)},
	{method: "DELETE", path: "/v1/keys/halves/:name", roles: custodian, serve: plain((*exchange).cancelHalf)},
}

// release puts gin into the mode in which it says nothing by itself.
var release = sync.OnceFunc(func() { gin.SetMode(gin.ReleaseMode) })

// engine builds the router over the table.
func (s *Server) engine(identify Identify) *gin.Engine {
	release()
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	// An id may hold an escaped slash. gin would read a plus sign as a blank, so
	// the values are unescaped in package url's way (checkTarget).
	e.UseRawPath = true
	e.UnescapePathValues = false
	e.ForwardedByClientIP = false
	e.Use(s.watch)
	e.NoRoute(s.noRoute)
	e.NoMethod(s.noMethod)
	for i := range routes {
		r := &routes[i]
		e.Handle(r.method, r.path, s.handle(r, identify))
	}
	return e
}
