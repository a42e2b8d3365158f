package custody_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"testing"

	"mohur/custody"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/problem"
)

// An RSA key is made by one person, since no secret passes through his hands.
func TestClause5_11_AnRSATransportKey(t *testing.T) {
	b := newBank(t)
	p, err := b.service().Make(t.Context(), b.anna, b.name, 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.service().PublicOf(t.Context(), b.name)
	if err != nil || again != p || p.Type != "RSA-3072" || p.Key != hsm.Transport(b.name) || len(p.SHA256) != 64 {
		t.Errorf("%+v, then %+v, %v", p, again, err)
	}
	block, _ := pem.Decode([]byte(p.PEM))
	if block == nil {
		t.Fatalf("no PEM: %q", p.PEM)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	box, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, parsed.(*rsa.PublicKey), []byte("a content key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := hsmtest.SoftHSM(t).DecryptRSA(t.Context(), hsm.Transport(b.name), hsm.OAEP, box); err != nil || string(got) != "a content key" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := b.service().Make(t.Context(), b.anna, b.name, 2048); !problem.Is(err, problem.Conflict) {
		t.Errorf("the name twice: %v", err)
	}
	b.refused(problem.Conflict, "", b.anna, b.one)
	if err := b.service().Delete(t.Context(), b.boris, b.name); err != nil || b.inside() {
		t.Errorf("deleting: %v", err)
	}
	b.record("key.make begun cl_anna", "key.make done cl_anna", "key.make begun cl_anna", "key.make failed cl_anna", "key.delete begun cl_boris", "key.delete done cl_boris")

	for _, bits := range []int{-1, 1, 1024, 3000, 16384} {
		if _, err := b.service().Make(t.Context(), b.anna, b.name, bits); !problem.Is(err, problem.Invalid) {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
	b.waits(b.anna, b.one)
	if _, err := b.service().Make(t.Context(), b.boris, b.name, 2048); !problem.Is(err, problem.Conflict) {
		t.Errorf("over a half that waits: %v", err)
	}
	for _, name := range []string{b.name, "none", "", "UPPER"} {
		if _, err := b.service().PublicOf(t.Context(), name); !problem.Is(err, problem.NotFound) {
			t.Errorf("the public half of %q: %v", name, err)
		}
	}
}

// rotating notes what it is asked to rotate: a real rotation would stay with the
// token of all tests.
type rotating struct {
	custody.HSM
	fault error
	asked []hsm.Key
}

func (r *rotating) Rotate(_ context.Context, key hsm.Key) (hsm.KeyInfo, error) {
	r.asked = append(r.asked, key)
	return hsm.KeyInfo{Key: key, Version: 2}, r.fault
}

func TestClause5_11_ARotationIsOnRecord(t *testing.T) {
	b := newBank(t)
	r := &rotating{HSM: b.module}
	b.module = r
	for _, key := range []hsm.Key{"", "x", hsm.RowMAC, hsm.IdempotencyMAC, hsm.AuditSigning, hsm.Transport("x")} {
		if _, err := b.service().Rotate(t.Context(), b.anna, key); !problem.Is(err, problem.Invalid) {
			t.Errorf("rotating %q: %v", key, err)
		}
	}
	if info, err := b.service().Rotate(t.Context(), b.anna, hsm.SeedKEK); err != nil || info.Version != 2 {
		t.Errorf("%+v, %v", info, err)
	}
	r.fault = &hsm.Fault{Class: hsm.ClassDevice, Err: errors.New("away")}
	if _, err := b.service().Rotate(t.Context(), b.boris, hsm.DataKEK); !problem.Is(err, problem.Unavailable) {
		t.Errorf("an HSM that is away: %v", err)
	}
	b.Disk.ReadOnly(true)
	if _, err := b.service().Rotate(t.Context(), b.boris, hsm.PINSeal); !problem.Is(err, problem.Unavailable) {
		t.Errorf("off the record: %v", err)
	}
	if !slices.Equal(r.asked, []hsm.Key{hsm.SeedKEK, hsm.DataKEK}) {
		t.Errorf("the HSM was asked for %v", r.asked)
	}
	b.record("key.rotate begun cl_anna", "key.rotate done cl_anna", "key.rotate begun cl_boris", "key.rotate failed cl_boris")
}
