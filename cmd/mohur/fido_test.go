package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/authn/fido"
)

const withKeys = least + `fido:
  rp_id: bank.example
  rp_name: A Bank
  origins: ["https://login.bank.example"]
  deny_aaguids: [01020304-0506-0708-0102-030405060708]
  attestation: direct
  enterprise_as: decimal
  mds_path: mds.jwt
  mds_roots: [roots/a.pem, /etc/b.pem]
`

// What is written of FIDO2 keys arrives; left out, there are none.
func TestConfigOfKeys(t *testing.T) {
	c := mustParse(t, withKeys)
	keys, err := c.keys(nil)
	if err != nil || keys.RP.RPID() != "bank.example" || keys.Policy.Attestation != fido.ConveyDirect || keys.Policy.DenyAAGUIDs[0] == "" || keys.Policy.Enterprise.As != "decimal" || keys.Unverified {
		t.Errorf("%+v, %v", keys, err)
	}
	if c.FIDO.MDSRoots[0] != "/etc/mohur/roots/a.pem" || c.FIDO.MDSRoots[1] != "/etc/b.pem" || c.FIDO.MDSPath != "/etc/mohur/mds.jwt" {
		t.Errorf("%+v", c.FIDO)
	}
	again := mustParse(t, string(c.document("x")))
	if again.FIDO.RPID != c.FIDO.RPID || strings.Join(again.FIDO.MDSRoots, " ") != strings.Join(c.FIDO.MDSRoots, " ") {
		t.Errorf("%+v", again.FIDO)
	}
	if keys, err := mustParse(t, least).keys(nil); err != nil || keys.RP != nil {
		t.Errorf("%+v, %v", keys, err)
	}
}

// Each fault stands under its own setting.
func TestConfigOfKeysFaults(t *testing.T) {
	for edit, want := range map[[2]string]string{
		{"rp_id: bank.example", "rp_id: https://bank.example"}:                      "fido.rp_id",
		{"  rp_id: bank.example\n", ""}:                                             "fido.rp_id: is needed",
		{"https://login.bank.example", "https://bank.example.evil.example"}:         "fido.origins",
		{"https://login.bank.example", "http://login.bank.example"}:                 "fido.origins",
		{"01020304-0506-0708-0102-030405060708", "0102"}:                            "fido.deny_aaguids",
		{"attestation: direct", "attestation: always"}:                              "fido.attestation",
		{"enterprise_as: decimal", "enterprise_as: octal"}:                          "fido.enterprise_as",
		{"enterprise_as: decimal", "hardware_only: true\n  allow_none: true"}:       "fido.hardware_only",
		{"enterprise_as: decimal", "resident_key: maybe"}:                           "fido.resident_key",
		{"enterprise_as: decimal", "mds_url: https://mds3.fidoalliance.org/"}:       "fido.mds_url",
		{"mds_path: mds.jwt", "mds_url: http://mds3.fidoalliance.org/"}:             "fido.mds_url",
		{"mds_roots: [roots/a.pem, /etc/b.pem]", "mds_roots: roots/a.pem"}:          "fido.mds_roots",
		{"mds_roots: [roots/a.pem, /etc/b.pem]", "allow_everything: true"}:          "fido.allow_everything",
		{"enterprise_as: decimal", "mds_refresh: 1s"}:                               "fido.mds_refresh",
		{"deny_aaguids: [01020304-0506-0708-0102-030405060708]", "stale_days: 100"}: "fido.stale_days",
	} {
		text := strings.Replace(withKeys, edit[0], edit[1], 1)
		if text == withKeys {
			t.Fatalf("nothing to replace: %q", edit[0])
		}
		if _, err := parseConfig("/etc/mohur/mohur.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", edit[1], err)
		}
	}
}

// A server whose metadata cannot be read starts, says so, and trusts nothing by it.
func TestMetadataThatIsAwayOpensNothing(t *testing.T) {
	in := start(t, "plain_http: false", "plain_http: true", "  # mds_path:\n", "  mds_path: nowhere.jwt\n")
	answer, err := http.Get("http://" + in.address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), `"fido_metadata":false`) {
		t.Errorf("%d %s", answer.StatusCode, text)
	}
	for range 400 {
		if strings.Contains(in.log.String(), "metadata could not be read") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Errorf("%s", in.log)
}

func TestReadCertificates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roots.pem")
	for _, text := range []string{"", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readCertificates(path); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	if _, err := readCertificates(path + ".none"); err == nil {
		t.Error("no file")
	}
}
