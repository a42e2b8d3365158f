package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/store/bolttest"
)

// metric is one line of /metrics, "" if it is not there.
func (in *instance) metric(name string) string {
	in.t.Helper()
	resp, err := in.admin().http.Get("https://" + in.address + "/metrics")
	if err != nil {
		in.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, name+" "); is {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// untilMetric waits until a metric has another value than this.
func (in *instance) untilMetric(name, not string) string {
	in.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if v := in.metric(name); v != not {
			return v
		}
	}
	in.t.Fatalf("%s stays %s\n%s", name, not, in.log.String())
	return ""
}

// The server sweeps its store by itself: what was edited while it was down becomes
// an incident, once, is in the log without its name, and does not make the server
// unready.
func TestClause5_3_2_TheServerSweepsItsStore(t *testing.T) {
	const completed, found = "mohur_store_sweep_time_seconds", `mohur_store_sweep_findings_total{kind="record"}`
	in := start(t, "sweep: 24h", "sweep: 100ms")
	in.untilMetric(completed, "0")
	if n := in.metric(found); n != "0" {
		t.Errorf("found %s in a new store", n)
	}
	if n := in.metric("mohur_store_sweep_rows_total"); n == "0" || n == "" {
		t.Errorf("%s rows", n)
	}
	began := time.Now()
	if code := in.stop(); code != exitOK {
		t.Fatal(in.log.String())
	}
	if took := time.Since(began); took > drainFor/2 {
		t.Errorf("it took %s to stop", took)
	}

	var id string
	bolttest.Edit(t, filepath.Join(in.dir, "mohur.db"), func(f bolttest.File) {
		id = f.KeyEndingIn("client", "")
		f.Put("client", id, []byte(strings.Replace(string(f.Get("client", id)), `"name":"admin"`, `"name":"nimda"`, 1)))
	})
	again := serve(t, in.dir)
	cl, err := running(again.config)
	if err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Items []struct{ Kind string }
	}
	count := func(kind string) (n int) {
		t.Helper()
		if err := cl.call(t.Context(), http.MethodGet, "/v1/incidents", nil, &listed); err != nil {
			t.Fatal(err)
		}
		for _, i := range listed.Items {
			if i.Kind == kind {
				n++
			}
		}
		return n
	}
	again.untilMetric(found, "0")
	for range 3 { // further passes
		now := again.metric(completed)
		again.untilMetric(completed, now)
	}
	if n := count("record.tampered"); n != 1 {
		t.Errorf("%d incidents", n)
	}
	if err := cl.call(t.Context(), http.MethodGet, "/readyz", nil, nil); err != nil {
		t.Errorf("ready: %v", err)
	}
	if code := again.stop(); code != exitOK {
		t.Fatal(again.log.String())
	}
	if log := again.log.String(); strings.Contains(log, id) || !strings.Contains(log, "has found something") {
		t.Errorf("the log:\n%s", log)
	}
	if out := must(t, "audit", "verify", "--config", in.file); !strings.Contains(out, "in order") {
		t.Error(out)
	}
}
