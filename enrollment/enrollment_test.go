package enrollment_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/pin"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// run imports a file.
func run(t *testing.T, b *banktest.Bank, file []byte, transport string) tokens.Import {
	t.Helper()
	cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(file), Format: "auto", TransportKey: transport}
	job, err := b.Enrollment.BeginImport(t.Context(), &cmd)
	if err != nil {
		t.Fatal(err)
	}
	job, err = b.Enrollment.RunImport(t.Context(), cmd, job)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := b.Store.Import(t.Context(), job.ID)
	if err != nil || stored.State != job.State || stored.Imported != job.Imported {
		t.Fatalf("the record says %+v, the answer %+v, %v", stored, job, err)
	}
	return job
}

func count(t *testing.T, b *banktest.Bank) int {
	t.Helper()
	items, _, err := b.Store.Tokens(t.Context(), tokens.Filter{}, "", 200)
	if err != nil {
		t.Fatal(err)
	}
	return len(items)
}

// Clause 5.20: seeds come in under a transport key that lives in the HSM.
func TestClause5_20_SeedsComeUnderATransportKey(t *testing.T) {
	b := banktest.New(t)
	key := []byte("0123456789abcdef")
	module := hsmtest.SoftHSM(t)
	if err := module.ImportTransport(t.Context(), "acme", bytes.Clone(key)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.DeleteTransport(t.Context(), "acme") })
	secret := []byte("a seed of twenty by.")
	file := pskctest.File{Keys: []pskctest.Key{{Serial: "T1", Secret: secret}, {Serial: "T2", Secret: []byte("another seed, twenty")}}}
	if bytes.Contains(file.Encrypted(key), secret) {
		t.Fatal("the test file is not encrypted")
	}
	wrong := run(t, b, file.Encrypted([]byte("fedcba9876543210")), "acme")
	if wrong.State != tokens.ImportFailed || wrong.Imported != 0 || !strings.Contains(wrong.Error, "transport key") || count(t, b) != 0 {
		t.Fatalf("under a wrong key: %+v", wrong)
	}
	missing := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(file.Encrypted(key)), Format: "pskc", TransportKey: "nobody"}
	if _, err := b.Enrollment.BeginImport(t.Context(), &missing); !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), "import-transport") {
		t.Fatalf("under a missing key: %v", err)
	}
	plain := run(t, b, file.Plain(), "acme")
	if plain.State != tokens.ImportFailed || count(t, b) != 0 {
		t.Fatalf("a plain file in the place of an encrypted one: %+v", plain)
	}
	good := run(t, b, file.Encrypted(key), "acme")
	if good.State != tokens.ImportCompleted || good.Imported != 2 || good.Total != 2 || count(t, b) != 2 {
		t.Fatalf("under the right key: %+v", good)
	}
	again := run(t, b, file.Encrypted(key), "acme")
	if again.Imported != 0 || again.Rejected != 2 || count(t, b) != 2 {
		t.Fatalf("the same file again: %+v", again)
	}
	b.Enrollment.Development = false
	cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(file.Plain()), Format: "pskc"}
	_, err := b.Enrollment.BeginImport(t.Context(), &cmd)
	var waits *enrollment.NotPermitted
	if !errors.As(err, &waits) || waits.Asked.File.SHA256 == "" || waits.Approval != "" {
		t.Fatalf("a plain file outside development: %v", err)
	}
}

// Attack 12: a file that is not sound leaves nothing behind.
func TestAttack12_ABadFileChangesNothing(t *testing.T) {
	b := banktest.New(t)
	good := pskctest.File{Keys: []pskctest.Key{{Serial: "X1", Secret: []byte("a seed of twenty by.")}}}.Plain()
	for name, file := range map[string][]byte{
		"nothing":   {},
		"no XML":    []byte("serial,seed\n1,2\n"),
		"truncated": good[:len(good)-20],
		"XXE":       append([]byte("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"), good[bytes.Index(good, []byte("<KeyContainer")):]...),
		"trailing":  append(bytes.Clone(good), []byte("<a/>")...),
	} {
		job := run(t, b, file, "")
		if job.State != tokens.ImportFailed || job.Error == "" || job.Imported != 0 || count(t, b) != 0 {
			t.Errorf("%s: %+v", name, job)
		}
	}
	if run(t, b, good, "").Imported != 1 {
		t.Error("the sound file was not taken")
	}
}

// One faulty record is told by serial and reason; the rest goes in.
func TestAFaultyRecordDoesNotHoldUpTheRest(t *testing.T) {
	b := banktest.New(t)
	seed := []byte("a seed of twenty by.")
	var keys []pskctest.Key
	for i := range 450 {
		keys = append(keys, pskctest.Key{Serial: fmt.Sprintf("B%04d", i), Secret: seed})
	}
	keys[7].Secret = []byte("short")
	keys[9].Secret = make([]byte, 20)
	keys[300].Algorithm, keys[300].Suite, keys[300].Digits = pskc.OCRA, "OCRA-1:HOTP-SHA1-6:QN08", 6
	job := run(t, b, pskctest.File{Keys: keys}.Plain(), "")
	if job.State != tokens.ImportCompleted || job.Imported != 447 || job.Rejected != 3 {
		t.Fatalf("%+v", job)
	}
	for i, serial := range []string{"B0007", "B0009", "B0300"} {
		if job.Rejections[i].Serial != serial || job.Rejections[i].Reason == "" {
			t.Errorf("rejection %d: %+v", i, job.Rejections[i])
		}
	}
}

// Several keys of one serial are one token.
func TestKeysOfOneSerialAreOneToken(t *testing.T) {
	b := banktest.New(t)
	d := b.Import(1, pskc.HOTP, pskc.TOTP, pskc.OCRA)[0]
	tk, err := b.Enrollment.Token(t.Context(), d.ID)
	if err != nil || len(tk.Credentials) != 3 || count(t, b) != 1 {
		t.Fatalf("%+v, %v", tk, err)
	}
}

// A file made by pskctool, another implementation, is imported.
func TestAPskctoolFileIsImported(t *testing.T) {
	b := banktest.New(t)
	file := `<?xml version="1.0"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"><KeyPackage>
<DeviceInfo><Manufacturer>oath.Example</Manufacturer><SerialNo>PT-1</SerialNo></DeviceInfo>
<Key Id="PT-1-k" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
<Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret><Counter><PlainValue>0</PlainValue></Counter></Data></Key>
</KeyPackage></KeyContainer>`
	made := exec.CommandContext(t.Context(), "pskctool", "--info", "-v")
	made.Stdin = strings.NewReader(file)
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("pskctool does not read the sample: %v\n%s", err, out)
	}
	if job := run(t, b, []byte(file), ""); job.Imported != 1 {
		t.Fatalf("%+v", job)
	}
}

// oathtool, an independent client, activates a token and logs in with it.
func TestOathtoolLogsIn(t *testing.T) {
	b := banktest.New(t)
	c := b.Customer()
	b.SetPIN(c.ID, banktest.PIN)
	d := b.Import(1, pskc.TOTP)[0]
	b.Hand(d, c.ID)
	b.Clock.Forward(time.Minute)
	out, err := exec.CommandContext(t.Context(), "oathtool", "--totp", "-d6", "--now", b.Clock.Now().UTC().Format("2006-01-02 15:04:05 UTC"), fmt.Sprintf("%x", d.Secret(pskc.TOTP))).Output()
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Mobile})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []authn.AnswerCommand{{Method: authn.PIN, Secret: banktest.PIN}, {Method: authn.OTP, Secret: strings.TrimSpace(string(out))}} {
		a.Caller, a.Attempt = b.Front(), v.Attempt.ID
		if v, err = b.Authn.Answer(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if v.Session == nil {
		t.Fatal("no session")
	}
}

// Clause 5.20: the secret of an activation is single use, takes five tries, ends,
// and proves nothing without a code of the token in the customer's hand.
func TestClause5_20_ActivationNeedsSecretAndToken(t *testing.T) {
	b := banktest.New(t)
	c := b.Customer()
	devices := b.Import(3, pskc.HOTP)
	deliver := func(d *banktest.Device) {
		t.Helper()
		for _, m := range []enrollment.MoveCommand{{Move: tokens.Assign, Customer: c.ID}, {Move: tokens.Ship}, {Move: tokens.Deliver}} {
			m.Caller, m.Token = b.Staff(), d.ID
			if _, err := b.Enrollment.Move(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	secret := func(d *banktest.Device) string {
		t.Helper()
		s, err := b.Enrollment.SendSecret(t.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: c.ID, Purpose: "activate", Token: d.ID, Channel: "sms"})
		if err != nil {
			t.Fatal(err)
		}
		return s.Text
	}
	try := func(d *banktest.Device, secret, code string) error {
		_, err := b.Enrollment.Activate(t.Context(), enrollment.ActivateCommand{Caller: b.Front(), Token: d.ID, Secret: secret, Method: "otp", Code: code})
		return err
	}
	d := devices[0]
	if err := try(d, "AAAAAAAAAAAA", d.HOTP()); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("a token in stock: %v", err)
	}
	deliver(d)
	if _, err := b.Enrollment.SendSecret(t.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: c.ID, Purpose: "activate", Token: d.ID, Channel: "letter"}); !problem.Is(err, problem.Conflict) {
		t.Fatalf("token and secret both by post: %v", err)
	}
	if err := try(d, "AAAAAAAAAAAA", d.HOTP()); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("no secret was sent: %v", err)
	}
	right := secret(d)
	if err := try(d, right, "000000"); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("the secret without the token: %v", err)
	}
	for range 4 {
		if err := try(d, "AAAAAAAAAAAA", d.HOTP()); !problem.Is(err, problem.AuthenticationFailed) {
			t.Fatal(err)
		}
	}
	if err := try(d, right, d.HOTP()); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("the sixth try was right, but the secret is dead: %v", err)
	}
	old := secret(d)
	right = secret(d)
	if err := try(d, old, d.HOTP()); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("a superseded secret: %v", err)
	}
	if err := try(d, strings.ToLower(right[:4])+"-"+right[4:], d.HOTP()); err != nil {
		t.Fatalf("the right secret, typed by hand: %v", err)
	}
	if err := try(d, right, d.HOTP()); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("a second activation: %v", err)
	}
	late := devices[1]
	deliver(late)
	text := secret(late)
	b.Clock.Forward(10*time.Minute + time.Second)
	if err := try(late, text, late.HOTP()); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("after ten minutes: %v", err)
	}
	if b.Count("", "refused", "secret-expired") != 1 {
		t.Error("the log does not tell of the late secret")
	}
}

// The activation code is consumed: it never also logs in.
func TestTheActivationCodeIsDead(t *testing.T) {
	b := banktest.New(t)
	c := b.Customer()
	b.SetPIN(c.ID, banktest.PIN)
	d := b.Import(1, pskc.TOTP)[0]
	code := d.TOTP()
	b.Hand(d, c.ID)
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Mobile})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.PIN, Secret: banktest.PIN}); err != nil {
		t.Fatal(err)
	}
	_, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Secret: code})
	if !problem.Is(err, problem.AuthenticationFailed) || b.Count("", "", "replay") != 1 {
		t.Fatalf("the activation code at a log-in: %v", err)
	}
}

// Clause 5.17.3: a lost token is out of use in the moment of the report, in
// whatever state it is.
func TestClause5_17_3_ALostTokenIsOut(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	tk, err := b.Enrollment.Report(t.Context(), b.Staff(), "serial:"+d.Serial, "lost", "in a taxi")
	if err != nil || tk.State != tokens.Suspended {
		t.Fatalf("%+v, %v", tk, err)
	}
	if _, err := b.Enrollment.Report(t.Context(), b.Staff(), d.ID, "lost", "again"); err != nil {
		t.Fatal(err)
	}
	way := b.Import(1, pskc.HOTP)[0]
	for _, m := range []enrollment.MoveCommand{{Move: tokens.Assign, Customer: c.ID}, {Move: tokens.Ship}} {
		m.Caller, m.Token = b.Staff(), way.ID
		if _, err := b.Enrollment.Move(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if tk, err = b.Enrollment.Report(t.Context(), b.Staff(), way.ID, "stolen", "from the courier"); err != nil || tk.State != tokens.Revoked {
		t.Fatalf("%+v, %v", tk, err)
	}
	rows, err := b.Store.Hot(t.Context(), tk.Credentials...)
	if err != nil || rows[0].Hot.State != settle.HotRevoked {
		t.Fatalf("%+v, %v", rows, err)
	}
}

// A PIN is chosen by the customer, with a proof, and within the rules.
func TestSettingAPINNeedsAProof(t *testing.T) {
	b := banktest.New(t)
	c := b.Customer()
	set := func(text string, proof enrollment.Proof) error {
		return b.Enrollment.SetPIN(t.Context(), enrollment.PINCommand{Caller: b.Front(), Customer: c.ID, PIN: text, Proof: proof})
	}
	if err := set("271828", enrollment.Proof{}); !problem.Is(err, problem.ProofRequired) {
		t.Errorf("without a proof: %v", err)
	}
	if err := set("271828", enrollment.Proof{ActivationSecret: "AAAAAAAAAAAA"}); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("with a secret nobody sent: %v", err)
	}
	if err := set("271828", enrollment.Proof{Authentication: "at_x"}); !problem.Is(err, problem.ProofRequired) {
		t.Errorf("with an authentication that is none: %v", err)
	}
	for _, text := range []string{"", "12345", "1234567890123", "27182a", "111111", "123456", "987654", "２７１８２８"} {
		if err := set(text, enrollment.Proof{ActivationSecret: "AAAAAAAAAAAA"}); !problem.Is(err, problem.Invalid) {
			t.Errorf("PIN %q: %v", text, err)
		}
	}
	b.SetPIN(c.ID, "271828")
	rec, err := b.Store.PIN(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	row, err := b.Store.Hot(t.Context(), pin.HotID(c.ID))
	if err != nil || rec.Number == 0 || row[0].Hot.Counter != rec.Number {
		t.Fatalf("%+v, %v", row, err)
	}
}

// With a granted proof of purpose action the customer changes his PIN; the proof
// serves once, for this act.
func TestAProofOfAnActionServesOnce(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	prove := func(name string) string {
		t.Helper()
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{
			Caller: b.Front(), Customer: c.ID, Purpose: authn.Action, Channel: parties.Internet, Action: &authn.NamedAction{Name: name, Data: []byte("{}")},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []authn.AnswerCommand{{Method: authn.PIN, Secret: banktest.PIN}, {Method: authn.OTP, Secret: d.HOTP()}} {
			a.Caller, a.Attempt = b.Front(), v.Attempt.ID
			if v, err = b.Authn.Answer(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		if v.Attempt.State != authn.Granted || v.Session != nil {
			t.Fatalf("%+v", v)
		}
		return v.Attempt.ID
	}
	set := func(proof string) error {
		return b.Enrollment.SetPIN(t.Context(), enrollment.PINCommand{Caller: b.Front(), Customer: c.ID, PIN: "582013", Proof: enrollment.Proof{Authentication: proof}})
	}
	if err := set(prove("payees.add")); !problem.Is(err, problem.ProofRequired) {
		t.Errorf("the proof of another act: %v", err)
	}
	proof := prove("customer.pin")
	if err := set(proof); err != nil {
		t.Fatal(err)
	}
	if err := set(proof); !problem.Is(err, problem.ProofRequired) {
		t.Errorf("the same proof again: %v", err)
	}
}

// With the HSM away an import stops, says so, and what went in is whole.
func TestAnImportSurvivesTheHSM(t *testing.T) {
	b := banktest.New(t)
	var keys []pskctest.Key
	for i := range 300 {
		keys = append(keys, pskctest.Key{Serial: fmt.Sprintf("H%04d", i), Secret: []byte("a seed of twenty by.")})
	}
	file := pskctest.File{Keys: keys}.Plain()
	cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(file), Format: "pskc"}
	job, err := b.Enrollment.BeginImport(t.Context(), &cmd)
	if err != nil {
		t.Fatal(err)
	}
	b.HSM.FailAt(250, &hsm.Fault{Class: hsm.ClassDevice, Op: "test"})
	job, err = b.Enrollment.RunImport(t.Context(), cmd, job)
	if err != nil || job.State != tokens.ImportFailed || job.Imported != 200 || count(t, b) != 200 {
		t.Fatalf("%+v, %v", job, err)
	}
	again := run(t, b, file, "")
	if again.ID != job.ID || again.Imported != 300 || again.Rejected != 0 || again.Error != "" {
		t.Fatalf("the same file again: %+v", again)
	}
}
