package api_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"testing"

	"mohur/api"
	"mohur/authn/pkitest"
	"mohur/tokens"
)

// browserCertificate gives the browser's own store a customer's certificate, and trust
// in the bank's servers, which have one certificate here. The profile says what the policy
// AutoSelectCertificateForUrls says on a machine of a bank: which certificate goes
// there without a question, which nobody could answer here.
func (d *desk) browserCertificate() {
	d.t.Helper()
	d.listener = newCertificates(d.t, d.world, api.CertificateListener{Origins: []string{d.site}})
	d.inStore = d.state.NewCard("PNOAZ-0", pkitest.Kind("RSA-2048"))
	d.inStore.Origin = d.site

	key, err := x509.MarshalPKCS8PrivateKey(d.inStore.Key)
	d.must(nil, err)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	d.write("own.pem", block("PRIVATE KEY", key)+block("CERTIFICATE", d.inStore.Raw))
	at := func(name string) string { return filepath.Join(d.home, name) }
	d.write(".pki/nssdb/x", "")
	store := "sql:" + at(".pki/nssdb")
	d.run("certutil", "-N", "-d", store, "--empty-password")
	d.run("certutil", "-A", "-d", store, "-n", "site", "-t", "C,,", "-i", at("site.pem"))
	d.run("openssl", "pkcs12", "-export", "-in", at("own.pem"), "-out", at("own.p12"), "-passout", "pass:")
	d.run("pk12util", "-i", at("own.p12"), "-d", store, "-W", "")
	d.write(".config/chromium/Default/Preferences", fmt.Sprintf(`{"profile":{"content_settings":{"exceptions":{"auto_select_certificate":{"%s,*":{"setting":{"filters":[{}]}}}}}}}`, d.listener.server.URL))
}

// A browser shows the certificate in a window of its own, and the page that opened it
// carries the code to its attempt; it serves once.
func (d *desk) showsACertificate(t *testing.T) {
	who := d.Customer()
	d.EnrolCard(d.inStore, who.ID, tokens.UseLogin)
	tools := fmt.Sprintf(`const code = () => new Promise((resolve, reject) => {
			addEventListener("message", e => e.data.tls_code && resolve(e.data.tls_code), {once: true});
			open(%q);
			setTimeout(() => reject(new Error("no code")), 10000);
		});
		const sendCode = (a, tls_code) => ask("POST", "/v1/authentications/" + a.id + "/responses", {method: "card", tls_code});
		at("customer").value = %q;`, d.listener.server.URL+"/", who.ID)
	var got shown
	d.Eval("(async () => {"+cardTools+tools+"return await sendCode(await begin(), await code())})()", &got)
	if got["state"] != "granted" || got["acr"] != "strong" || got["shown"] != "none" {
		t.Errorf("%v", got)
	}
	d.refused(tools+`const c = await code(); await sendCode(await begin(), c); await sendCode(await begin(), c)`, "code-used")
}
