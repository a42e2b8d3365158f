package api_test

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"strconv"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/jws"
	"mohur/tokens/pskc"
)

// shop is where the customer's browser sends its requests.
const shop = "https://shop.example"

// bound is a session that is bound to the key of a browser.
type bound struct {
	*world
	front   string
	key     *banktest.HolderKey
	device  *banktest.Device
	id      string
	token   string
	counter int
}

// newBound logs in with a proof that the front end brings along.
func newBound(t *testing.T) *bound {
	t.Helper()
	w := newWorld(t)
	s := &bound{world: w, front: w.as("frontend"), key: w.NewHolderKey()}
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	s.device = d
	g := w.ask(s.front, "POST", "/v1/authentications", body{
		"customer": c.ID, "purpose": "login", "channel": "internet", "responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
		"dpop": s.key.Proof("POST", shop+"/login", ""), "htm": "POST", "htu": shop + "/login?next=%2F",
	}).is(201)
	g.has(body{"session.token_type": "DPoP", "session.cnf.jkt": s.key.JKT})
	s.id, s.token = g.str("session.id"), g.str("session.access_token")
	return s
}

// use is a request that a session is used by; a nil proof is none.
type use struct {
	name string
	ath  bool
	ask  func(shown body) *answer
}

func (s *bound) uses() []use {
	with := func(method, path string, b body) func(body) *answer {
		return func(shown body) *answer {
			all := maps.Clone(b)
			maps.Copy(all, shown)
			return s.ask(s.front, method, path, all)
		}
	}
	pay := func(value string) func(body) *answer {
		return func(shown body) *answer {
			s.counter++
			return with("POST", "/v1/transactions", payment("H-"+strconv.Itoa(s.counter), value, s.token))(shown)
		}
	}
	return []use{
		{"introspection", true, with("POST", "/v1/sessions/introspect", body{"access_token": s.token})},
		{"touch", false, with("POST", "/v1/sessions/"+s.id+"/touch", body{"activity": "user"})},
		{"touch with the token", true, with("POST", "/v1/sessions/"+s.id+"/touch", body{"activity": "user", "access_token": s.token})},
		{"poll", false, with("POST", "/v1/sessions/"+s.id+"/touch", body{"activity": "poll"})},
		{"step-up", true, with("POST", "/v1/authentications", body{"purpose": "login", "channel": "internet", "access_token": s.token})},
		{"payment under the exemption", true, pay("1.00")},
		{"payment with a proof", true, pay("1500.00")},
	}
}

// claims of a right proof for the use.
func (s *bound) claims(u use) map[string]any {
	token := ""
	if u.ath {
		token = s.token
	}
	return s.key.Claims("POST", shop+"/do", token)
}

func beside(proof string) body { return body{"dpop": proof, "htm": "POST", "htu": shop + "/do?a=1"} }

// useless says that a request did nothing: the one who asks is told so, and an
// introspection says no more than that.
func (s *bound) useless(t *testing.T, what string, a *answer) {
	t.Helper()
	switch a.status {
	case 200:
		if string(a.body) != `{"active":false}` {
			t.Errorf("%s: %s", what, a.body)
		}
	default:
		a.refused(403, "invalid-dpop-proof")
	}
}

func TestAttack06_ABoundSessionServesItsKeyOnly(t *testing.T) {
	s := newBound(t)
	thief := s.NewHolderKey()
	for _, u := range s.uses() {
		s.useless(t, u.name+" without a proof", u.ask(nil))
		c := s.claims(u)
		s.useless(t, u.name+" with another key", u.ask(beside(thief.Sign(c))))
		s.useless(t, u.name+" with a certificate", u.ask(body{"x5t": base64.RawURLEncoding.EncodeToString(make([]byte, 32))}))
		proof := s.key.Sign(c) // the thief's proof with the same jti has not used it up
		if a := u.ask(beside(proof)); a.status > 201 || string(a.body) == `{"active":false}` {
			t.Fatalf("%s with a right proof: %d %s", u.name, a.status, a.body)
		}
		s.useless(t, u.name+" with the same proof again", u.ask(beside(proof)))
	}
	if n := s.Count("session.refused", "refused", ""); n != 4*len(s.uses()) {
		t.Errorf("%d refusals are on record", n)
	}
	for _, reason := range []string{"proof-missing", "other-key", "replayed"} {
		if s.Count("session.refused", "refused", reason) == 0 {
			t.Errorf("none of them is %s", reason)
		}
	}
	// The session's name alone pays nothing.
	b := payment("H-id", "1.00", "")
	delete(b, "access_token")
	b["session"] = s.id
	s.ask(s.front, "POST", "/v1/transactions", b).refused(403, "invalid-dpop-proof")
	b["dpop"] = s.key.Proof("POST", shop+"/do", "")
	s.ask(s.front, "POST", "/v1/transactions", b).faulty("access_token")
}

// One claim is altered at a time, in every use.
func TestAttack06_OneAlteredClaim(t *testing.T) {
	s := newBound(t)
	other := sha256.Sum256([]byte("x"))
	for _, u := range s.uses() {
		used := s.claims(u)
		u.ask(beside(s.key.Sign(used)))
		for _, c := range []struct {
			name  string
			value any
		}{
			{"jti", used["jti"]}, {"jti", nil}, {"htm", "GET"}, {"htm", nil}, {"htu", shop + "/other"}, {"htu", shop + "/do?a=1"}, {"htu", "https://evil.example/do"}, {"htu", nil},
			{"iat", s.Clock.Now().Add(-2 * time.Minute).Unix()}, {"iat", s.Clock.Now().Add(2 * time.Minute).Unix()}, {"iat", nil},
			{"ath", base64.RawURLEncoding.EncodeToString(other[:])}, {"ath", nil},
		} {
			claims := s.claims(u)
			if c.name == "ath" && c.value == nil && !u.ath {
				continue // as it should be
			}
			claims[c.name] = c.value
			if c.value == nil {
				delete(claims, c.name)
			}
			s.useless(t, u.name+", "+c.name, u.ask(beside(s.key.Sign(claims))))
		}
		claims := s.claims(u)
		claims["nonce"] = "x"
		a := u.ask(beside(s.key.Sign(claims)))
		if u.name == "introspection" {
			if string(a.body) != `{"active":false,"error":"use_dpop_nonce"}` {
				t.Errorf("%s: %s", u.name, a.body)
			}
		} else {
			a.refused(403, "use-dpop-nonce")
		}
		claims["nonce"] = a.header.Get("DPoP-Nonce")
		if a := u.ask(beside(s.key.Sign(claims))); a.status > 201 || string(a.body) == `{"active":false}` {
			t.Errorf("%s with the nonce it was told: %d %s", u.name, a.status, a.body)
		}
	}
}

func TestTheAccessTokenNamesTheKey(t *testing.T) {
	s := newBound(t)
	g := s.ask(s.front, "POST", "/v1/sessions/"+s.id+"/touch", body{"activity": "user", "dpop": s.key.Proof("POST", banktest.Issuer+"/v1/sessions/"+s.id+"/touch", "")}).is(200)
	g.has(body{"token_type": "DPoP", "cnf.jkt": s.key.JKT})
	pub, err := s.HSM.Public(t.Context(), "token-signing")
	s.must(nil, err)
	var claims authn.AccessClaims
	s.must(nil, jws.Verify(g.str("access_token"), authn.AccessTokenType, pub, &claims))
	if claims.Holder.JKT != s.key.JKT {
		t.Errorf("cnf %+v", claims.Holder)
	}
	s.ask(s.front, "GET", "/v1/sessions/"+s.id, nil).is(200).has(body{"cnf.jkt": s.key.JKT, "state": "live"})
	in := body{"access_token": g.str("access_token"), "dpop": s.key.Proof("POST", banktest.Issuer+"/v1/sessions/introspect", g.str("access_token"))}
	s.ask(s.front, "POST", "/v1/sessions/introspect", in).is(200).has(body{"active": true, "token_type": "DPoP", "cnf.jkt": s.key.JKT})
	s.ask(s.front, "DELETE", "/v1/sessions/"+s.id, nil).is(204) // to end it asks for no key
}

func TestALogInNamesItsKeyOnce(t *testing.T) {
	w := newWorld(t)
	front, c, d := w.as("frontend"), "", (*banktest.Device)(nil)
	person, device := w.Person(pskc.HOTP)
	c, d = person.ID, device
	mine, thief := w.NewHolderKey(), w.NewHolderKey()
	begin := func(more body) *answer {
		b := body{"customer": c, "purpose": "login", "channel": "internet"}
		maps.Copy(b, more)
		return w.ask(front, "POST", "/v1/authentications", b)
	}
	proof := func(k *banktest.HolderKey, path string) string { return k.Proof("POST", banktest.Issuer+path, "") }
	at := "/v1/authentications/" + begin(body{"dpop": proof(mine, "/v1/authentications")}).is(201).str("id") + "/responses"
	w.ask(front, "POST", at, body{"method": "pin", "pin": banktest.PIN, "dpop": proof(thief, at)}).refused(403, "authentication-failed")
	w.ask(front, "POST", at, body{"method": "pin", "pin": banktest.PIN, "dpop": proof(mine, at)}).is(200)
	w.ask(front, "POST", at, body{"method": "otp", "code": d.HOTP()}).is(200).has(body{"session.cnf.jkt": mine.JKT})

	at = "/v1/authentications/" + begin(nil).is(201).str("id") + "/responses"
	w.ask(front, "POST", at, body{"method": "pin", "pin": banktest.PIN, "dpop": proof(thief, at)}).is(200)
	code := d.HOTP()
	w.ask(front, "POST", at, body{"method": "otp", "code": code, "dpop": proof(mine, at)}).refused(403, "authentication-failed") // both halves come from one key
	w.ask(front, "POST", at, body{"method": "pin", "pin": banktest.PIN, "dpop": proof(mine, at)}).is(200)                        // a later PIN takes the place of an earlier one
	w.ask(front, "POST", at, body{"method": "otp", "code": code, "dpop": proof(mine, at)}).is(200).has(body{"session.cnf.jkt": mine.JKT})

	// What is wrong with a proof is told before anything is judged: the code serves still.
	at = "/v1/authentications/" + begin(nil).is(201).str("id") + "/responses"
	w.ask(front, "POST", at, body{"method": "pin", "pin": banktest.PIN}).is(200)
	code = d.HOTP()
	used := proof(mine, at)
	bare := mine.Claims("POST", banktest.Issuer+at, "")
	delete(bare, "nonce")
	if w.ask(front, "POST", at, body{"method": "otp", "code": code, "dpop": mine.Sign(bare)}).refused(403, "use-dpop-nonce"); t.Failed() {
		t.FailNow()
	}
	w.ask(front, "POST", at, body{"method": "otp", "code": code, "dpop": used[:len(used)-4]}).refused(403, "invalid-dpop-proof")
	w.ask(front, "POST", at, body{"method": "otp", "code": code, "dpop": used}).is(200).has(body{"session.cnf.jkt": mine.JKT})
	begin(body{"dpop": used}).refused(403, "invalid-dpop-proof")
	again := proof(mine, "/v1/authentications")
	begin(body{"dpop": again}).is(201)
	begin(body{"dpop": again}).refused(403, "invalid-dpop-proof")

	begin(body{"dpop": ""}).faulty("dpop")
	begin(body{"htu": shop}).faulty("htu")
	begin(body{"x5t": "AA"}).faulty("x5t")
	begin(body{"purpose": "action", "action": body{"name": "payees.add", "data": body{}}, "dpop": proof(mine, "/v1/authentications")}).faulty("dpop")
	begin(body{"responses": []body{{"method": "pin", "pin": banktest.PIN, "dpop": "x"}}}).faulty("responses.0.dpop")
}

// Of an unknown customer nothing else is told with a proof than without.
func TestADecoyTakesAProofAsWell(t *testing.T) {
	w := newWorld(t)
	front, k := w.as("frontend"), w.NewHolderKey()
	b := body{"customer": "C-nobody", "purpose": "login", "channel": "internet", "dpop": k.Proof("POST", banktest.Issuer+"/v1/authentications", "")}
	at := "/v1/authentications/" + w.ask(front, "POST", "/v1/authentications", b).is(201).str("id") + "/responses"
	w.ask(front, "POST", at, body{"method": "pin", "pin": banktest.PIN, "dpop": k.Proof("POST", banktest.Issuer+at, "")}).is(200)
	w.ask(front, "POST", at, body{"method": "otp", "code": "123456", "dpop": k.Proof("POST", banktest.Issuer+at, "")}).refused(403, "authentication-failed")
}

// RFC 8705: the front end that ends the customer's TLS says which certificate it saw.
func TestAttack06_ASessionBoundToAClientCertificate(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	sum := sha256.Sum256([]byte("a certificate"))
	x5t, other := base64.RawURLEncoding.EncodeToString(sum[:]), base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	g := w.ask(front, "POST", "/v1/authentications", body{
		"customer": c.ID, "purpose": "login", "channel": "internet", "x5t": x5t, "responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
	}).is(201)
	g.has(body{"session.token_type": "Bearer", "session.cnf.x5t#S256": x5t})
	s := &bound{world: w, front: front, key: w.NewHolderKey(), id: g.str("session.id"), token: g.str("session.access_token")}
	for _, u := range s.uses() {
		s.useless(t, u.name+" without", u.ask(nil))
		s.useless(t, u.name+" with another", u.ask(body{"x5t": other}))
		s.useless(t, u.name+" with a key", u.ask(beside(s.key.Sign(s.claims(u)))))
		for range 2 {
			if a := u.ask(body{"x5t": x5t}); a.status > 201 || string(a.body) == `{"active":false}` {
				t.Errorf("%s: %d %s", u.name, a.status, a.body)
			}
		}
	}
}

// To ignore a proof would be to confirm a binding that there is not.
func TestASessionBoundToNoKeyTakesNoProof(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	g := w.login(front, c.ID, d)
	s := &bound{world: w, front: front, key: w.NewHolderKey(), id: g.str("id"), token: g.str("access_token")}
	for _, u := range s.uses() {
		s.useless(t, u.name, u.ask(beside(s.key.Sign(s.claims(u)))))
	}
}

// A payment of a bound session, from its beginning by way of a second authentication to
// the proof, which names the transaction and takes no key.
func TestAttack06_APaymentAsksForTheKeyEachTime(t *testing.T) {
	s := newBound(t)
	proof := func() body { return beside(s.key.Proof("POST", shop+"/do", s.token)) }
	b := payment("H-ask", "1500.00", s.token)
	maps.Copy(b, proof())
	tx := s.ask(s.front, "POST", "/v1/transactions", b).is(201)
	maps.Copy(b, proof())
	s.ask(s.front, "POST", "/v1/transactions", b).is(201).has(body{"id": tx.str("id")}) // the same one, whatever proof came with it

	again := func(shown body) *answer {
		b := body{"access_token": s.token}
		maps.Copy(b, shown)
		return s.ask(s.front, "POST", "/v1/transactions/"+tx.str("id")+"/authentications", b)
	}
	again(nil).refused(403, "invalid-dpop-proof")
	again(beside(s.NewHolderKey().Proof("POST", shop+"/do", s.token))).refused(403, "invalid-dpop-proof")
	one := again(proof()).is(201)
	at := "/v1/authentications/" + one.str("authentications.1.id") + "/responses"
	s.ask(s.front, "POST", at, body{"method": "pin", "pin": banktest.PIN, "dpop": s.key.Proof("POST", shop+"/do", "")}).faulty("dpop")
	s.ask(s.front, "POST", at, body{"method": "pin", "pin": banktest.PIN}).is(200)
	code := s.device.OCRA(one.str("authentications.1.methods.0.question"))
	s.ask(s.front, "POST", at, body{"method": "ocra", "code": code}).is(200).has(body{"transaction.state": "approved"})
}
