package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mohur/hsm/pkcs11"
	"mohur/risk/policy"
)

// Clause 5.1: outside development an installation begins with the recommended policy,
// in a file of the bank's; for development with the built-in one.
func TestClause5_1_InitWritesTheRecommendedPolicy(t *testing.T) {
	parent := shortDir(t)
	token, err := pkcs11.InitSoftHSM(filepath.Join(parent, "hsm"), "bank")
	if err != nil {
		t.Fatal(err)
	}
	pin := filepath.Join(parent, "pin")
	if err := os.WriteFile(pin, []byte(token.PIN), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "bank")
	must(t, "init", "--dir", dir, "--url", "https://auth.bank.example", "--module", token.Module, "--token-label", "bank", "--pin-file", pin)
	c, err := loadConfig(filepath.Join(dir, configName))
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.riskPolicy(time.Now())
	if err != nil || c.Policy != filepath.Join(dir, policyName) || p.Version != 2 || p.BuiltIn || !bytes.Equal(p.Source, policy.Recommended().Source) {
		t.Errorf("%s: version %d, built in %v, %v", c.Policy, p.Version, p.BuiltIn, err)
	}
	if out := must(t, "policy", "check", c.Policy); out == "" {
		t.Error("the check says nothing")
	}
	if out := must(t, "policy", "default", "--recommended"); out != string(policy.Recommended().Source) {
		t.Error("default --recommended prints something else")
	}
}
