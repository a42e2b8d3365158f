package pkcs11_test

import (
	"testing"
	"time"

	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/hsm/pkcs11"
)

// TestClause5_11_SuiteNSS holds the whole contract on a module that was written
// by others: what passes here is no habit of SoftHSM.
func TestClause5_11_SuiteNSS(t *testing.T) {
	cfg := hsmtest.NSSConfig(t)
	cfg.Wait, cfg.CallTimeout = 10*time.Second, 20*time.Second
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	m := open(t, cfg)
	hsmtest.Run(t, func(*testing.T) hsm.Module { return m })
}
