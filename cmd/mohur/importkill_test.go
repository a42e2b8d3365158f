package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// delivery writes a manufacturer's file of so many keys under a transport key: HOTP
// for every device, and TOTP as well, at the end of the file, for those that have
// two keys.
func delivery(t testing.TB, key []byte, devices, twoKeys int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "delivery.xml")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := pskctest.NewEncryptedWriter(file, key, "acme", hsm.SHA256)
	for i := range devices + twoKeys {
		k := pskctest.Key{Serial: fmt.Sprintf("K%07d", i%devices), KeyID: fmt.Sprintf("key-%d", i), Secret: make([]byte, 20)}
		if i >= devices {
			k.Algorithm = pskc.TOTP
		}
		rand.Read(k.Secret)
		w.Add(k)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// sends begins the import of a file.
func (in *instance) sends(path string, o importOptions) importView {
	in.t.Helper()
	file, err := os.Open(path)
	if err != nil {
		in.t.Fatal(err)
	}
	defer file.Close()
	job, err := in.admin().sendImport(context.Background(), file, o)
	if err != nil {
		in.t.Fatal(err)
	}
	return job
}

// until polls an import until it is as wanted, or has ended.
func (in *instance) until(job importView, wanted func(importView) bool) importView {
	in.t.Helper()
	cl := in.admin()
	for end := time.Now().Add(5 * time.Minute); job.State == "running" && !wanted(job); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			in.t.Fatalf("the import does not go on: %+v", job)
		}
		if err := cl.call(context.Background(), http.MethodGet, "/v1/token-imports/"+job.ID, nil, &job); err != nil {
			in.t.Fatal(err)
		}
	}
	return job
}

// tokens lists the tokens of a batch, and their keys.
func (in *instance) tokens(batch string) (all map[string]int) {
	in.t.Helper()
	cl := in.admin()
	all = map[string]int{}
	for cursor := ""; ; {
		var page struct {
			Items []tokenView `json:"items"`
			Next  string      `json:"next_cursor"`
		}
		query := url.Values{"batch": {batch}, "limit": {"200"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		if err := cl.call(context.Background(), http.MethodGet, "/v1/tokens?"+query.Encode(), nil, &page); err != nil {
			in.t.Fatal(err)
		}
		for _, t := range page.Items {
			if all[t.Serial] != 0 {
				in.t.Errorf("%s is there twice", t.Serial)
			}
			all[t.Serial] = len(t.Credentials)
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// TestClause5_20_AnImportIsKilled: kill -9 in the midst of an import, again and
// again. The same file sent again goes on with it, under its id: at the end every
// key is in once, the count is right, and rows and log agree.
func TestClause5_20_AnImportIsKilled(t *testing.T) {
	const devices, twoKeys = 2000, 500
	dir := crashDir(t)
	key := make([]byte, 16)
	rand.Read(key)
	path := delivery(t, key, devices, twoKeys)
	p := launch(t, dir)
	if code, out := runs(t, dir, "keys", "import-transport", "acme", "--hex", hex.EncodeToString(key)); code != exitOK {
		t.Fatal(out)
	}
	o := importOptions{format: "auto", transportKey: "acme", batch: "B-1"}
	first, killed := "", 0
	for _, at := range []int{1, 700, 1500, 2100} {
		job := p.sends(path, o)
		if first == "" {
			first = job.ID
		}
		before := job.Imported
		if job.ID != first {
			t.Fatalf("after %d kills it is another import: %+v", killed, job)
		}
		job = p.until(job, func(job importView) bool { return job.Imported >= at && job.Imported > before })
		if job.State != "running" {
			t.Fatalf("it was too quick to be killed: %+v", job)
		}
		p.kill()
		killed++
		p = launch(t, dir)
		var left importView
		if err := p.admin().call(t.Context(), http.MethodGet, "/v1/token-imports/"+first, nil, &left); err != nil {
			t.Fatal(err)
		}
		if left.State != "failed" || left.Imported < job.Imported || left.Imported >= devices+twoKeys || left.Error == "" {
			t.Errorf("killed at %d, and after the restart it is %+v", job.Imported, left)
		}
	}
	job := p.until(p.sends(path, o), func(importView) bool { return false })
	if job.ID != first || job.State != "completed" || job.Total != devices+twoKeys || job.Imported != devices+twoKeys || job.Rejected != 0 {
		t.Fatalf("after %d kills: %+v", killed, job)
	}
	all := p.tokens("B-1")
	keys := 0
	for i := range devices {
		n := all[fmt.Sprintf("K%07d", i)]
		if keys += n; n != 1 && i >= twoKeys || n != 2 && i < twoKeys {
			t.Errorf("device %d has %d keys", i, n)
		}
	}
	if len(all) != devices || keys != devices+twoKeys {
		t.Errorf("%d tokens with %d keys", len(all), keys)
	}
	p.kill()
	proved(t, dir)
	if code, out := runs(t, dir, "store", "check"); code != exitOK {
		t.Errorf("store check: %d\n%s", code, out)
	}
}
