package authn_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens/pskc"
)

// renewal begins the log-in that takes the place of a session.
func renewal(t *testing.T, s *authn.Service, b *banktest.Bank, customer, token string, p *authn.Possession) (authn.View, error) {
	t.Helper()
	return s.Begin(t.Context(), authn.BeginCommand{
		Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet, AccessToken: token, Possession: p,
	})
}

// prove answers an attempt with PIN and code.
func prove(t *testing.T, b *banktest.Bank, v authn.View, d *banktest.Device) (authn.View, error) {
	t.Helper()
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	return answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP())
}

// entered is a customer who has logged in.
func entered(t *testing.T, b *banktest.Bank, kinds ...pskc.Algorithm) (parties.Customer, *banktest.Device, authn.SessionGrant) {
	t.Helper()
	c, d := b.Person(append(kinds, pskc.HOTP)...)
	v, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN)
	if err != nil {
		t.Fatal(err)
	}
	return c, d, *v.Session
}

// Who has stolen the bearer of a session has nothing once its customer has proven himself
// again, and the new session is as fresh as any.
func TestAttack06_AStepUpTakesThePlaceOfTheSession(t *testing.T) {
	b := banktest.New(t)
	c, d, old := entered(t, b)
	b.Clock.Forward(4 * time.Minute)
	v, err := renewal(t, b.Authn, b, "", old.AccessToken, nil) // whose it is the token says
	if err != nil || v.Attempt.Customer != c.ID {
		t.Fatalf("%+v, %v", v.Attempt, err)
	}
	if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), old.AccessToken, nil); err != nil {
		t.Errorf("begun, nothing has ended yet: %v", err)
	}
	b.Clock.Forward(4 * time.Minute) // idle by now, but the answer is activity
	g, err := prove(t, b, v, d)
	if err != nil || g.Session == nil {
		t.Fatalf("%+v, %v", g, err)
	}
	s := g.Session.Session
	if s.ID == old.Session.ID || !s.AuthTime.After(old.Session.AuthTime.Add(7*time.Minute)) || !s.ExpiresAt.After(old.Session.ExpiresAt) || s.Customer != c.ID || s.ACR != authn.Strong {
		t.Errorf("the new session: %+v", s)
	}
	if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), g.Session.AccessToken, nil); err != nil {
		t.Errorf("the new token: %v", err)
	}
	for name, use := range map[string]func() error{
		"token": func() error {
			_, _, err := b.Authn.LiveToken(t.Context(), b.Front(), old.AccessToken, nil)
			return err
		},
		"name": func() error {
			_, _, err := b.Authn.Live(t.Context(), b.Front(), old.Session.ID)
			return err
		},
		"introspection": func() error {
			_, _, err := b.Authn.Introspected(t.Context(), b.Front(), old.AccessToken, nil)
			return err
		},
	} {
		if err := use(); !errors.Is(err, authn.ErrDead) {
			t.Errorf("the old one by its %s: %v", name, err)
		}
	}
	if _, err := b.Authn.Touch(t.Context(), b.Front(), old.Session.ID, "", true, nil); !problem.Is(err, problem.NotFound) {
		t.Errorf("a touch: %v", err)
	}
	if _, err := b.Authn.Again(t.Context(), b.Front(), old.Session.ID); !problem.Is(err, problem.NotFound) {
		t.Errorf("its token again: %v", err)
	}
	if _, err := renewal(t, b.Authn, b, c.ID, old.AccessToken, nil); !problem.Is(err, problem.SessionEnded) {
		t.Errorf("a step-up from it: %v", err)
	}
	if n, m := b.Count("session.ended", "ended", "rotated"), b.Count("session.opened", "live", "step-up"); n != 1 || m != 1 {
		t.Errorf("%d rotations and %d openings are on record", n, m)
	}
}

// The session that is replaced takes no place of the others, and no other ends.
func TestAttack06_AStepUpEndsNoOtherSession(t *testing.T) {
	b := banktest.New(t)
	b.Authn.Settings.MaxSessions = 3
	c, d, first := entered(t, b)
	for range 2 {
		b.Clock.Forward(time.Second)
		if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
			t.Fatal(err)
		}
	}
	b.Clock.Forward(time.Second)
	v, err := renewal(t, b.Authn, b, c.ID, first.AccessToken, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prove(t, b, v, d); err != nil {
		t.Fatal(err)
	}
	if open, err := b.Store.Sessions(t.Context(), c.ID); err != nil || len(open) != 3 || b.Count("session.ended", "", "") != 1 {
		t.Errorf("%d are open, %v", len(open), err)
	}
}

// Another customer's token, a dead one, one of another front end and none at all are one
// refusal: nothing is learnt about anybody.
func TestAttack06_AStepUpIsOfOneSession(t *testing.T) {
	b := banktest.New(t)
	c, _, g := entered(t, b)
	other, _, theirs := entered(t, b)
	_, _, ended := entered(t, b)
	if err := b.Authn.End(t.Context(), b.Front(), ended.Session.ID, "logout"); err != nil {
		t.Fatal(err)
	}
	want := ""
	for name, x := range map[string][2]string{
		"a stranger's": {c.ID, theirs.AccessToken}, "for a stranger": {other.ID, g.AccessToken}, "for nobody": {"C-nobody", g.AccessToken},
		"ended": {ended.Session.Customer, ended.AccessToken}, "no token": {c.ID, "x.y.z"}, "altered": {c.ID, g.AccessToken[:len(g.AccessToken)-6] + "AAAAAA"},
	} {
		_, err := renewal(t, b.Authn, b, x[0], x[1], nil)
		if !problem.Is(err, problem.SessionEnded) || want != "" && err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			want = err.Error()
		}
	}
	foreign := b.Front()
	foreign.ID = "cl_another"
	cmd := authn.BeginCommand{Caller: foreign, Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet, AccessToken: g.AccessToken}
	if _, err := b.Authn.Begin(t.Context(), cmd); !problem.Is(err, problem.SessionEnded) {
		t.Errorf("from another front end: %v", err)
	}
	cmd.Caller, cmd.Channel = b.Front(), parties.Mobile
	if _, err := b.Authn.Begin(t.Context(), cmd); !problem.Is(err, problem.Forbidden) {
		t.Errorf("on another channel: %v", err)
	}
	cmd.Channel, cmd.Purpose, cmd.Action = parties.Internet, authn.Action, &authn.NamedAction{Name: "payees.add", Data: []byte("{}")}
	if _, err := b.Authn.Begin(t.Context(), cmd); !problem.Is(err, problem.Invalid) {
		t.Errorf("of an action: %v", err)
	}
	cmd.Purpose, cmd.Action, cmd.Customer = authn.Login, nil, "~ayla"
	if _, err := b.Authn.Begin(t.Context(), cmd); !problem.Is(err, problem.Invalid) {
		t.Errorf("of staff: %v", err)
	}
}

// The key of the session is that of the new one: who cannot show it begins nothing, and
// an answer that shows another is refused, where the session has none as well.
func TestAttack06_AStepUpKeepsTheKey(t *testing.T) {
	b := banktest.New(t)
	k, thief := b.NewHolderKey(), b.NewHolderKey()
	c, d := b.Person(pskc.HOTP)
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet, Possession: possession(k.Proof("POST", page, ""))})
	if err != nil {
		t.Fatal(err)
	}
	got, err := prove(t, b, v, d)
	if err != nil {
		t.Fatal(err)
	}
	g := got.Session
	for name, p := range map[string]*authn.Possession{
		"without": nil, "another key": possession(thief.Proof("POST", page, g.AccessToken)), "without ath": possession(k.Proof("POST", page, "")),
	} {
		if _, err := renewal(t, b.Authn, b, c.ID, g.AccessToken, p); !problem.Is(err, problem.InvalidProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if v, err = renewal(t, b.Authn, b, c.ID, g.AccessToken, possession(k.Proof("POST", page, g.AccessToken))); err != nil {
		t.Fatal(err)
	}
	say := func(v authn.View, m authn.Method, secret string, k *banktest.HolderKey) (authn.View, error) {
		cmd := authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: m, Secret: secret}
		if k != nil {
			cmd.Possession = possession(k.Proof("POST", page, ""))
		}
		return b.Authn.Answer(t.Context(), cmd)
	}
	if _, err := say(v, authn.PIN, banktest.PIN, thief); !refused(err) {
		t.Errorf("an answer with another key: %v", err)
	}
	if _, err := say(v, authn.PIN, banktest.PIN, k); err != nil {
		t.Fatal(err)
	}
	if got, err = say(v, authn.OTP, d.HOTP(), nil); err != nil || got.Session.Session.Holder != g.Session.Holder {
		t.Fatalf("%v, bound to %+v", err, got.Session)
	}

	c, d, free := entered(t, b)
	if _, err := renewal(t, b.Authn, b, c.ID, free.AccessToken, possession(thief.Proof("POST", page, free.AccessToken))); !problem.Is(err, problem.InvalidProof) {
		t.Errorf("a proof for a session that is bound to none: %v", err)
	}
	if v, err = renewal(t, b.Authn, b, c.ID, free.AccessToken, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := say(v, authn.PIN, banktest.PIN, thief); !refused(err) {
		t.Errorf("an answer that would bind it: %v", err)
	}
	if got, err = prove(t, b, v, d); err != nil || got.Session.Session.Holder.Bound() {
		t.Errorf("%v, %+v", err, got.Session)
	}
}

// Between the beginning and the answer the session may have ended: then the answer opens
// no other, and a proof that was given is used up.
func TestAttack06_AStepUpDoesNotUndoALogOut(t *testing.T) {
	b := banktest.New(t)
	for name, end := range map[string]func(authn.SessionGrant, string){
		"log-out": func(g authn.SessionGrant, _ string) {
			if err := b.Authn.End(t.Context(), b.Front(), g.Session.ID, "logout"); err != nil {
				t.Fatal(err)
			}
		},
		"suspended and resumed": func(g authn.SessionGrant, customer string) {
			for _, to := range []parties.CustomerState{parties.CustomerSuspended, parties.CustomerActive} {
				if _, err := b.Parties.SetState(t.Context(), b.Staff(), customer, to, "4.6", true); err != nil {
					t.Fatal(err)
				}
			}
		},
		"its last hour": func(g authn.SessionGrant, _ string) {
			b.Clock.Forward(b.Authn.Settings.AttemptLife - time.Second)
			for g.Session.ExpiresAt.After(b.Clock.Now()) {
				b.Clock.Forward(time.Second)
			}
		},
	} {
		b.Authn.Settings.Absolute = 12 * time.Hour
		if name == "its last hour" {
			b.Authn.Settings.Absolute = 3 * time.Minute
		}
		c, d, g := entered(t, b)
		v, err := renewal(t, b.Authn, b, c.ID, g.AccessToken, nil)
		if err != nil {
			t.Fatal(err)
		}
		end(g, c.ID)
		if got, err := prove(t, b, v, d); !refused(err) {
			t.Errorf("%s: %+v, %v", name, got.Session, err)
		}
		if open, err := b.Store.Sessions(t.Context(), c.ID); err != nil || name != "its last hour" && len(open) > 1 {
			t.Errorf("%s: %d sessions, %v", name, len(open), err)
		}
		if b.Count("session.opened", "", "step-up") != 0 {
			t.Fatalf("%s: a session was opened", name)
		}
	}
	if b.Count("authentication.answered", "refused", "session-ended") == 0 {
		t.Error("no refusal says why")
	}
}

// A step-up proves no less than the session did.
func TestAttack06_AStepUpIsNoWeaker(t *testing.T) {
	b := banktest.New(t)
	c, _, g := entered(t, b)
	b.Rules.LoginACR = string(authn.Single)
	v, err := renewal(t, b.Authn, b, c.ID, g.AccessToken, nil)
	if err != nil || v.Attempt.ACR != authn.Strong {
		t.Errorf("%s, %v", v.Attempt.ACR, err)
	}
	if v := begin(t, b, c.ID); v.Attempt.ACR != authn.Single {
		t.Errorf("a log-in like any other: %s", v.Attempt.ACR)
	}
}

// Two nodes that grant a step-up of one session at the same moment give one new session.
func TestAttack06_OfStepUpsAtOnceOneServes(t *testing.T) {
	b := banktest.New(t)
	c, first, g := entered(t, b)
	second := b.Import(1, pskc.HOTP)[0]
	b.Hand(second, c.ID)
	nodes := []*authn.Service{b.Authn, node(t, b)}
	var all sync.WaitGroup
	var mu sync.Mutex
	granted := 0
	var begun []authn.View
	for i := range nodes {
		v, err := renewal(t, nodes[i], b, c.ID, g.AccessToken, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nodes[i].Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.PIN, Secret: banktest.PIN}); err != nil {
			t.Fatal(err)
		}
		begun = append(begun, v)
	}
	for i, d := range []*banktest.Device{first, second} {
		code, credential := d.HOTP(), credentialOf(t, b, d)
		all.Go(func() {
			got, err := nodes[i].Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: begun[i].Attempt.ID, Method: authn.OTP, Credential: credential, Secret: code})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && got.Session != nil:
				granted++
			case !refused(err):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if open, err := b.Store.Sessions(t.Context(), c.ID); granted != 1 || err != nil || len(open) != 1 {
		t.Errorf("%d were granted and %d are open, %v", granted, len(open), err)
	}
}

// node is another node of the same bank: it has the store and the HSM in common, and no
// memory.
func node(t *testing.T, b *banktest.Bank) *authn.Service {
	t.Helper()
	s := &authn.Service{
		Store: b.Store, Settler: b.Store, HSM: b.HSM, Keys: b.Keys, Bank: b.Key, Audit: b.Audit, PINs: b.Authn.PINs, Policy: b.Authn.Policy, Settings: b.Authn.Settings, Stops: b.Stops, Now: b.Clock.Now,
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// RFC 9470: what a service asks of a session, and what it is told.
func TestWhatASessionLacks(t *testing.T) {
	b := banktest.New(t)
	now := b.Clock.Now()
	seconds := func(n int64) *time.Duration {
		d := time.Duration(n) * time.Second
		return &d
	}
	for _, c := range []struct {
		name   string
		acr    authn.ACR
		age    time.Duration
		values string
		max    *time.Duration
		lacks  bool
		header string
	}{
		{name: "nothing is asked", acr: authn.Single, age: time.Hour},
		{name: "the same level", acr: authn.Strong, values: "strong"},
		{name: "a higher level than asked", acr: authn.Strong, values: "single"},
		{name: "one of two", acr: authn.Strong, values: "linked strong"},
		{name: "weak", acr: authn.Single, values: "strong", lacks: true, header: `acr_values="strong"`},
		{name: "what no session is", acr: authn.Strong, values: "linked", lacks: true},
		{name: "unknown", acr: authn.Strong, values: "urn:example:gold", lacks: true, header: `acr_values="urn:example:gold"`},
		{name: "unknown beside a known one", acr: authn.Strong, values: "urn:example:gold strong"},
		{name: "another spelling", acr: authn.Strong, values: "Strong", lacks: true},
		{name: "young", acr: authn.Strong, age: 59 * time.Minute, max: seconds(3600)},
		{name: "old", acr: authn.Strong, age: 61 * time.Minute, max: seconds(3600), lacks: true, header: `max_age="3600"`},
		{name: "none is younger than nothing", acr: authn.Strong, max: seconds(0), lacks: true, header: `max_age="0"`},
		{name: "nor of a clock that is ahead", acr: authn.Strong, age: -time.Minute, max: seconds(0), lacks: true},
		{name: "old and weak", acr: authn.Single, age: time.Hour, values: "strong", max: seconds(60), lacks: true, header: `acr_values="strong", max_age="60"`},
		{name: "no level at all", acr: "", values: "single", lacks: true},
	} {
		d := authn.Demand{MaxAge: c.max}
		if c.values != "" {
			var err error
			if d.ACRValues, err = authn.ParseACRValues(c.values); err != nil {
				t.Fatal(err)
			}
		}
		s := authn.Session{ACR: c.acr, AuthTime: now.Add(-c.age)}
		lacks := b.Authn.Lacks(s, d)
		if (lacks != nil) != c.lacks {
			t.Errorf("%s: %+v", c.name, lacks)
			continue
		}
		if lacks == nil {
			continue
		}
		if h := lacks.Header(); !strings.HasPrefix(h, `Bearer error="insufficient_user_authentication", error_description="A `) || !strings.HasSuffix(h, c.header) {
			t.Errorf("%s: %s", c.name, h)
		}
		s.Holder.JKT = "x"
		if h := b.Authn.Lacks(s, d).Header(); !strings.HasPrefix(h, `DPoP error="insufficient_user_authentication"`) {
			t.Errorf("%s: %s", c.name, h)
		}
	}
}

// Whatever levels are accepted go into a header as they are.
func FuzzACRValues(f *testing.F) {
	for _, seed := range []string{"strong", "strong linked", "urn:example:gold single", "", " ", "a  b", `a"b`, "a\r\nSet-Cookie: x", "ü", strings.Repeat("a ", 9), strings.Repeat("a", 65)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := authn.ParseACRValues(text)
		if err != nil {
			return
		}
		h := problem.StepUp{Scheme: "Bearer", ACRValues: values}.Header()
		if strings.Join(values, " ") != text || len(values) > 8 || strings.Count(h, `"`) != 6 || strings.ContainsAny(h, "\\\r\n") {
			t.Errorf("%q: %q", text, h)
		}
		got := http.Header{}
		got.Set("WWW-Authenticate", h)
		var out strings.Builder
		if err := got.Write(&out); err != nil || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%q: %q, %v", text, out.String(), err)
		}
	})
}
