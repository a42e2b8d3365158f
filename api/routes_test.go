package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/api"
	"mohur/parties"
	"mohur/rate"
)

// may is who may call what, written down a second time: a change of the table is
// a change of two places.
var may = map[string]string{
	"PUT /v1/customers/:id":                     "operator",
	"GET /v1/customers/:id":                     "helpdesk operator supervisor security auditor",
	"PUT /v1/holders/:id":                       "operator",
	"GET /v1/holders/:id":                       "core helpdesk operator supervisor security auditor",
	"POST /v1/customers/:id/suspend":            "helpdesk supervisor security",
	"POST /v1/customers/:id/resume":             "supervisor",
	"PUT /v1/customers/:id/pin":                 "frontend",
	"POST /v1/customers/:id/activation-secrets": "operator",
	"GET /v1/customers/:id/limits":              "frontend core helpdesk operator supervisor security auditor",
	"PUT /v1/customers/:id/limits":              "frontend operator",
	"GET /v1/customers/:id/activity":            "frontend helpdesk operator supervisor security auditor",
	"GET /v1/customers/:id/payees":              "frontend helpdesk operator supervisor security auditor",
	"PUT /v1/customers/:id/payees":              "frontend",
	"GET /v1/customers/:id/accounts":            "helpdesk operator supervisor security auditor",
	"PUT /v1/customers/:id/accounts":            "operator",
	"GET /v1/customers/:id/sessions":            "frontend helpdesk operator supervisor security auditor",
	"DELETE /v1/customers/:id/sessions":         "frontend helpdesk supervisor security",
	"POST /v1/staff":                            "admin",
	"GET /v1/staff":                             "supervisor security auditor admin",
	"POST /v1/staff/:id/suspend":                "supervisor security admin",
	"POST /v1/staff/:id/resume":                 "admin",
	"PUT /v1/staff/:id/roles":                   "admin",
	"POST /v1/staff/:id/invitations":            "admin",
	"PUT /v1/staff/:id/pin":                     "frontend",
	"GET /v1/approvals":                         "supervisor security auditor admin",
	"GET /v1/approvals/:id":                     "supervisor security auditor admin",
	"POST /v1/approvals/:id/approve":            "supervisor",
	"POST /v1/approvals/:id/reject":             "supervisor",
	"POST /v1/token-imports":                    "operator",
	"GET /v1/token-imports/:id":                 "operator supervisor auditor",
	"GET /v1/token-imports/:id/rejected":        "operator supervisor auditor",
	"GET /v1/tokens":                            "helpdesk operator supervisor security auditor",
	"GET /v1/tokens/:ref":                       "helpdesk operator supervisor security auditor",
	"POST /v1/tokens/:ref/reserve":              "operator",
	"POST /v1/tokens/:ref/assign":               "operator",
	"POST /v1/tokens/:ref/ship":                 "operator",
	"POST /v1/tokens/:ref/deliver":              "operator frontend",
	"POST /v1/tokens/:ref/activate":             "frontend",
	"POST /v1/tokens/:ref/suspend":              "helpdesk supervisor security",
	"POST /v1/tokens/:ref/resume":               "supervisor",
	"POST /v1/tokens/:ref/report":               "frontend helpdesk operator supervisor security",
	"POST /v1/tokens/:ref/unlock":               "supervisor",
	"POST /v1/tokens/:ref/resync":               "frontend helpdesk operator supervisor",
	"POST /v1/tokens/:ref/revoke":               "supervisor",
	"POST /v1/tokens/:ref/return":               "operator supervisor",
	"POST /v1/tokens/:ref/wipe":                 "operator supervisor",
	"POST /v1/tokens/:ref/destroy":              "supervisor",
	"POST /v1/enrollments":                      "frontend",
	"GET /v1/enrollments/:id":                   "frontend",
	"POST /v1/enrollments/:id/responses":        "frontend",
	"POST /v1/authentications":                  "frontend",
	"GET /v1/authentications/:id":               "frontend helpdesk security auditor",
	"POST /v1/authentications/:id/spend":        "frontend",
	"POST /v1/authentications/:id/responses":    "frontend",
	"POST /v1/transactions":                     "frontend",
	"GET /v1/transactions":                      "frontend core helpdesk security auditor",
	"GET /v1/transactions/:id":                  "frontend core helpdesk security auditor",
	"GET /v1/transactions/:id/signature":        "frontend core helpdesk security auditor",
	"POST /v1/transactions/:id/authentications": "frontend",
	"POST /v1/transactions/:id/cancel":          "frontend",
	"POST /v1/transactions/:id/release":         "security",
	"POST /v1/transactions/:id/reject":          "security",
	"POST /v1/transactions/:id/fraud":           "security",
	"POST /v1/exemptions/tra/give-back":         "security",
	"GET /v1/reports/exemptions":                "security auditor",
	"POST /v1/transactions/:id/status":          "core",
	"POST /v1/sessions/introspect":              "frontend core",
	"GET /v1/sessions/:id":                      "frontend helpdesk security auditor",
	"POST /v1/sessions/:id/touch":               "frontend",
	"DELETE /v1/sessions/:id":                   "frontend helpdesk supervisor security",
	"POST /v1/customer-reports":                 "frontend helpdesk operator supervisor security",
	"GET /v1/compromised":                       "security auditor",
	"PUT /v1/compromised":                       "security",
	"GET /v1/incidents":                         "security auditor",
	"GET /v1/audit/entries":                     "security auditor",
	"GET /v1/audit/checkpoint":                  "security auditor",
	"GET /v1/audit/proof":                       "security auditor",
	"GET /v1/audit/export":                      "security auditor",
	"POST /v1/policy/simulate":                  "security auditor supervisor",
	"GET /v1/policy":                            "supervisor security auditor admin",
	"PUT /v1/policy":                            "security",
	"PUT /v1/policy/shadow":                     "security",
	"DELETE /v1/policy/shadow":                  "security",
	"GET /v1/policies":                          "supervisor security auditor admin",
	"GET /v1/policies/:version":                 "supervisor security auditor admin",
	"GET /v1/rates":                             "core helpdesk operator supervisor security auditor admin",
	"PUT /v1/rates":                             "core",
	"POST /v1/clients":                          "admin",
	"GET /v1/clients":                           "admin auditor",
	"DELETE /v1/clients/:id":                    "admin",
	"POST /v1/clients/:id/keys":                 "admin",
	"DELETE /v1/clients/:id/keys/:key":          "admin",
	"GET /v1/keys":                              "custodian auditor",
	"POST /v1/keys/rotations":                   "custodian",
	"POST /v1/keys/transport":                   "custodian",
	"GET /v1/keys/transport/:name":              "custodian auditor",
	"DELETE /v1/keys/transport/:name":           "custodian",
	"POST /v1/keys/pairs":                       "custodian",
	"GET /v1/ca":                                "helpdesk operator supervisor security auditor admin",
	"POST /v1/ca":                               "admin",
	"PUT /v1/ca":                                "admin",
	"POST /v1/ca/requests":                      "admin",
	"POST /v1/tokens/:ref/certificates":         "operator",
	"GET /v1/tokens/:ref/certificates":          "helpdesk operator supervisor security auditor",
	"GET /v1/keys/halves":                       "custodian auditor",
	"DELETE /v1/keys/halves/:name":              "custodian",
}

// open is what answers without asking who calls.
var open = []string{"GET /healthz", "GET /readyz", "GET /metrics", "GET /.well-known/jwks.json", "GET /openapi.json", "GET /docs", "GET /ca/certificate.cer", "GET /ca/crl.crl", "GET /demo", "GET /.well-known/webauthn", "GET /v1/linked/:hash", "GET /.well-known/mohur/linked/:hash"}

func TestClause5_3_4_EveryRouteHasItsRoles(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Strangers = rate.Limit{PerSecond: 1000, Burst: 1000} })
	expired := w.client(parties.CreateClientCommand{Caller: w.Staff(), Name: "expired", Roles: []parties.Role{parties.Frontend}, Life: time.Hour})
	w.Clock.Forward(time.Hour + time.Second)
	seen := map[string]bool{}
	for _, r := range api.Routes() {
		name := r.Method + " " + r.Path
		seen[name] = true
		if r.Open {
			if !slices.Contains(open, name) || len(r.Roles) > 0 {
				t.Errorf("%s is open", name)
			}
			continue
		}
		allowed, known := may[name]
		if !known {
			t.Errorf("%s is not in the list of who may", name)
			continue
		}
		path := strings.NewReplacer(":id", "nobody", ":ref", "nothing", ":name", "none", ":key", "none").Replace(r.Path)
		w.ask("", r.Method, path, nil).refused(401, "unauthorized")
		w.ask(expired, r.Method, path, "{}").refused(401, "unauthorized")
		for _, role := range parties.Roles() {
			a := w.ask(w.as(string(role)), r.Method, path, "{}")
			if slices.Contains(strings.Fields(allowed), string(role)) {
				if a.status == 401 || strings.Contains(string(a.body), "urn:mohur:problem:forbidden") || a.status >= 500 {
					t.Errorf("%s as %s: %d %s", name, role, a.status, a.body)
				}
				continue
			}
			a.refused(403, "forbidden")
		}
	}
	for name := range may {
		if !seen[name] {
			t.Errorf("%s is in the list of who may and not in the table", name)
		}
	}
}

func TestNothingIsReachableOutsideTheTable(t *testing.T) {
	w := newWorld(t)
	table := map[string]bool{}
	for _, r := range api.Routes() {
		table[r.Method+" "+r.Path] = true
	}
	for _, r := range w.api.Reachable() {
		if !table[r[0]+" "+r[1]] {
			t.Errorf("%s %s is served and not in the table", r[0], r[1])
		}
	}
	admin := w.as("admin")
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/tokens/", "/debug/pprof/", "/openapi", "//healthz", "/v1/../healthz"} {
		w.ask(admin, "GET", path, nil).refused(404, "not-found")
	}
	a := w.ask(admin, "PATCH", "/v1/tokens", "{}")
	a.refused(405, "method-not-allowed")
	if a.header.Get("Allow") != "GET" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
	for _, method := range []string{"TRACE", "CONNECT", "OPTIONS", "PROPFIND"} {
		if method == "CONNECT" {
			continue // the client of Go makes another request of it
		}
		w.ask(admin, method, "/v1/clients", nil).refused(405, "method-not-allowed")
	}
}

// A simulation is a question with a body: it stores nothing.
func TestClause5_3_6_AnAuditorWritesNothing(t *testing.T) {
	for _, r := range api.Routes() {
		if r.Method+" "+r.Path == "POST /v1/policy/simulate" {
			continue
		}
		if r.Method != "GET" && slices.Contains(r.Roles, parties.Auditor) {
			t.Errorf("%s %s is for auditors", r.Method, r.Path)
		}
	}
}

// Whoever hands tokens out cannot bring one to life, nor choose a customer's
// secret; whoever makes clients sees no customer and no token.
func TestClause5_3_6_DutiesAreApart(t *testing.T) {
	staff := []parties.Role{parties.Operator, parties.Supervisor, parties.Helpdesk, parties.Security, parties.Custodian, parties.Admin, parties.Core}
	for _, r := range api.Routes() {
		name := r.Method + " " + r.Path
		for _, role := range r.Roles {
			switch {
			case strings.HasSuffix(r.Path, "/activate") || strings.HasSuffix(r.Path, "/pin") || r.Path == "/v1/authentications" && r.Method == "POST":
				if slices.Contains(staff, role) {
					t.Errorf("%s is for %s", name, role)
				}
			case role == parties.Admin && (strings.Contains(r.Path, "customers") || strings.Contains(r.Path, "tokens") || strings.Contains(r.Path, "transactions")):
				t.Errorf("%s is for admin", name)
			}
		}
	}
}

func TestCallersWithoutAGoodKeyAreNobody(t *testing.T) {
	w := newWorld(t)
	good, other := w.as("frontend"), w.as("helpdesk")
	short := w.client(parties.CreateClientCommand{Caller: w.Staff(), Name: "short", Roles: []parties.Role{parties.Helpdesk}, Life: 3600e9})
	path := "/v1/tokens"
	w.ask(other, "GET", path, nil).is(200)
	w.ask(short, "GET", path, nil).is(200)
	w.Clock.Forward(3601e9)
	id, secret := good[:strings.LastIndex(good, "_")], good[strings.LastIndex(good, "_"):]
	var first []byte
	for name, h := range map[string]http.Header{
		"none":             {},
		"empty":            {"Authorization": {""}},
		"expired":          {"Authorization": {"Bearer " + short}},
		"garbage":          {"Authorization": {"Bearer mk_"}},
		"binary":           {"Authorization": {"Bearer \x80\xff"}},
		"long":             {"Authorization": {"Bearer " + strings.Repeat("a", 5000)}},
		"basic":            {"Authorization": {"Basic " + other}},
		"no scheme":        {"Authorization": {other}},
		"two":              {"Authorization": {"Bearer " + other, "Bearer " + other}},
		"unknown client":   {"Authorization": {"Bearer mk_00000000000000000000000000" + secret}},
		"another's secret": {"Authorization": {"Bearer " + other[:strings.LastIndex(other, "_")] + secret}},
		"cut off":          {"Authorization": {"Bearer " + other[:len(other)-1]}},
		"too much":         {"Authorization": {"Bearer " + other + "A"}},
		"no secret":        {"Authorization": {"Bearer " + id}},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.send(h, "GET", path, nil)
			p := a.refused(401, "unauthorized")
			same := []byte(strings.ReplaceAll(string(a.body), p.Instance, "…"))
			if first == nil {
				first = same
			}
			if string(first) != string(same) {
				t.Errorf("another 401: %s", a.body)
			}
		})
	}
	if strings.Contains(w.log.String(), secret[1:]) {
		t.Error("a key is in the log")
	}
}

func (w *world) client(cmd parties.CreateClientCommand) string {
	w.T.Helper()
	_, key, err := w.Parties.CreateClient(w.T.Context(), cmd)
	if err != nil {
		w.T.Fatal(err)
	}
	return key
}

func TestARequestIDIsOurs(t *testing.T) {
	w := newWorld(t)
	h := http.Header{"X-Request-Id": {"rq_mine"}}
	a, b := w.send(h, "GET", "/healthz", nil), w.send(h, "GET", "/healthz", nil)
	one, two := a.header.Get("X-Request-Id"), b.header.Get("X-Request-Id")
	if one == "rq_mine" || one == two || !strings.HasPrefix(one, "rq_") {
		t.Errorf("request ids %q and %q", one, two)
	}
	if !strings.Contains(w.log.String(), fmt.Sprintf("%q", one)) {
		t.Error("the request id is not in the log")
	}
}
