package enrollment_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

var seed20 = []byte("12345678901234567890")

// runs imports a file as the command says.
func runs(t *testing.T, b *banktest.Bank, file []byte, cmd enrollment.ImportCommand) tokens.Import {
	t.Helper()
	cmd.Caller, cmd.File = b.Staff(), bytes.NewReader(file)
	if cmd.Format == "" {
		cmd.Format = "auto"
	}
	job, err := b.Enrollment.BeginImport(t.Context(), &cmd)
	if err != nil {
		t.Fatal(err)
	}
	job, err = b.Enrollment.RunImport(t.Context(), cmd, job)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// credentials are those of the token with a serial.
func credentials(t *testing.T, b *banktest.Bank, serial string) (tokens.Token, []tokens.Credential) {
	t.Helper()
	tk, err := b.Enrollment.Token(t.Context(), "serial:"+serial)
	if err != nil {
		t.Fatal(err)
	}
	var all []tokens.Credential
	for _, id := range tk.Credentials {
		c, err := b.Store.Credential(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return tk, all
}

// Clause 5.20: every format that a maker sends is told by its beginning, and what
// comes out is a token with its keys.
func TestClause5_20_TheFormatsOfMakers(t *testing.T) {
	b := banktest.New(t)
	for _, c := range []struct {
		path, profile, format string
		imported, rejected    int
		serial, maker         string
		keys                  []string // id, kind, digits, step, counter
	}{
		{"oathcsv/testdata/oath.csv", "oath", "oath-csv", 5, 0, "OC-0001", "unknown", []string{"hotp hotp 6 0 0", "totp totp 6 30 0"}},
		{"yubicocsv/testdata/traditional.csv", "yubikey-hotp", "yubico-csv", 2, 4, "ubhe00000001", "Yubico", []string{"slot1 hotp 6 0 0", "slot2 hotp 8 0 1048560"}},
		{"safenetxml/testdata/etoken-pass.xml", "safenet-etoken-pass", "safenet-xml", 2, 1, "00040008CFA7", "SafeNet", []string{"ab1397d2-ddb6-4705-b66e-9f83f322deb9 hotp 6 0 42"}},
		{"pskc/testdata/python3-pskc-plain.xml", "oath", "pskc", 3, 0, "PY-0001", "Example", []string{"00000001 hotp 6 0 7"}},
	} {
		doc := readFile(t, "../tokens/"+c.path)
		job := runs(t, b, doc, enrollment.ImportCommand{Profile: c.profile})
		if job.State != tokens.ImportCompleted || job.Format != c.format || job.Imported != c.imported || job.Rejected != c.rejected || job.Total != c.imported+c.rejected {
			t.Errorf("%s: %+v", c.path, job)
			continue
		}
		tk, all := credentials(t, b, c.serial)
		var got []string
		for _, cr := range all {
			rows, err := b.Store.Hot(t.Context(), cr.ID)
			if err != nil || rows[0].Hot.State != settle.HotInert {
				t.Fatalf("%+v, %v", rows, err)
			}
			got = append(got, fmt.Sprint(cr.KeyID, " ", cr.Kind, " ", cr.Digits, " ", cr.Step, " ", rows[0].Hot.Counter))
		}
		if tk.Manufacturer != c.maker || tk.Profile != c.profile || !slices.Equal(got, c.keys) {
			t.Errorf("%s: %+v with %q", c.path, tk, got)
		}
		if len(job.Warnings) != 1 || !strings.Contains(job.Warnings[0], "in the clear") {
			t.Errorf("%s: %q", c.path, job.Warnings)
		}
		if again := runs(t, b, doc, enrollment.ImportCommand{Profile: c.profile}); again.ID == job.ID || again.Imported != 0 || again.Rejected != job.Total {
			t.Errorf("%s again: %+v", c.path, again)
		}
	}
	// Where neither the file nor the profile says how many digits a code has, nothing
	// is guessed.
	job := runs(t, b, readFile(t, "../tokens/yubicocsv/testdata/yubico.csv"), enrollment.ImportCommand{Profile: "yubikey-hotp"})
	if job.Imported != 0 || job.Rejected != 5 || !strings.Contains(job.Rejections[0].Reason, "how many digits") {
		t.Errorf("%+v", job)
	}
}

// A file that is not recognised, or is packed, or is said to be of another format
// leaves nothing behind, and says what to do.
func TestAttack12_FilesThatAreNotWhatTheySay(t *testing.T) {
	b := banktest.New(t)
	csv := readFile(t, "../tokens/oathcsv/testdata/oath.csv")
	xml := readFile(t, "../tokens/safenetxml/testdata/etoken-pass.xml")
	for name, c := range map[string]struct {
		doc    []byte
		format string
		says   string
	}{
		"nothing":                 {nil, "auto", "name it"},
		"other CSV":               {[]byte("upn,serial,secret\na@b,1,MFRGG\n"), "auto", "name it"},
		"comments":                {[]byte("# nothing\n"), "auto", "name it"},
		"ZIP":                     {[]byte("PK\x03\x04aaaa"), "auto", "unpack it"},
		"OpenPGP":                 {[]byte("-----BEGIN PGP MESSAGE-----\n"), "auto", "unpack it"},
		"UTF-16":                  {[]byte("\xff\xfes\x00"), "auto", "UTF-8"},
		"UTF-16, named":           {[]byte("\xff\xfes\x00"), "oath-csv", "UTF-8"},
		"HTML":                    {[]byte("<html><body>404</body></html>"), "auto", "not a PSKC key container"},
		"a DTD":                   {[]byte("<!DOCTYPE Tokens []><Tokens/>"), "auto", "document type declaration"},
		"CSV said to be PSKC":     {csv, "pskc", "text outside the document"},
		"XML said to be another":  {xml, "pskc", "not a PSKC key container"},
		"PSKC said to be SafeNet": {pskctest.File{Keys: []pskctest.Key{{Serial: "1", Secret: seed20}}}.Plain(), "safenet-xml", "not a SafeNet"},
	} {
		job := runs(t, b, c.doc, enrollment.ImportCommand{Format: c.format})
		if job.State != tokens.ImportFailed || job.Imported != 0 || !strings.Contains(job.Error, c.says) || job.SHA256 == "" {
			t.Errorf("%s: %+v", name, job)
		}
	}
	if n := count(t, b); n != 0 {
		t.Errorf("%d tokens came in", n)
	}
	// XML said to be a CSV has no good line in it.
	if job := runs(t, b, xml, enrollment.ImportCommand{Format: "oath-csv"}); job.Imported != 0 || job.Rejected != job.Total {
		t.Errorf("%+v", job)
	}
}

// Clause 5.20: every way in which RFC 6030 protects a file, with the key in the HSM
// or, for a password, nowhere but in the file's reader.
func TestClause5_20_EveryProtection(t *testing.T) {
	b := banktest.New(t)
	module := hsmtest.SoftHSM(t)
	key := []byte("fedcba9876543210fedcba9876543210")
	if err := module.ImportTransport(t.Context(), "every", bytes.Clone(key)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.DeleteTransport(context.WithoutCancel(t.Context()), "every") })
	public := transportPair(t, "every-rsa")
	keys := func(serial string) pskctest.File {
		long := bytes.Repeat([]byte("seed"), 8)
		return pskctest.File{Keys: []pskctest.Key{{Serial: serial, Secret: seed20}, {Serial: serial, KeyID: serial + "-2", Hash: hsm.SHA256, Secret: long}}}
	}
	withMAC := keys("W-4")
	withMAC.MAC = hsm.SHA256
	for name, c := range map[string]struct {
		doc []byte
		cmd enrollment.ImportCommand
	}{
		"AES-CBC":               {keys("W-0").Encrypted(key), enrollment.ImportCommand{TransportKey: "every"}},
		"AES key wrap":          {keys("W-1").Wrapped(key), enrollment.ImportCommand{TransportKey: "every"}},
		"password":              {keys("W-2").Password("a long password"), enrollment.ImportCommand{Password: []byte("a long password")}},
		"PKCS #1 v1.5":          {keys("W-3").Public(public, hsm.PKCS1v15), enrollment.ImportCommand{TransportKey: "every-rsa"}},
		"PKCS #1 v1.5 with MAC": {withMAC.Public(public, hsm.PKCS1v15), enrollment.ImportCommand{TransportKey: "every-rsa"}},
		"OAEP":                  {keys("W-5").Public(public, hsm.OAEP), enrollment.ImportCommand{TransportKey: "every-rsa"}},
	} {
		wrong := enrollment.ImportCommand{TransportKey: map[string]string{"every": "every-rsa", "every-rsa": "every"}[c.cmd.TransportKey]}
		if wrong.TransportKey == "" {
			wrong.Password = []byte("another password")
		}
		before := count(t, b)
		if job := runs(t, b, c.doc, wrong); job.State != tokens.ImportFailed || !strings.Contains(job.Error, "does not fit this file") || count(t, b) != before {
			t.Errorf("%s under another key: %+v", name, job)
		}
		password := c.cmd.Password
		job := runs(t, b, c.doc, c.cmd)
		if job.State != tokens.ImportCompleted || job.Imported != 2 || job.Rejected != 0 {
			t.Errorf("%s: %+v", name, job)
			continue
		}
		if bytes.ContainsFunc(password, func(r rune) bool { return r != 0 }) {
			t.Errorf("the password is left: %q", password)
		}
		if bare := name == "OAEP" || name == "PKCS #1 v1.5"; bare != (len(job.Warnings) == 1) {
			t.Errorf("%s: %q", name, job.Warnings)
		}
	}
	// The seeds that came in compute the codes of those that were sent.
	for i := range 6 {
		_, all := credentials(t, b, fmt.Sprintf("W-%d", i))
		sums, err := b.HSM.HMAC(t.Context(), all[0].Seed, hsm.SHA1, make([]byte, 8))
		if err != nil || fmt.Sprintf("%x", sums[0]) != "cc93cf18508d94934c64b65d8ba7667fb7cde4b0" { // RFC 4226 appendix D, count 0
			t.Errorf("W-%d: %x, %v", i, sums, err)
		}
	}
}

// Clause 5.20: whether a file opens is an answer about its ciphertext. Whoever asks
// on and on under an RSA key is not answered any more, and people are told.
func TestClause5_20_AnRSAKeyIsNotAskedForEver(t *testing.T) {
	b := banktest.New(t)
	public := transportPair(t, "probe-rsa")
	f := pskctest.File{Keys: []pskctest.Key{{Serial: "B-1", Secret: seed20}}}
	doc := f.Public(public, hsm.PKCS1v15)
	value := regexp.MustCompile(`CipherValue>[^<]{8}`)
	wrong := value.ReplaceAll(doc, []byte("CipherValue>AAAAAAAA"))
	said := map[string]int{}
	for range 50 {
		job := runs(t, b, wrong, enrollment.ImportCommand{TransportKey: "probe-rsa"})
		said[job.Error]++
	}
	if len(said) != 1 || b.Count("import.failed", "", "") != 50 {
		t.Errorf("%v", said)
	}
	cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(doc), Format: "pskc", TransportKey: "probe-rsa"}
	if _, err := b.Enrollment.BeginImport(t.Context(), &cmd); !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), "too many files") {
		t.Errorf("the fifty-first: %v", err)
	}
	list, _, err := b.Store.Incidents(t.Context(), "", 10)
	if err != nil || len(list) != 1 || list[0].Kind != "import.probing" {
		t.Errorf("%+v, %v", list, err)
	}
	// Another pair is another key.
	other := transportPair(t, "probe-rsa-2")
	if job := runs(t, b, f.Public(other, hsm.OAEP), enrollment.ImportCommand{TransportKey: "probe-rsa-2"}); job.Imported != 1 {
		t.Errorf("%+v", job)
	}
}

// transportPair makes an RSA transport key in the HSM and returns its public half.
func transportPair(t *testing.T, name string) *rsa.PublicKey {
	t.Helper()
	module := hsmtest.SoftHSM(t)
	public, err := module.MakeTransport(t.Context(), name, 2048)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.DeleteTransport(context.WithoutCancel(t.Context()), name) })
	return public
}

// A key that its maker has limited in time carries its dates under the MAC of its
// record, and so the number of its uses. One that its activation would use up is not
// taken.
func TestClause5_20_KeysWithLimits(t *testing.T) {
	b := banktest.New(t)
	now := b.Clock.Now().UTC().Truncate(time.Second)
	soon, late := now.Add(24*time.Hour), now.Add(365*24*time.Hour)
	job := runs(t, b, pskctest.File{Keys: []pskctest.Key{
		{Serial: "D-1", Secret: seed20, Start: soon, Expiry: late}, {Serial: "D-2", Secret: seed20, Expiry: late}, {Serial: "D-3", Secret: seed20},
		{Serial: "D-4", Secret: seed20, Uses: 1}, {Serial: "D-5", Secret: seed20, Expiry: now.Add(-time.Second)},
		{Serial: "D-6", Secret: seed20, Uses: 100},
	}}.Plain(), enrollment.ImportCommand{})
	if job.Imported != 4 || job.Rejected != 2 || !strings.Contains(job.Rejections[0].Reason, "used once") || !strings.Contains(job.Rejections[1].Reason, "expired") {
		t.Fatalf("%+v", job)
	}
	for serial, want := range map[string]map[time.Time]string{
		"D-1": {now: "key-not-yet-valid", soon.Add(-1): "key-not-yet-valid", soon: "", late.Add(-1): "", late: "key-expired", late.Add(time.Hour): "key-expired"},
		"D-2": {now: "", late: "key-expired"},
		"D-3": {now: "", late: ""}, "D-6": {now: "", late: ""},
	} {
		_, all := credentials(t, b, serial)
		c := all[0]
		for at, why := range want {
			if got := c.Dead(settle.Hot{}, at); got != why {
				t.Errorf("%s at %s: %q, want %q", serial, at, got, why)
			}
		}
		if ok, err := c.Intact(t.Context(), b.HSM); err != nil || !ok {
			t.Errorf("%s: %v, %v", serial, ok, err)
		}
		for name, change := range map[string]func(*tokens.Credential){
			"dates off": func(c *tokens.Credential) { c.NotBefore, c.NotAfter = time.Time{}, time.Time{} },
			"dates on":  func(c *tokens.Credential) { c.NotBefore, c.NotAfter = now, late.Add(time.Hour) },
			"swapped":   func(c *tokens.Credential) { c.NotBefore, c.NotAfter = c.NotAfter, c.NotBefore },
			"later":     func(c *tokens.Credential) { c.NotAfter = c.NotAfter.Add(1) },
			"no limit":  func(c *tokens.Credential) { c.MaxUses = 0 },
			"a limit":   func(c *tokens.Credential) { c.MaxUses = 1000 },
		} {
			changed := c
			change(&changed)
			if changed.NotBefore.Equal(c.NotBefore) && changed.NotAfter.Equal(c.NotAfter) && changed.MaxUses == c.MaxUses {
				continue
			}
			if ok, err := changed.Intact(t.Context(), b.HSM); err != nil || ok {
				t.Errorf("%s, %s: taken as intact, %v", serial, name, err)
			}
		}
	}
}

// Of OCRA suites those are taken which the ceremonies can ask something.
func TestOCRASuitesThatAreTaken(t *testing.T) {
	b := banktest.New(t)
	taken := []string{"OCRA-1:HOTP-SHA256-8:C-QN08", "OCRA-1:HOTP-SHA1-6:C-QA10", "OCRA-1:HOTP-SHA512-10:C-QH64", "OCRA-1:HOTP-SHA512-8:QN08-T1M", "OCRA-1:HOTP-SHA256-8:C-QN08-T1M"}
	refused := []string{
		"OCRA-1:HOTP-SHA1-6:QN08", "OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1", "OCRA-1:HOTP-SHA256-8:C-QN08-S064", "OCRA-1:HOTP-SHA256-8:QN08-T30M",
	}
	var f pskctest.File
	for i, suite := range append(slices.Clone(taken), refused...) {
		f.Keys = append(f.Keys, pskctest.Key{Serial: fmt.Sprintf("Q-%d", i), Algorithm: pskc.OCRA, Suite: suite, Secret: bytes.Repeat([]byte{1}, 32)})
	}
	job := runs(t, b, f.Plain(), enrollment.ImportCommand{})
	if job.Imported != len(taken) || job.Rejected != len(refused) {
		t.Fatalf("%+v", job)
	}
	for _, r := range job.Rejections {
		if !strings.Contains(r.Reason, "OCRA suite") {
			t.Errorf("%+v", r)
		}
	}
	// The profile of the devices has its word as well.
	job = runs(t, b, pskctest.File{Keys: []pskctest.Key{{Serial: "Q-9", Secret: seed20}}}.Plain(), enrollment.ImportCommand{Profile: "feitian-c200"})
	if job.Imported != 0 || !strings.Contains(job.Rejections[0].Reason, "feitian-c200 takes keys of the kind totp") {
		t.Errorf("%+v", job)
	}
}

func bigFile(n int) []byte {
	var f pskctest.File
	for i := range n {
		secret := make([]byte, 20)
		rand.Read(secret)
		// Two keys of one serial, the second 150 records later: in another chunk.
		f.Keys = append(f.Keys, pskctest.Key{Serial: fmt.Sprintf("R%05d", i%(n-150)), KeyID: fmt.Sprintf("k%d", i), Secret: secret})
	}
	return f.Plain()
}

// An import that stopped half way is gone on with where it stopped: nothing is there
// twice, nothing is missing, and what happened to a token meanwhile stands.
func TestAnImportIsGoneOnWith(t *testing.T) {
	b := banktest.New(t)
	const keys, serials = 700, 550
	file := bigFile(keys)
	begin := func(batch string) (enrollment.ImportCommand, tokens.Import) {
		t.Helper()
		cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(file), Format: "pskc", Batch: batch}
		job, err := b.Enrollment.BeginImport(t.Context(), &cmd)
		if err != nil {
			t.Fatal(err)
		}
		return cmd, job
	}
	cmd, first := begin("B-1")
	again := cmd
	if _, err := b.Enrollment.BeginImport(t.Context(), &again); !problem.Is(err, problem.Conflict) || !strings.Contains(err.Error(), first.ID) {
		t.Fatalf("the same file while it is read: %v", err)
	}
	b.HSM.FailAt(500, &hsm.Fault{Class: hsm.ClassDevice, Op: "test"}) // a call a key, and a few for each chunk
	job, err := b.Enrollment.RunImport(t.Context(), cmd, first)
	if err != nil || job.State != tokens.ImportFailed || job.Imported != 400 || !strings.Contains(job.Error, "gone on with") {
		t.Fatalf("%+v, %v", job, err)
	}
	// The server stops as well, and one of the tokens goes its way.
	_, job = begin("B-1")
	if job.ID != first.ID || job.Imported != 400 || job.State != tokens.ImportRunning {
		t.Fatalf("%+v", job)
	}
	if err := b.Enrollment.FailUnfinished(t.Context()); err != nil {
		t.Fatal(err)
	}
	if job, err = b.Store.Import(t.Context(), first.ID); err != nil || job.State != tokens.ImportFailed || job.Imported != 400 {
		t.Fatalf("%+v, %v", job, err)
	}
	c := b.Customer()
	for _, serial := range []string{"R00001", "R00399"} {
		tk, _ := credentials(t, b, serial)
		if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: tk.ID, Move: tokens.Assign, Customer: c.ID}); err != nil {
			t.Fatal(err)
		}
	}
	cmd, job = begin("B-1")
	job, err = b.Enrollment.RunImport(t.Context(), cmd, job)
	if err != nil || job.ID != first.ID || job.State != tokens.ImportCompleted || job.Total != keys || job.Imported != keys-1 || job.Rejected != 1 {
		t.Fatalf("%+v, %v", job, err)
	}
	if r := job.Rejections[0]; r.Serial != "R00001" || !strings.Contains(r.Reason, "not in stock") { // its second key came too late
		t.Errorf("%+v", r)
	}
	seen := map[string]int{}
	for i := range serials {
		tk, all := credentials(t, b, fmt.Sprintf("R%05d", i))
		if len(all) != 1 && i >= 150 || tk.Import != first.ID {
			t.Errorf("%s: %d keys", tk.Serial, len(all))
		}
		for _, cr := range all {
			seen[cr.KeyID]++
			if ok, err := cr.Intact(t.Context(), b.HSM); !ok || err != nil || cr.Token != tk.ID {
				t.Fatalf("%s: %v %v", cr.ID, ok, err)
			}
		}
	}
	if len(seen) != keys-1 {
		t.Errorf("%d keys are in", len(seen))
	}
	if n := b.Count("import.resumed", "", ""); n != 2 {
		t.Errorf("the log tells of %d imports gone on with", n)
	}
	// Another batch is another import, and the end of the first is not forgotten.
	if other := runs(t, b, file, enrollment.ImportCommand{Batch: "B-2"}); other.ID == first.ID || other.Imported != 0 || other.Rejected != keys {
		t.Errorf("%+v", other)
	}
	if once := runs(t, b, file, enrollment.ImportCommand{Batch: "B-1"}); once.ID == first.ID || once.Imported != 0 || once.Rejected != keys {
		t.Errorf("%+v", once)
	}
}

// A file under a wrong key was refused, which stays on record; with the right one it
// is another import.
func TestARefusedFileIsNotGoneOnWith(t *testing.T) {
	b := banktest.New(t)
	file := pskctest.File{Keys: []pskctest.Key{{Serial: "P-1", Secret: seed20}}}.Password("right")
	wrong := runs(t, b, file, enrollment.ImportCommand{Password: []byte("wrong")})
	right := runs(t, b, file, enrollment.ImportCommand{Password: []byte("right")})
	if wrong.State != tokens.ImportFailed || right.State != tokens.ImportCompleted || wrong.ID == right.ID || wrong.SHA256 != right.SHA256 {
		t.Errorf("%+v\n%+v", wrong, right)
	}
	if stored, err := b.Store.Import(t.Context(), wrong.ID); err != nil || stored.State != tokens.ImportFailed {
		t.Errorf("%+v, %v", stored, err)
	}
}

// Two imports at once with the same serials: each key goes in once, whoever comes
// first.
func TestAttack08_TwoImportsAtOnce(t *testing.T) {
	b := banktest.New(t)
	file := bigFile(400)
	jobs := make(chan tokens.Import, 2)
	for _, batch := range []string{"B-1", "B-2"} {
		go func() {
			cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(file), Format: "pskc", Batch: batch}
			job, err := b.Enrollment.BeginImport(t.Context(), &cmd)
			if err == nil {
				job, err = b.Enrollment.RunImport(t.Context(), cmd, job)
			}
			if err != nil {
				t.Error(err)
			}
			jobs <- job
		}()
	}
	one, two := <-jobs, <-jobs
	if one.State != tokens.ImportCompleted || two.State != tokens.ImportCompleted || one.Imported+one.Rejected != 400 || two.Imported+two.Rejected != 400 {
		t.Fatalf("%+v\n%+v", one, two)
	}
	in := 0
	for i := range 250 {
		_, all := credentials(t, b, fmt.Sprintf("R%05d", i))
		in += len(all)
	}
	if in != one.Imported+two.Imported || in > 400 {
		t.Errorf("%d keys are in, the jobs say %d and %d", in, one.Imported, two.Imported)
	}
}
