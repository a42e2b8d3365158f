package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"mohur/custody"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/ident"
	"mohur/parties"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// vault is a bank outside development whose custodians work on the real HSM.
func vault(t *testing.T) *world {
	t.Helper()
	return newWorld(t, locked)
}

func locked(w *world) {
	w.deps.Development, w.Enrollment.Development = false, false
	w.deps.Keys = &custody.Service{Store: w.Store, Settler: w.Store, HSM: hsmtest.SoftHSM(w.T), Audit: w.Audit, Now: w.Clock.Now}
}

// halves makes a key and its two halves.
func halves(t *testing.T) (key []byte, one, two string) {
	t.Helper()
	key, first, second := make([]byte, 32), make([]byte, 32), make([]byte, 32)
	rand.Read(key)
	rand.Read(first)
	for i := range second {
		second[i] = key[i] ^ first[i]
	}
	return key, hex.EncodeToString(first), strings.ToUpper(hex.EncodeToString(second))
}

// keyName is a name nobody else has: the tests share the HSM.
func keyName(t *testing.T) string {
	t.Helper()
	name := "api-" + ident.Text(8)
	t.Cleanup(func() { _ = hsmtest.SoftHSM(t).DeleteTransport(context.Background(), name) }) // most tests do it themselves
	return name
}

// delivery is a seed file of three tokens.
func delivery(t *testing.T, open func(*bytes.Buffer) *pskctest.Writer, prefix string) string {
	t.Helper()
	var out bytes.Buffer
	w := open(&out)
	for i := range 3 {
		w.Add(pskctest.Key{Manufacturer: "Example", Serial: fmt.Sprint(prefix, i), Algorithm: pskc.HOTP, Digits: 6, Secret: []byte("12345678901234567890")})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// importsUnder brings a file in and expects all of its keys to be taken.
func (w *world) importsUnder(name, file string) {
	w.T.Helper()
	job := w.bring(w.as("operator"), "format", "pskc", "transport_key", name, "file", file).is(202)
	w.ended(job.str("id")).has(body{"state": "completed", "imported": 3.0, "rejected": 0.0})
}

// Clause 5.3.6, the whole ceremony over HTTP: two custodians, two days, one key,
// and a file under it decrypts. Neither the admin nor anybody else is a custodian.
func TestClause5_3_6_TheCeremonyOfATransportKey(t *testing.T) {
	w := vault(t)
	key, one, two := halves(t)
	kcv, _ := custody.KCVOf(key)
	name := keyName(t)
	anna, boris := w.as("anna", parties.Custodian), w.as("boris", parties.Custodian)

	w.ask(w.as("admin"), "POST", "/v1/keys/transport", body{"name": name, "half": one}).refused(403, "forbidden")
	w.ask(anna, "POST", "/v1/keys/transport", body{"name": name, "hex": hex.EncodeToString(key)}).refused(403, "forbidden")
	first := w.ask(anna, "POST", "/v1/keys/transport", body{"name": name, "half": one, "kcv": kcv.CMAC}).is(202)
	first.has(body{"half.name": name, "half.type": "AES-256", "half.by": "anna", "waiting_for": "a second custodian"})
	half, _ := hex.DecodeString(one)
	if own, _ := custody.KCVOf(half); first.str("kcv.cmac") != own.CMAC || first.str("kcv.ecb") != own.ECB {
		t.Errorf("the check value of the half: %v", first.m)
	}
	if until, err := time.Parse(time.RFC3339, first.str("expires_at")); err != nil || until.Sub(w.Clock.Now()) < 23*time.Hour {
		t.Errorf("it waits until %v", first.at("expires_at"))
	}
	w.ask(anna, "POST", "/v1/keys/transport", body{"name": name, "half": two}).refused(409, "conflict")
	list := w.ask(w.as("auditor"), "GET", "/v1/keys/halves", nil).is(200)
	list.has(body{"items.0.name": name, "items.0.by": "anna"})
	if strings.Contains(fmt.Sprint(list.m), one) || len(list.at("items").([]any)) != 1 {
		t.Errorf("the list of halves: %v", list.m)
	}

	w.must(nil, w.Engine.Close()) // another day
	w.Open()
	w.start(locked)
	w.Clock.Forward(20 * time.Hour)
	w.ask(boris, "POST", "/v1/keys/transport", body{"name": name, "half": one}).faulty("half")
	w.ask(boris, "POST", "/v1/keys/transport", body{"name": name, "half": two, "kcv": kcv.ECB}).faulty("kcv")
	w.ask(boris, "POST", "/v1/keys/transport", body{"name": name, "half": two, "half_kcv": kcv.ECB, "kcv_form": "ecb"}).faulty("half_kcv")
	w.ask(boris, "POST", "/v1/keys/transport", body{"name": name, "half": two, "kcv": kcv.ECB, "kcv_form": "ecb"}).is(201).
		has(body{"key": "transport-" + name, "kcv.cmac": kcv.CMAC, "kcv.ecb": kcv.ECB})
	if n := len(w.ask(anna, "GET", "/v1/keys/halves", nil).is(200).at("items").([]any)); n != 0 {
		t.Errorf("%d halves still wait", n)
	}
	w.importsUnder(name, delivery(t, func(out *bytes.Buffer) *pskctest.Writer {
		return pskctest.NewEncryptedWriter(out, key, name, hsm.SHA256)
	}, name+"-c"))
	w.ask(anna, "DELETE", "/v1/keys/transport/"+name, nil).is(204)

	for reason, n := range map[string]int{"same-person": 1, "same-halves": 1, "wrong-kcv": 1, "wrong-half-kcv": 1} {
		if got := w.Count("key.half", "refused", reason); got != n {
			t.Errorf("%s is on record %d times, want %d", reason, got, n)
		}
	}
	for event, n := range map[[2]string]int{{"key.half", "waiting"}: 1, {"key.import", "begun"}: 1, {"key.import", "done"}: 1, {"key.delete", "done"}: 1} {
		if got := w.Count(event[0], event[1], ""); got != n {
			t.Errorf("%v is on record %d times, want %d", event, got, n)
		}
	}
	for _, secret := range []string{one, two, strings.ToLower(two), hex.EncodeToString(key)} {
		if strings.Contains(w.log.String(), secret) {
			t.Error("a half or the key is in the log")
		}
	}
}

func TestAHalfThatIsNone(t *testing.T) {
	w := vault(t)
	_, one, _ := halves(t)
	name := keyName(t)
	anna := w.as("anna", parties.Custodian)
	for field, all := range map[string][]body{
		"half":     {{"name": name}, {"name": name, "half": one[:62]}, {"name": name, "half": one[:63]}, {"name": name, "half": one[:62] + "zz"}, {"name": name, "half": strings.Repeat("0", 64)}},
		"name":     {{"name": "No Name", "half": one}, {"half": one}},
		"half_kcv": {{"name": name, "half": one, "half_kcv": "12345"}},
		"kcv":      {{"name": name, "half": one, "kcv": "nothex"}},
		"kcv_form": {{"name": name, "half": one, "kcv": "123456", "kcv_form": "des"}},
	} {
		for _, b := range all {
			a := w.ask(anna, "POST", "/v1/keys/transport", b)
			a.faulty(field)
			if strings.Contains(string(a.body), one[:20]) {
				t.Errorf("the refusal repeats a half: %s", a.body)
			}
		}
	}
	w.ask(anna, "DELETE", "/v1/keys/halves/"+name, nil).refused(404, "not-found")
	if n := w.Count("key.half", "waiting", ""); n != 0 {
		t.Errorf("%d halves wait", n)
	}
}

// A request that is sent again, with its Idempotency-Key, is told what came of it:
// a custodian whose line broke off does not seem to be bringing both halves.
func TestAHalfSentAgain(t *testing.T) {
	w := vault(t)
	key, one, two := halves(t)
	name := keyName(t)
	anna, boris := w.as("anna", parties.Custodian), w.as("boris", parties.Custodian)
	for range 2 {
		w.again(anna, "first", "POST", "/v1/keys/transport", body{"name": name, "half": one}).is(202)
	}
	for range 2 {
		w.again(boris, "second", "POST", "/v1/keys/transport", body{"name": name, "half": two}).is(201)
	}
	if w.Count("key.half", "waiting", "") != 1 || w.Count("key.import", "done", "") != 1 {
		t.Error("a repeated half counted twice")
	}
	w.importsUnder(name, delivery(t, func(out *bytes.Buffer) *pskctest.Writer { return pskctest.NewWrappedWriter(out, key, name) }, name+"-w"))
}

// A pair for a manufacturer: one custodian, and the file under it decrypts.
func TestClause5_11_APairForAManufacturer(t *testing.T) {
	w := vault(t)
	name := keyName(t)
	anna := w.as("anna", parties.Custodian)
	w.ask(w.as("admin"), "POST", "/v1/keys/pairs", body{"name": name}).refused(403, "forbidden")
	w.ask(anna, "POST", "/v1/keys/pairs", body{"name": name, "bits": 1024}).faulty("bits")
	made := w.ask(anna, "POST", "/v1/keys/pairs", body{"name": name, "bits": 2048}).is(201)
	made.has(body{"key": "transport-" + name, "type": "RSA-2048"})
	w.ask(w.as("auditor"), "GET", "/v1/keys/transport/"+name, nil).is(200).has(made.m)
	w.ask(anna, "POST", "/v1/keys/pairs", body{"name": name}).refused(409, "conflict")
	block, _ := pem.Decode([]byte(made.str("public_key")))
	if block == nil {
		t.Fatalf("no PEM: %v", made.m)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	w.importsUnder(name, delivery(t, func(out *bytes.Buffer) *pskctest.Writer {
		return pskctest.NewPublicWriter(out, parsed.(*rsa.PublicKey), hsm.OAEP, hsm.SHA256)
	}, name+"-r"))
	w.ask(anna, "DELETE", "/v1/keys/transport/"+name, nil).is(204)
	w.ask(anna, "GET", "/v1/keys/transport/"+name, nil).refused(404, "not-found")
	if w.Count("key.make", "begun", "") != 2 || w.Count("key.make", "done", "") != 1 || w.Count("key.make", "failed", "") != 1 {
		t.Error("the making of a key is not on record")
	}
}
