package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"

	"mohur/authn/revocation"
	"mohur/enrollment"
)

// A profile of the bank's own authority needs a name and nothing else, and takes
// nothing that could say otherwise than the authority.
func TestOwnProfile(t *testing.T) {
	section := func(profiles string) string {
		return least + "card:\n  origins: [\"https://bank.example\"]\n  issuers: " + profiles + "\n"
	}
	c := mustParse(t, section(`[{name: bank, own: true, algorithms: [RS256]}]`))
	if is := c.Card.subjects(); is["bank"] != enrollment.SubjectToken {
		t.Errorf("%v", is)
	}
	if v, err := c.cards(new(revocation.Checker), enrollment.OwnCards{}); err != nil || v == nil {
		t.Error(err)
	}
	for profiles, want := range map[string]string{
		`[{name: bank, own: true, roots: [a.pem]}]`:              "with name, policies and algorithms only",
		`[{name: bank, own: true, subject_is: kyc_ref}]`:         "with name, policies and algorithms only",
		`[{name: bank, own: true, ocsp: ["http://a.example/"]}]`: "with name, policies and algorithms only",
		`[{name: a, own: true}, {name: b, own: true}]`:           "stands there twice",
		`[{name: a, own: false, subject: UID, log_in: true}]`:    "roots is needed",
		`[{own: true}]`: "name needs 1 to 64 bytes",
	} {
		if _, err := parseConfig("/etc/mohur/mohur.yaml", []byte(section(profiles))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", profiles, err)
		}
	}
}

// A browser offers the certificates whose issuer the listener names: the bank's own
// authority is among them from when it is made.
func TestTheListenerNamesTheOwnAuthority(t *testing.T) {
	in := start(t, "  # issuers:\n", "  issuers: [{name: bank, own: true}]\n  tls_listen: 127.0.0.1:0\n  origins: [\"https://login.bank.example\"]\n")
	found := regexp.MustCompile(`client certificates are taken","address":"([^"]+)"`).FindStringSubmatch(in.log.String())
	if found == nil {
		t.Fatalf("no listener:\n%s", in.log.String())
	}
	named := func() (names [][]byte) {
		settings := in.config.clientTLS()
		settings.ServerName = "localhost"
		settings.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			names = r.AcceptableCAs
			return &tls.Certificate{}, nil
		}
		if conn, err := tls.Dial("tcp", found[1], settings); err == nil {
			conn.Close()
			t.Error("a browser without a certificate is answered")
		}
		return names
	}
	if names := named(); len(names) != 0 {
		t.Errorf("%d are named before there is one", len(names))
	}
	s := &cardServer{instance: in}
	out := s.call("POST", "/v1/ca", map[string]any{"name": "A Bank E-token CA"})
	block, _ := pem.Decode([]byte(out["certificate"].(string)))
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if names := named(); len(names) != 1 || !bytes.Equal(names[0], authority.RawSubject) {
		t.Errorf("%d are named", len(names))
	}
}
