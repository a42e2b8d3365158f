package pkcs11_test

import (
	"bytes"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

func attributes(pairs ...any) (list []*p11.Attribute) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, p11.NewAttribute(uint(pairs[i].(int)), pairs[i+1]))
	}
	return list
}

// seedTemplate is what the server asks for, changed at will.
func seedTemplate(sensitive, extractable bool) []*p11.Attribute {
	return attributes(p11.CKA_CLASS, p11.CKO_SECRET_KEY, p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET, p11.CKA_TOKEN, false,
		p11.CKA_PRIVATE, true, p11.CKA_SENSITIVE, sensitive, p11.CKA_EXTRACTABLE, extractable, p11.CKA_SIGN, true)
}

var keyWrap = []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_WRAP, nil)}

// TestNoPathReadsASeed gives a thief everything but the HSM: the server's process
// with its log-in, and a wrapped seed. He can compute with the seed while he is
// there. He must not be able to take it with him.
func TestNoPathReadsASeed(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	w := wrapped(t, m)
	th := newThief(t, cfg)
	kek := th.find(t, hsm.SeedKEK, p11.CKO_SECRET_KEY)[0]

	seed, err := th.UnwrapKey(th.session, keyWrap, kek, w.Blob, seedTemplate(true, false))
	if err != nil {
		t.Fatal("the way of the server itself:", err)
	}
	own, err := th.CreateObject(th.session, attributes(p11.CKA_CLASS, p11.CKO_SECRET_KEY, p11.CKA_KEY_TYPE, p11.CKK_AES,
		p11.CKA_TOKEN, false, p11.CKA_WRAP, true, p11.CKA_UNWRAP, true, p11.CKA_VALUE, bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}

	read := func(o p11.ObjectHandle) error {
		values, err := th.GetAttributeValue(th.session, o, attributes(p11.CKA_VALUE, nil))
		if err == nil && len(values[0].Value) == 0 {
			t.Fatal("neither a value nor an error")
		}
		return err
	}
	for name, try := range map[string]func() error{
		"read the seed": func() error { return read(seed) },
		"read the KEK":  func() error { return read(kek) },
		"make the seed extractable": func() error {
			return th.SetAttributeValue(th.session, seed, attributes(p11.CKA_EXTRACTABLE, true))
		},
		"make the seed readable": func() error {
			return th.SetAttributeValue(th.session, seed, attributes(p11.CKA_SENSITIVE, false))
		},
		"copy the seed as extractable": func() error {
			_, err := th.CopyObject(th.session, seed, attributes(p11.CKA_EXTRACTABLE, true))
			return err
		},
		"copy the seed as readable": func() error {
			_, err := th.CopyObject(th.session, seed, attributes(p11.CKA_SENSITIVE, false))
			return err
		},
		"wrap the seed under his own key": func() error {
			_, err := th.WrapKey(th.session, keyWrap, own, seed)
			return err
		},
		"wrap the KEK under his own key": func() error {
			_, err := th.WrapKey(th.session, keyWrap, own, kek)
			return err
		},
		"unwrap it as extractable": func() error {
			_, err := th.UnwrapKey(th.session, keyWrap, kek, w.Blob, seedTemplate(true, true))
			return err
		},
		"unwrap it as readable": func() error {
			_, err := th.UnwrapKey(th.session, keyWrap, kek, w.Blob, seedTemplate(false, false))
			return err
		},
		"decrypt the blob with the KEK": func() error {
			return th.DecryptInit(th.session, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_ECB, nil)}, kek)
		},
		"sign with the KEK": func() error {
			return th.SignInit(th.session, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_CMAC, nil)}, kek)
		},
		"change the KEK": func() error {
			return th.SetAttributeValue(th.session, kek, attributes(p11.CKA_DECRYPT, true))
		},
		"free the KEK of its template": func() error {
			return th.SetAttributeValue(th.session, kek, attributes(p11.CKA_UNWRAP_TEMPLATE, nil))
		},
		"copy the KEK": func() error {
			_, err := th.CopyObject(th.session, kek, attributes(p11.CKA_TOKEN, false))
			return err
		},
		"copy the KEK with more rights": func() error {
			_, err := th.CopyObject(th.session, kek, attributes(p11.CKA_TOKEN, false, p11.CKA_DECRYPT, true, p11.CKA_MODIFIABLE, true))
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("a thief can %s", name)
		}
	}
}

// TestKeysStayInside does the same for every other key of the house.
func TestKeysStayInside(t *testing.T) {
	cfg := provisioned(t)
	open(t, cfg)
	th := newThief(t, cfg)
	for _, key := range allKeys {
		for _, class := range []uint{p11.CKO_SECRET_KEY, p11.CKO_PRIVATE_KEY} {
			for _, h := range th.find(t, key, class) {
				if _, err := th.GetAttributeValue(th.session, h, attributes(p11.CKA_VALUE, nil)); err == nil {
					t.Errorf("%s can be read", key)
				}
				for _, a := range [][]*p11.Attribute{attributes(p11.CKA_EXTRACTABLE, true), attributes(p11.CKA_SENSITIVE, false)} {
					if err := th.SetAttributeValue(th.session, h, a); err == nil {
						t.Errorf("%s can be weakened", key)
					}
					if _, err := th.CopyObject(th.session, h, a); err == nil {
						t.Errorf("a weaker copy of %s can be made", key)
					}
				}
			}
		}
	}
}
