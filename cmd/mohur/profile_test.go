package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mohur/parties"
)

// profiled asks the socket of a running server for a profile.
func profiled(t *testing.T, c *Config, what string) (status int, out []byte) {
	t.Helper()
	cl := overSocket(c)
	defer cl.http.CloseIdleConnections()
	resp, err := cl.http.Get(cl.base + profilePath + what)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if out, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, out
}

// TestProfilesAreOnTheSocket: each kind, in both forms, and nothing else: not the
// stacks with their arguments, not a trace, not the command line.
func TestProfilesAreOnTheSocket(t *testing.T) {
	in := start(t)
	for _, c := range []struct {
		what   string
		status int
		begins string
	}{
		{"heap", 200, "\x1f\x8b"},
		{"heap?gc=1&debug=1", 200, "heap profile: "},
		{"allocs", 200, "\x1f\x8b"},
		{"goroutine", 200, "\x1f\x8b"},
		{"goroutine?debug=1", 200, "goroutine profile: total "},
		{"cpu?seconds=1", 200, "\x1f\x8b"},
		{"goroutine?debug=2", 422, "debug needs to be a number from 0 to 1"},
		{"heap?seconds=1", 422, "seconds is not for a profile of this kind"},
		{"cpu?seconds=0", 422, "seconds is not for"},
		{"cpu?seconds=61", 422, "seconds needs to be a number from 0 to 60"},
		{"cpu?debug=1", 422, "debug is not for"},
		{"heap?gc=1&gc=1", 422, "gc needs to be a number"},
		{"trace", 422, `there is no profile "trace"`},
		{"cmdline", 422, "there is no profile"},
		{"threadcreate", 422, "there is no profile"},
	} {
		if status, out := profiled(t, in.config, c.what); status != c.status || !bytes.HasPrefix(out, []byte(c.begins)) {
			t.Errorf("%s: %d %.80q", c.what, status, out)
		}
	}
	if !strings.Contains(in.log.String(), "a profile is taken") {
		t.Error("the log does not tell who took a profile")
	}
}

// TestClause5_28_NoProfileOverTheNetwork: no role, not even all of them, and no key
// reaches a profile over the network listener.
func TestClause5_28_NoProfileOverTheNetwork(t *testing.T) {
	in := start(t)
	keys := map[string]string{"nobody": "", "every role": in.admin().key}
	for _, role := range parties.Roles() {
		var made struct{ Key string }
		in.admin().call(t.Context(), http.MethodPost, "/v1/clients", newClient{Name: string(role), Roles: []string{string(role)}}, &made)
		if made.Key == "" {
			t.Fatalf("no client with the role %s", role)
		}
		keys[string(role)] = made.Key
	}
	for who, key := range keys {
		cl := overNetwork(in.config, "https://"+in.address, key)
		for _, path := range []string{
			profilePath + "heap", profilePath + "goroutine", profilePath + "cpu?seconds=1", profilePath, "/local//profile/heap",
			"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/v1" + profilePath + "heap",
		} {
			resp, err := cl.send(t.Context(), http.MethodGet, path, "", nil)
			if err == nil {
				resp.Body.Close()
				t.Errorf("%s gets %s", who, path)
				continue
			}
			if !strings.Contains(err.Error(), "404 not-found") {
				t.Errorf("%s, %s: %v", who, path, err)
			}
		}
	}
}

// TestClause5_28_ProfilesAreForAdmins: over the socket too the role decides. Who
// may connect to it at all is TestSocketPeer's.
func TestClause5_28_ProfilesAreForAdmins(t *testing.T) {
	s := &server{engine: &engine{config: &Config{}}}
	for _, role := range parties.Roles() {
		if role == parties.Admin {
			continue
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, profilePath+"heap", nil)
		r.SetPathValue("kind", "heap")
		s.profile(parties.Caller{ID: "x", Roles: []parties.Role{role}}, w, r)
		if w.Code != http.StatusForbidden || w.Body.Len() > 100 {
			t.Errorf("%s: %d %.80q", role, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	s.serveProfile(w, httptest.NewRequest(http.MethodGet, profilePath+"heap", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("who did not come over the socket: %d", w.Code)
	}
}
