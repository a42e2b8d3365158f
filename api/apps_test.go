package api_test

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"mohur/banktest"
	"mohur/parties"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// appWorld is a bank that allows app tokens.
func appWorld(t *testing.T) *world {
	w := newWorld(t)
	w.Enrollment.Apps, w.Enrollment.BankName = true, "A Bank"
	return w
}

// enrol begins an app token with an activation secret.
func (w *world) enrol(customer, kind string) *answer {
	w.T.Helper()
	return w.ask(w.as("frontend"), "POST", "/v1/enrollments", body{"customer": customer, "kind": kind, "proof": body{"activation_secret": w.secretFor(customer, "enroll", "email")}})
}

func (w *world) firstCode(id, code string) *answer {
	w.T.Helper()
	return w.ask(w.as("frontend"), "POST", "/v1/enrollments/"+id+"/responses", body{"otp": body{"code": code}})
}

// phone is an authenticator app: it knows what is in the URI and nothing else.
type phone struct {
	t       *testing.T
	w       *world
	key     *otp.Key
	counter int
}

func scan(t *testing.T, w *world, uri string) *phone {
	t.Helper()
	key, err := otp.NewKeyFromURL(uri)
	if err != nil {
		t.Fatal(err)
	}
	return &phone{t: t, w: w, key: key}
}

// code is what oathtool computes, which is not the code that made the URI.
func (p *phone) code() string {
	p.t.Helper()
	args := []string{"--base32", "--digits", p.key.Digits().String()}
	if p.key.Type() == "hotp" {
		args = append(args, "--hotp", "--counter", strconv.Itoa(p.counter))
		p.counter++
	} else {
		args = append(args, "--totp="+p.key.Algorithm().String(), "--time-step-size", strconv.FormatUint(p.key.Period(), 10)+"s", "--now", p.w.Clock.Now().UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	out, err := exec.CommandContext(p.t.Context(), "oathtool", append(args, p.key.Secret())...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("oathtool %v: %v %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// An app token from the secret to the log-in: the code that activates it does not
// log in as well, the next one does.
func TestClause5_20_AnAppTokenIsEnrolled(t *testing.T) {
	profile, _ := tokens.ProfileOf("authenticator-app")
	for _, kind := range []tokens.Kind{tokens.TOTP, tokens.HOTP} {
		t.Run(string(kind), func(t *testing.T) {
			w := appWorld(t)
			c := w.Customer()
			w.SetPIN(c.ID, banktest.PIN)
			if !slices.Contains(profile.Kinds, kind) {
				w.enrol(c.ID, string(kind)).faulty("kind")
				return
			}
			o := w.enrol(c.ID, string(kind)).is(201)
			o.has(body{"state": "pending", "token": nil})
			if _, err := time.Parse(time.RFC3339, o.str("expires_at")); err != nil {
				t.Error(err)
			}
			p := scan(t, w, o.str("otp.uri"))
			if p.key.Type() != string(kind) || p.key.Issuer() != "A Bank" || !strings.HasPrefix(p.key.AccountName(), c.ID+" (") || len(p.key.Secret()) != 32 {
				t.Errorf("the URI: %s, %s, %s", p.key.Type(), p.key.Issuer(), p.key.AccountName())
			}
			if u, err := url.Parse(o.str("otp.uri")); err != nil || (u.Query().Get("counter") == "0") != (kind == tokens.HOTP) {
				t.Errorf("counter in the URI of %s: %v", kind, err)
			}
			picture, is := strings.CutPrefix(o.str("otp.qr"), "data:image/png;base64,")
			b, err := base64.StdEncoding.DecodeString(picture)
			if _, faulty := png.Decode(bytes.NewReader(b)); !is || err != nil || faulty != nil {
				t.Errorf("the picture: %v, %v, %v", is, err, faulty)
			}
			// It is good for nothing yet.
			early := p.code()
			w.tryLogin(c.ID, early, banktest.PIN).refused(403, "authentication-failed")

			first := p.code()
			done := w.firstCode(o.str("id"), first).is(200)
			done.has(body{"id": o.str("id"), "state": "completed", "otp": nil, "token.state": "active", "token.profile": "authenticator-app", "token.credentials.0.kind": string(kind), "token.credentials.0.state": "live"})
			w.tryLogin(c.ID, first, banktest.PIN).refused(403, "authentication-failed")
			w.Clock.Forward(31 * time.Second)
			w.tryLogin(c.ID, p.code(), banktest.PIN).is(201).has(body{"state": "granted", "acr": "strong"})
			w.firstCode(o.str("id"), p.code()).refused(410, "expired")

			seen := w.ask(w.as("operator"), "GET", "/v1/tokens/"+done.str("token.id"), nil).is(200)
			for i, want := range []string{"in_stock", "assigned", "delivered", "active"} {
				if got := seen.str("history." + strconv.Itoa(i) + ".to"); got != want {
					t.Errorf("its life, step %d: %s, want %s", i, got, want)
				}
			}
			if !w.told(c.ID, "app-enrolled") {
				t.Error("the customer is not told")
			}
		})
	}
}

// The seed is told once: not again to a repeat of the request, and it is in no
// log, no audit entry and not on the disk.
func TestAttack02_TheSeedOfAnAppIsShownOnce(t *testing.T) {
	w := appWorld(t)
	c := w.Customer()
	key := w.as("frontend")
	request := asJSON(t, body{"customer": c.ID, "kind": "totp", "label": "my phone", "proof": body{"activation_secret": w.secretFor(c.ID, "enroll", "email")}})
	send := func() *answer {
		return w.send(map[string][]string{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}, "Idempotency-Key": {"one"}}, "POST", "/v1/enrollments", strings.NewReader(request))
	}
	o := send().is(201)
	p := scan(t, w, o.str("otp.uri"))
	if !strings.HasPrefix(p.key.AccountName(), "my phone (") {
		t.Errorf("account %q", p.key.AccountName())
	}
	again := send()
	again.is(201).has(body{"id": o.str("id"), "otp.uri": nil, "otp.qr": nil, "otp.already_issued": true})
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(p.key.Secret())
	w.must(nil, err)
	w.firstCode(o.str("id"), p.code()).is(200)
	file, err := os.ReadFile(w.Path)
	w.must(nil, err)
	for name, where := range map[string]string{
		"the repeated answer": string(again.body), "the server's log": w.log.String(), "the audit log": w.bodies(c.ID), "the store": string(file),
		"the token": string(w.ask(w.as("operator"), "GET", "/v1/tokens?customer="+c.ID, nil).body),
	} {
		if strings.Contains(where, p.key.Secret()) || strings.Contains(where, string(raw)) {
			t.Errorf("the seed is in %s", name)
		}
	}
}

// Without the bank's decision there are no app tokens, with or without a proof.
func TestClause5_18_AppsAreTheBanksDecision(t *testing.T) {
	w := newWorld(t)
	c := w.Customer()
	w.enrol(c.ID, "totp").refused(403, "forbidden")
	w.Enrollment.Apps = true
	for _, kind := range []string{"ocra", "cards", "", "TOTP", "FIDO", "Card"} {
		w.ask(w.as("frontend"), "POST", "/v1/enrollments", body{"customer": c.ID, "kind": kind, "proof": body{"activation_secret": "AAAAAAAAAAAA"}}).faulty("kind")
	}
	for _, label := range []string{"a:b", "a/b", "ə", "a\nb", strings.Repeat("x", 33)} {
		w.ask(w.as("frontend"), "POST", "/v1/enrollments", body{"customer": c.ID, "kind": "totp", "label": label, "proof": body{"activation_secret": "AAAAAAAAAAAA"}}).faulty("label")
	}
	if n := w.Count("token.enroll", "", ""); n != 0 {
		t.Errorf("%d enrolments", n)
	}
}

// Nobody but the customer: a wrong secret, a secret for something else, none, a
// proof of another act, an unknown or suspended customer.
func TestAttack09_AnAppNeedsTheCustomersProof(t *testing.T) {
	w := appWorld(t)
	c, d := w.Person(pskc.HOTP)
	ask := func(customer string, proof any) *answer {
		return w.ask(w.as("frontend"), "POST", "/v1/enrollments", body{"customer": customer, "kind": "totp", "proof": proof})
	}
	w.ask(w.as("frontend"), "POST", "/v1/enrollments", body{"customer": c.ID, "kind": "totp"}).refused(403, "proof-required")
	ask(c.ID, body{}).refused(403, "proof-required")
	ask(c.ID, body{"activation_secret": w.secretFor(c.ID, "pin", "sms")}).refused(403, "authentication-failed")
	secret := w.secretFor(c.ID, "enroll", "email")
	ask(c.ID, body{"activation_secret": "AAAAAAAAAAAA"}).refused(403, "authentication-failed")
	ask(w.Customer().ID, body{"activation_secret": secret}).refused(403, "authentication-failed")
	ask("C-nobody", body{"activation_secret": secret}).refused(403, "authentication-failed")
	ask(c.ID, body{"authentication": w.prove(c.ID, d, banktest.PIN, "credential.enroll", body{"customer": c.ID, "kind": "hotp"})}).refused(403, "proof-required")
	ask(c.ID, body{"authentication": w.prove(c.ID, d, banktest.PIN, "customer.pin", nil)}).refused(403, "proof-required")
	for _, role := range []string{"operator", "supervisor", "helpdesk", "admin"} {
		w.ask(w.as(role), "POST", "/v1/enrollments", body{"customer": c.ID, "kind": "totp", "proof": body{"activation_secret": secret}}).refused(403, "forbidden")
	}
	good := body{"authentication": w.prove(c.ID, d, banktest.PIN, "credential.enroll", body{"customer": c.ID, "kind": "totp"})}
	ask(c.ID, good).is(201)
	ask(c.ID, good).refused(403, "proof-required")
	w.must(w.Parties.SetState(t.Context(), w.Staff(), c.ID, parties.CustomerSuspended, "4.6", true))
	ask(c.ID, body{"activation_secret": secret}).refused(403, "authentication-failed")
}

// A pending app token ends: after its time, after five wrong codes, when another
// is begun, when the customer is suspended, when it is reported.
func TestClause5_22_APendingAppTokenEnds(t *testing.T) {
	begin := func(t *testing.T) (*world, parties.Customer, object, *phone) {
		w := appWorld(t)
		c := w.Customer()
		w.SetPIN(c.ID, banktest.PIN)
		o := w.enrol(c.ID, "totp").is(201)
		return w, c, o, scan(t, w, o.str("otp.uri"))
	}
	t.Run("time", func(t *testing.T) {
		w, _, o, p := begin(t)
		w.Clock.Forward(10*time.Minute + time.Second)
		w.firstCode(o.str("id"), p.code()).refused(410, "expired")
	})
	t.Run("wrong codes", func(t *testing.T) {
		w, _, o, p := begin(t)
		for range 5 {
			w.firstCode(o.str("id"), other(p.code())).refused(403, "authentication-failed")
		}
		w.firstCode(o.str("id"), p.code()).refused(410, "expired")
	})
	t.Run("four wrong codes", func(t *testing.T) {
		w, c, o, p := begin(t)
		for range 4 {
			w.firstCode(o.str("id"), other(p.code())).refused(403, "authentication-failed")
		}
		w.firstCode(o.str("id"), p.code()).is(200)
		w.Clock.Forward(31 * time.Second)
		// They do not count towards the first lock.
		w.tryLogin(c.ID, other(p.code()), banktest.PIN).refused(403, "authentication-failed")
		w.tryLogin(c.ID, p.code(), banktest.PIN).is(201)
	})
	t.Run("another", func(t *testing.T) {
		w, c, o, p := begin(t)
		next := w.enrol(c.ID, "totp").is(201)
		w.firstCode(o.str("id"), p.code()).refused(410, "expired")
		w.firstCode(next.str("id"), scan(t, w, next.str("otp.uri")).code()).is(200)
	})
	t.Run("suspension", func(t *testing.T) {
		w, c, o, p := begin(t)
		w.must(w.Parties.SetState(t.Context(), w.Staff(), c.ID, parties.CustomerSuspended, "4.6", true))
		w.firstCode(o.str("id"), p.code()).refused(403, "authentication-failed")
		w.must(w.Parties.SetState(t.Context(), w.Staff(), c.ID, parties.CustomerActive, "4.7", true))
		w.firstCode(o.str("id"), p.code()).refused(403, "authentication-failed")
	})
	t.Run("report", func(t *testing.T) {
		w, _, o, p := begin(t)
		token := "tk" + strings.TrimPrefix(o.str("id"), "en")
		w.ask(w.as("helpdesk"), "POST", "/v1/tokens/"+token+"/report", body{"kind": "stolen"}).is(200).has(body{"state": "revoked"})
		w.firstCode(o.str("id"), p.code()).refused(410, "expired")
	})
	t.Run("who", func(t *testing.T) {
		w, _, o, p := begin(t)
		at := "/v1/enrollments/" + o.str("id") + "/responses"
		w.ask(w.as("other-front", parties.Frontend), "POST", at, body{"otp": body{"code": p.code()}}).refused(404, "not-found")
		w.ask(w.as("frontend"), "POST", "/v1/enrollments/en_00000000000000000000000000/responses", body{"otp": body{"code": p.code()}}).refused(404, "not-found")
		w.ask(w.as("frontend"), "POST", "/v1/enrollments/x/responses", body{"otp": body{"code": p.code()}}).refused(404, "not-found")
		w.ask(w.as("frontend"), "POST", at, body{"otp": body{"code": ""}}).faulty("otp.code")
		w.ask(w.as("frontend"), "POST", at, body{}).faulty("otp")
	})
	t.Run("by a secret", func(t *testing.T) {
		w, c, o, _ := begin(t)
		token := "tk" + strings.TrimPrefix(o.str("id"), "en")
		w.ask(w.as("operator"), "POST", "/v1/customers/"+c.ID+"/activation-secrets", body{"purpose": "activate", "token": token, "channel": "sms"}).refused(409, "conflict")
	})
}

// The codes are those that RFC 6238 gives for the seed of the URI, by a second
// implementation too.
func TestAnAppsCodesAreThoseOfItsURI(t *testing.T) {
	w := appWorld(t)
	c := w.Customer()
	o := w.enrol(c.ID, "totp").is(201)
	p := scan(t, w, o.str("otp.uri"))
	code, err := totp.GenerateCode(p.key.Secret(), w.Clock.Now())
	w.must(nil, err)
	w.firstCode(o.str("id"), code).is(200)
}
