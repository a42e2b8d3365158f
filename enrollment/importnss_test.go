package enrollment_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/parties"
	"mohur/tokens"
	"mohur/tokens/pskc/pskctest"
)

// Clause 5.20: every protection of RFC 6030 on a module that shares no line with
// SoftHSM, from the file to a log-in with the token's code.
func TestClause5_20_EveryProtectionOnNSS(t *testing.T) {
	module := hsmtest.NSS(t)
	b := banktest.NewOn(t, module)
	for name, value := range map[string]string{"nss-128": "fedcba9876543210", "nss-256": "fedcba9876543210fedcba9876543210"} {
		if err := module.ImportTransport(t.Context(), name, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	public, err := module.MakeTransport(t.Context(), "nss-rsa", 2048)
	if err != nil {
		t.Fatal(err)
	}
	// Of the two seeds a key wrap pads the one of 20 bytes (RFC 5649) and not the other
	// (RFC 3394).
	const long = "12345678901234567890123456789012"
	keys := func(serial string) pskctest.File {
		return pskctest.File{Keys: []pskctest.Key{{Serial: serial, Secret: bytes.Clone(seed20)}, {Serial: serial + "-L", Secret: []byte(long)}}}
	}
	withMAC := func(serial string, h hsm.Hash) pskctest.File {
		f := keys(serial)
		f.MAC = h
		return f
	}
	files := []struct {
		name string
		doc  []byte
		cmd  enrollment.ImportCommand
	}{
		{"AES-128-CBC, HMAC-SHA1", withMAC("N-0", hsm.SHA1).Encrypted([]byte("fedcba9876543210")), enrollment.ImportCommand{TransportKey: "nss-128"}},
		{"AES-256-CBC, HMAC-SHA256", withMAC("N-1", hsm.SHA256).Encrypted([]byte("fedcba9876543210fedcba9876543210")), enrollment.ImportCommand{TransportKey: "nss-256"}},
		{"AES-256-CBC, HMAC-SHA512", withMAC("N-2", hsm.SHA512).Encrypted([]byte("fedcba9876543210fedcba9876543210")), enrollment.ImportCommand{TransportKey: "nss-256"}},
		{"key wrap, AES-128", keys("N-3").Wrapped([]byte("fedcba9876543210")), enrollment.ImportCommand{TransportKey: "nss-128"}},
		{"key wrap, AES-256", keys("N-4").Wrapped([]byte("fedcba9876543210fedcba9876543210")), enrollment.ImportCommand{TransportKey: "nss-256"}},
		{"password", keys("N-5").Password("a long password"), enrollment.ImportCommand{Password: []byte("a long password")}},
		{"PKCS #1 v1.5", keys("N-6").Public(public, hsm.PKCS1v15), enrollment.ImportCommand{TransportKey: "nss-rsa"}},
		{"PKCS #1 v1.5 with MAC", withMAC("N-7", hsm.SHA256).Public(public, hsm.PKCS1v15), enrollment.ImportCommand{TransportKey: "nss-rsa"}},
		{"OAEP", keys("N-8").Public(public, hsm.OAEP), enrollment.ImportCommand{TransportKey: "nss-rsa"}},
	}
	for i, f := range files {
		wrong := enrollment.ImportCommand{TransportKey: map[string]string{"nss-128": "nss-256", "nss-256": "nss-128", "nss-rsa": "nss-256"}[f.cmd.TransportKey]}
		if wrong.TransportKey == "" {
			wrong.Password = []byte("another password")
		}
		if job := runs(t, b, f.doc, wrong); job.State != tokens.ImportFailed || job.Imported != 0 || !strings.Contains(job.Error, "does not fit this file") {
			t.Errorf("%s under another key: %+v", f.name, job)
		}
		if job := runs(t, b, f.doc, f.cmd); job.State != tokens.ImportCompleted || job.Imported != 2 || job.Rejected != 0 {
			t.Errorf("%s: %+v", f.name, job)
			continue
		}
		for _, serial := range []string{fmt.Sprintf("N-%d", i), fmt.Sprintf("N-%d-L", i)} {
			var codes [2]string
			for n := range codes {
				secret := seed20
				if strings.HasSuffix(serial, "L") {
					secret = []byte(long)
				}
				codes[n] = banktest.HOTP(secret, uint64(n))
			}
			logIn(t, b, serial, codes)
		}
	}
}

// logIn hands a token to a customer, who activates it with its first code and logs in
// with the second.
func logIn(t *testing.T, b *banktest.Bank, serial string, codes [2]string) {
	t.Helper()
	c := b.Customer()
	b.SetPIN(c.ID, banktest.PIN)
	tk, _ := credentials(t, b, serial)
	for _, m := range []enrollment.MoveCommand{{Move: tokens.Assign, Customer: c.ID}, {Move: tokens.Ship}, {Move: tokens.Deliver}} {
		m.Caller, m.Token = b.Staff(), tk.ID
		if _, err := b.Enrollment.Move(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	sent, err := b.Enrollment.SendSecret(t.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: c.ID, Purpose: "activate", Token: tk.ID, Channel: "sms"})
	if err != nil {
		t.Fatal(err)
	}
	act := enrollment.ActivateCommand{Caller: b.Front(), Token: tk.ID, Secret: sent.Text, Method: "otp", Code: codes[0]}
	if _, err := b.Enrollment.Activate(t.Context(), act); err != nil {
		t.Fatalf("%s: %v", serial, err)
	}
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(m authn.Method, secret string) (authn.View, error) {
		return b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: m, Secret: secret})
	}
	if _, err := answer(authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	if got, err := answer(authn.OTP, codes[1]); err != nil || got.Session == nil {
		t.Errorf("%s: %v, session %v", serial, err, got.Session)
	}
}
