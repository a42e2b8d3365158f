package pkcs11_test

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

// TestProvisionAgain runs it twice: the second run makes nothing, and changes
// nothing, or every record of the bank would lose its key.
func TestProvisionAgain(t *testing.T) {
	cfg := shimmed(t)
	first, err := pkcs11.Provision(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != len(allKeys)+1 {
		t.Errorf("%d keys: %+v", len(first), first)
	}
	m := open(t, cfg)
	w := wrapped(t, m)
	mac, err := m.MAC(t.Context(), hsm.RowMAC, "l")
	if err != nil {
		t.Fatal(err)
	}
	made := theShim.count(generating)
	second, err := pkcs11.Provision(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if theShim.count(generating) != made || !reflect.DeepEqual(first, second) {
		t.Errorf("first %+v, then %+v", first, second)
	}
	m = open(t, cfg)
	uses(t, m, w)
	if again, err := m.MAC(t.Context(), hsm.RowMAC, "l"); err != nil || string(again) != string(mac) {
		t.Errorf("another row-mac: %v", err)
	}
}

// TestRights reads back what each key may do.
func TestRights(t *testing.T) {
	cfg := provisioned(t)
	open(t, cfg)
	th := newThief(t, cfg)
	all := []int{p11.CKA_ENCRYPT, p11.CKA_DECRYPT, p11.CKA_WRAP, p11.CKA_UNWRAP, p11.CKA_SIGN, p11.CKA_VERIFY, p11.CKA_DERIVE}
	may := map[hsm.Key][]int{
		hsm.SeedKEK:        {p11.CKA_WRAP, p11.CKA_UNWRAP},
		hsm.RowMAC:         {p11.CKA_SIGN, p11.CKA_VERIFY},
		hsm.IdempotencyMAC: {p11.CKA_SIGN, p11.CKA_VERIFY},
		hsm.PINSeal:        {p11.CKA_ENCRYPT, p11.CKA_DECRYPT},
		hsm.DataKEK:        {p11.CKA_ENCRYPT, p11.CKA_DECRYPT},
	}
	for key, rights := range may {
		h := th.find(t, key, p11.CKO_SECRET_KEY)[0]
		for _, right := range all {
			wanted := byte(0)
			for _, r := range rights {
				if r == right {
					wanted = 1
				}
			}
			checkAttribute(t, th, h, key, right, wanted)
		}
		for _, yes := range []int{p11.CKA_TOKEN, p11.CKA_PRIVATE, p11.CKA_SENSITIVE, p11.CKA_ALWAYS_SENSITIVE, p11.CKA_NEVER_EXTRACTABLE, p11.CKA_LOCAL} {
			checkAttribute(t, th, h, key, yes, 1)
		}
		checkAttribute(t, th, h, key, p11.CKA_EXTRACTABLE, 0)
	}
	for _, key := range []hsm.Key{hsm.TokenSigning, hsm.AuthorizationSigning, hsm.AuditSigning} {
		h := th.find(t, key, p11.CKO_PRIVATE_KEY)[0]
		for _, yes := range []int{p11.CKA_SIGN, p11.CKA_SENSITIVE, p11.CKA_NEVER_EXTRACTABLE} {
			checkAttribute(t, th, h, key, yes, 1)
		}
		for _, no := range []int{p11.CKA_DECRYPT, p11.CKA_UNWRAP, p11.CKA_DERIVE, p11.CKA_EXTRACTABLE, p11.CKA_MODIFIABLE} {
			checkAttribute(t, th, h, key, no, 0)
		}
	}
}

func checkAttribute(t *testing.T, th thief, h p11.ObjectHandle, key hsm.Key, attribute int, wanted byte) {
	t.Helper()
	values, err := th.GetAttributeValue(th.session, h, attributes(attribute, nil))
	if err != nil || len(values[0].Value) != 1 || values[0].Value[0] != wanted {
		t.Errorf("%s: attribute %#x is not %d: %v", key, attribute, wanted, err)
	}
}

// TestRotate makes a second KEK. New seeds are wrapped under it, old ones stay
// usable under the first.
func TestRotate(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	old := wrapped(t, m)
	oldBox, err := m.Seal(t.Context(), hsm.DataKEK, "p", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []hsm.Key{hsm.SeedKEK, hsm.DataKEK, hsm.PINSeal} {
		info, err := pkcs11.Rotate(t.Context(), cfg, key)
		if err != nil || info.Key != key || info.Version != 2 {
			t.Fatalf("%+v, %v", info, err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, cfg)
	now := wrapped(t, m)
	if old.KEK != "seed-kek/1" || now.KEK != "seed-kek/2" {
		t.Errorf("wrapped under %s, then under %s", old.KEK, now.KEK)
	}
	uses(t, m, old)
	uses(t, m, now)
	if text, err := m.Open(t.Context(), hsm.DataKEK, "p", oldBox); err != nil || string(text) != "x" {
		t.Errorf("the old box: %v", err)
	}
	box, err := m.Seal(t.Context(), hsm.DataKEK, "p", []byte("x"))
	if err != nil || box[0] != 2 || oldBox[0] != 1 {
		t.Errorf("boxes of version %d and %d, %v", oldBox[0], box[0], err)
	}
	_, err = m.HMAC(t.Context(), hsm.WrappedSeed{KEK: now.KEK, Blob: old.Blob}, hsm.SHA1, []byte("x"))
	want(t, hsm.ClassBlob, err)
	infos, err := m.Keys(t.Context())
	if err != nil || len(infos) != len(allKeys)+1+3 {
		t.Errorf("%d keys, %v", len(infos), err)
	}
}

// TestRotateServing rotates under a running module: it serves new data with the
// new version at once, and goes on reading the old.
func TestRotateServing(t *testing.T) {
	m := open(t, provisioned(t))
	old := wrapped(t, m)
	oldBox, err := m.Seal(t.Context(), hsm.PINSeal, "p", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []hsm.Key{hsm.SeedKEK, hsm.PINSeal} {
		if info, err := m.Rotate(t.Context(), key); err != nil || info.Version != 2 {
			t.Fatalf("%+v, %v", info, err)
		}
	}
	now := wrapped(t, m)
	if now.KEK != "seed-kek/2" {
		t.Errorf("wrapped under %s", now.KEK)
	}
	uses(t, m, old)
	uses(t, m, now)
	if text, err := m.Open(t.Context(), hsm.PINSeal, "p", oldBox); err != nil || string(text) != "x" {
		t.Errorf("the old box: %v", err)
	}
	if box, err := m.Seal(t.Context(), hsm.PINSeal, "p", []byte("x")); err != nil || box[0] != 2 {
		t.Errorf("a box of version %d, %v", box[0], err)
	}
	_, err = m.Rotate(t.Context(), hsm.RowMAC)
	want(t, hsm.ClassInput, err)
}

// TestRotateRace rotates many times at once: no version is made twice.
func TestRotateRace(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	var all sync.WaitGroup
	var made atomic.Int64
	for range 8 {
		all.Go(func() {
			if _, err := m.Rotate(t.Context(), hsm.SeedKEK); err == nil {
				made.Add(1)
			}
		})
	}
	all.Wait()
	if made.Load() < 1 {
		t.Error("no version was made")
	}
	eventually(t, 10*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
	infos, err := m.Keys(t.Context())
	if err != nil || len(infos) != len(allKeys)+1+int(made.Load()) {
		t.Errorf("%d keys after %d rotations, %v", len(infos), made.Load(), err)
	}
}

// TestRotateUnproven: a version that does not work is not kept, and nothing is
// served with it.
func TestRotateUnproven(t *testing.T) {
	m := open(t, shimmed(t))
	theShim.fail(unwrapping, p11.CKR_MECHANISM_INVALID, 1)
	_, err := m.Rotate(t.Context(), hsm.SeedKEK)
	want(t, hsm.ClassConfig, err)
	infos, err := m.Keys(t.Context())
	if err != nil || len(infos) != len(allKeys)+1 {
		t.Errorf("%d keys, %v", len(infos), err)
	}
	if w := wrapped(t, m); w.KEK != "seed-kek/1" {
		t.Errorf("wrapped under %s", w.KEK)
	}
}

func TestRotateRefused(t *testing.T) {
	cfg := newToken(t)
	for _, key := range []hsm.Key{"", "x", hsm.RowMAC, hsm.IdempotencyMAC, hsm.TokenSigning, hsm.Transport("x")} {
		_, err := pkcs11.Rotate(t.Context(), cfg, key)
		want(t, hsm.ClassInput, err)
	}
	_, err := pkcs11.Rotate(t.Context(), cfg, hsm.SeedKEK)
	want(t, hsm.ClassConfig, err)
}
