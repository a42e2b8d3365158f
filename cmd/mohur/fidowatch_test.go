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

	"mohur/banktest"
)

// The highest number of the metadata outlives the cache: who takes that away brings
// back no older metadata, and with it no model that was revoked since.
func TestAttack10_MetadataIsNotRolledBackByARestart(t *testing.T) {
	b := banktest.New(t)
	a := b.NewAlliance()
	in := start(t, "plain_http: false", "plain_http: true", "  # mds_path:\n", "  mds_path: mds.jwt\n", "  # mds_cache:\n", "  mds_cache: cache.jwt\n",
		"  # mds_roots:\n", "  mds_roots: [root.pem]\n", "  # mds_signer:\n", "  mds_signer: mds.test\n", "mds_skip_revocation: false", "mds_skip_revocation: true",
		"  # mds_crls:\n", "  # mds_crls:\n")
	_ = in
}

var _ = []any{pem.Encode, io.ReadAll, http.Get, os.ReadFile, filepath.Join, strings.Contains, time.Sleep}
