package main

import (
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/authn/fido"
	"mohur/banktest"
)

// The highest number of the metadata outlives the cache: who takes that away brings
// back no older metadata, and with it no model that was revoked since.
func TestAttack10_MetadataIsNotRolledBackByARestart(t *testing.T) {
	dir := t.TempDir()
	a := banktest.AllianceAt(t, filepath.Join(dir, "mds.jwt"), time.Now)
	root, cache := filepath.Join(dir, "root.pem"), filepath.Join(dir, "cache.jwt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Trust.Roots[0].Raw})
	if err := os.WriteFile(root, text, 0o600); err != nil {
		t.Fatal(err)
	}
	model := banktest.Model{AAGUID: fido.AAGUID{1, 2, 3}, Statuses: []string{"FIDO_CERTIFIED_L1"}}
	a.Publish(9, model)
	in := start(t, "  # mds_path:\n", "  mds_path: "+a.Path+"\n", "  # mds_cache:\n", "  mds_cache: "+cache+"\n",
		"  # mds_roots:\n", "  mds_roots: ["+root+"]\n", "  # mds_signer:\n", "  mds_signer: mds.test\n", "mds_skip_revocation: false", "mds_skip_revocation: true")
	says := func(in *instance, path, want string) {
		t.Helper()
		for range 400 {
			answer, err := in.admin().send(t.Context(), http.MethodGet, path, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err == nil && strings.Contains(string(text), want) {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		t.Fatalf("%s does not say %s: %s", path, want, in.log)
	}
	ready := func(in *instance, want string) { t.Helper(); says(in, "/readyz", `"fido_metadata":`+want) }
	ready(in, "true")
	says(in, "/v1/audit/export", "fido.metadata.number")
	in.stop()
	if err := os.Remove(cache); err != nil {
		t.Fatal(err)
	}
	a.Publish(8, model) // its time is not over, and it is signed as it should be
	in = serve(t, in.dir)
	for range 400 {
		if strings.Contains(in.log.String(), "number 8 where 9 was seen") {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if !strings.Contains(in.log.String(), "number 8 where 9 was seen") {
		t.Fatalf("%s", in.log)
	}
	ready(in, "false")
	in.stop()
	a.Publish(10, model)
	ready(serve(t, in.dir), "true")
}
