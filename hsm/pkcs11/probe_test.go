package pkcs11_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

// TestProbeNamesMechanism takes a mechanism away. The operator must read which
// one it is and where to set another.
func TestProbeNamesMechanism(t *testing.T) {
	cfg := shimmed(t)
	for name, c := range map[string]struct {
		function int
		rv       uint64
		words    []string
	}{
		"wrap":    {wrapping, p11.CKR_MECHANISM_INVALID, []string{"seed-kek", "wraps no seed", "0x2109", "hsm.wrap_mechanism"}},
		"unwrap":  {unwrapping, p11.CKR_TEMPLATE_INCONSISTENT, []string{"seed-kek", "SHA1", "hsm.value_len"}},
		"HMAC":    {signInit, p11.CKR_MECHANISM_INVALID, []string{"HMAC-SHA1", "CKR_MECHANISM_INVALID"}},
		"GCM":     {29, p11.CKR_MECHANISM_INVALID, []string{"AES-GCM (0x1087)"}},
		"decrypt": {decrypting, p11.CKR_KEY_FUNCTION_NOT_PERMITTED, []string{"does not open", "NOT_PERMITTED"}},
	} {
		t.Run(name, func(t *testing.T) {
			theShim.fail(c.function, c.rv, forever)
			defer theShim.reset()
			_, err := pkcs11.Open(t.Context(), cfg)
			want(t, hsm.ClassConfig, err)
			for _, word := range c.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q is not in: %v", word, err)
				}
			}
		})
	}
	open(t, cfg)
}

// TestProbeOtherMechanism sets a wrapping that this module does not have.
func TestProbeOtherMechanism(t *testing.T) {
	cfg := provisioned(t)
	cfg.Profile.WrapMechanism = 0x80000170 // of another maker
	_, err := pkcs11.Open(t.Context(), cfg)
	want(t, hsm.ClassConfig, err)
	if !strings.Contains(err.Error(), "0x80000170") {
		t.Error(err)
	}
}

// TestProbeDeviceFault: a device that is away during the probe lacks nothing.
func TestProbeDeviceFault(t *testing.T) {
	cfg := shimmed(t)
	theShim.fail(wrapping, p11.CKR_DEVICE_REMOVED, forever)
	_, err := pkcs11.Open(t.Context(), cfg)
	want(t, hsm.ClassDevice, err)
}

// weakKEK makes a token whose KEK has no unwrap template.
func weakKEK(t *testing.T) pkcs11.Config {
	cfg := provisioned(t)
	m := open(t, cfg)
	th := newThief(t, cfg)
	if err := th.DestroyObject(th.session, th.find(t, hsm.SeedKEK, p11.CKO_SECRET_KEY)[0]); err != nil {
		t.Fatal(err)
	}
	_, err := th.GenerateKey(th.session, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_GEN, nil)}, attributes(
		p11.CKA_LABEL, "mohur/seed-kek", p11.CKA_ID, "seed-kek/1", p11.CKA_TOKEN, true, p11.CKA_PRIVATE, true, p11.CKA_VALUE_LEN, 32,
		p11.CKA_WRAP, true, p11.CKA_UNWRAP, true, p11.CKA_SENSITIVE, true, p11.CKA_EXTRACTABLE, false))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestProbeExtractable(t *testing.T) {
	cfg := weakKEK(t)
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	m := open(t, cfg)
	uses(t, m, wrapped(t, m))
	if !strings.Contains(log.String(), "CKA_UNWRAP_TEMPLATE") {
		t.Errorf("no warning in %q", log.String())
	}
	cfg.Strict = true
	_, err := pkcs11.Open(t.Context(), cfg)
	f := want(t, hsm.ClassConfig, err)
	if f.Key != hsm.SeedKEK {
		t.Error(err)
	}
}

// TestProbeRights brings in a row-mac from outside, of which there is a copy.
func TestProbeRights(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	th := newThief(t, cfg)
	if err := th.DestroyObject(th.session, th.find(t, hsm.RowMAC, p11.CKO_SECRET_KEY)[0]); err != nil {
		t.Fatal(err)
	}
	_, err := th.CreateObject(th.session, attributes(p11.CKA_CLASS, p11.CKO_SECRET_KEY, p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET,
		p11.CKA_LABEL, "mohur/row-mac", p11.CKA_ID, "row-mac/1", p11.CKA_TOKEN, true, p11.CKA_PRIVATE, true, p11.CKA_SIGN, true,
		p11.CKA_SENSITIVE, false, p11.CKA_EXTRACTABLE, true, p11.CKA_VALUE, bytes.Repeat([]byte{9}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, cfg)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Strict = true
	_, err = pkcs11.Open(t.Context(), cfg)
	f := want(t, hsm.ClassConfig, err)
	if f.Key != hsm.RowMAC {
		t.Error(err)
	}
}

// TestProvisionStrict passes: SoftHSM knows every protection that is asked for.
func TestProvisionStrict(t *testing.T) {
	cfg := newToken(t)
	cfg.Strict = true
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	open(t, cfg)
}

// TestProvisionLess refuses attributes one by one, as a module does that does
// not know them.
func TestProvisionLess(t *testing.T) {
	t.Cleanup(theShim.reset)
	cfg := newToken(t)
	cfg.Module = theShim.path
	theShim.fail(generating, p11.CKR_ATTRIBUTE_TYPE_INVALID, 2)
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	m := open(t, cfg)
	uses(t, m, wrapped(t, m))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Strict = true
	_, err := pkcs11.Open(t.Context(), cfg)
	want(t, hsm.ClassConfig, err)

	cfg = newToken(t)
	cfg.Module, cfg.Strict = theShim.path, true
	theShim.fail(generating, p11.CKR_ATTRIBUTE_TYPE_INVALID, 1)
	_, err = pkcs11.Provision(t.Context(), cfg)
	want(t, hsm.ClassConfig, err)
}
