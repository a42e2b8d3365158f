package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mohur/seal"
	"mohur/stoplist"
)

// TestClause5_17_3_TheServerSettlesWhatWasReported: a report that the last process
// acknowledged while its HSM was away is settled by the next one before it calls
// itself ready, and one that comes in now is taken.
func TestClause5_17_3_TheServerSettlesWhatWasReported(t *testing.T) {
	in := start(t)
	cl := in.admin()
	report := map[string]string{"customer": "C-404", "kind": "lost", "channel": "phone", "details": "by telephone, at night"}
	var taken struct {
		Ack       string
		At        time.Time
		Suspended []string
	}
	if err := cl.call(t.Context(), http.MethodPost, "/v1/customer-reports", report, &taken); err != nil || taken.Ack == "" {
		t.Fatalf("%+v, %v", taken, err)
	}
	in.stop()

	// The stopped server's list, with a report in it that nobody has settled.
	p := &engineOptions{logger: (&program{err: &buffer{}}).logger(), fatal: func(error) {}}
	e, err := openEngine(t.Context(), in.config, *p)
	if err != nil {
		t.Fatal(err)
	}
	l, err := stoplist.Open(t.Context(), stoplist.Options{Path: in.config.Store.StopList, Keys: &seal.Keyring{HSM: e.hsm}})
	if err != nil {
		t.Fatal(err)
	}
	r := stoplist.New(stoplist.CustomerReport, time.Now())
	r.Kind, r.Channel, r.Token, r.Words.Details = "stolen", "mobile", "serial:none", "x"
	if _, err := l.Append(r, stoplist.Repeat{}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.close(); err != nil {
		t.Fatal(err)
	}

	again := serve(t, in.dir)
	cl = again.admin()
	var register struct {
		Items []struct{ Kind, Cause, Content string }
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := cl.call(t.Context(), http.MethodGet, "/v1/incidents", nil, &register); err != nil {
			t.Fatal(err)
		}
		if len(register.Items) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the register: %+v\n%s", register, again.log.String())
		}
	}
	var ready struct {
		Ready    bool
		StopList bool `json:"stop_list"`
	}
	eventuallyReady := func() bool {
		err := cl.call(t.Context(), http.MethodGet, "/readyz", nil, &ready)
		return err == nil && ready.Ready && ready.StopList
	}
	for deadline := time.Now().Add(10 * time.Second); !eventuallyReady(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %+v", ready)
		}
	}
	if info, err := os.Stat(filepath.Join(in.dir, "mohur.stop")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the list: %v, %v", info, err)
	}
}
