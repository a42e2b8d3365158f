package pkcs11_test

import (
	"errors"
	"fmt"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

func TestClasses(t *testing.T) {
	for class, codes := range map[hsm.Class][]uint{
		hsm.ClassSession: {0xB0, 0xB3, 0x82, 0x60, 0x101, 0x190},
		hsm.ClassDevice:  {0x5, 0x6, 0x30, 0x31, 0x32, 0xE0, 0x7FFFFFFF, 0x80000001},
		hsm.ClassPIN:     {0xA0, 0xA4},
		hsm.ClassConfig:  {0x70, 0x68, 0x63, 0x69, 0x6A},
		hsm.ClassBusy:    {0xB1},
	} {
		for _, code := range codes {
			for _, err := range []error{
				p11.Error(code),
				fmt.Errorf("in crypto11: %w", p11.Error(code)),
			} {
				f := pkcs11.FaultOf("Op", "key", err)
				if f.Class != class || f.Code != code || f.Op != "Op" || f.Key != "key" {
					t.Errorf("%v becomes %+v, want class %v", err, f, class)
				}
			}
		}
	}
}

func TestCodeOf(t *testing.T) {
	for _, err := range []error{nil, errors.New("x"), errors.New("pkcs11: 0x5: x"), errors.New("C_Decrypt: pkcs11: 0xZZ: x"),
		errors.New("C_Decrypt: pkcs11: 0x123456789: x"), errors.New("x C_Decrypt: pkcs11: 0x5: x")} {
		if code := pkcs11.CodeOf(err); code != 0 {
			t.Errorf("%v has code %#x", err, code)
		}
	}
	if f := pkcs11.FaultOf("Op", "", errors.New("x")); f.Class != hsm.ClassDevice {
		t.Errorf("what is not understood has class %v", f.Class)
	}
}

// TestFaultIsCopied: a fault may be shared, its copies say who asked.
func TestFaultIsCopied(t *testing.T) {
	shared := &hsm.Fault{Class: hsm.ClassBlob}
	f := pkcs11.FaultOf("HMAC", hsm.SeedKEK, fmt.Errorf("wrapped: %w", shared))
	if f.Op != "HMAC" || f.Key != hsm.SeedKEK || f.Class != hsm.ClassBlob || shared.Op != "" {
		t.Errorf("%+v from %+v", f, shared)
	}
}
