package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The list is the guidance's: every clause of its sections 4 and 5 once, the
// definitions 2.1 and 3.1, and the twelve attacks.
func TestListIsComplete(t *testing.T) {
	clauses, err := readClauses(clausesCSV)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	levels := map[string]int{}
	for _, c := range clauses {
		if seen[c.id] {
			t.Errorf("%s stands twice", c.id)
		}
		seen[c.id] = true
		if c.title == "" || c.servedBy == "" {
			t.Errorf("%s has no title or nobody who serves it", c.id)
		}
		if strings.HasPrefix(c.id, "attack ") {
			levels["attack"]++
		} else {
			levels[c.level]++
		}
	}
	want := map[string]int{"MUST": 36, "SHOULD": 16, "EVID": 8, "attack": 12}
	for level, n := range want {
		if levels[level] != n {
			t.Errorf("%d rows of %s, want %d", levels[level], level, n)
		}
	}
	if len(levels) != len(want) {
		t.Errorf("unknown level among %v", levels)
	}
}

func TestClaim(t *testing.T) {
	for name, want := range map[string]string{
		"TestClause5_22_LockAfterFive": "5.22",
		"TestClause5_3_1_NoSeed":       "5.3.1",
		"TestClause2_1":                "2.1",
		"TestAttack08_Sniffer":         "attack 08",
		"TestAttack8_Sniffer":          "attack 8", // a stray: two digits
		"TestClauses":                  "",
		"TestVerify":                   "",
	} {
		if got, _ := claim(name); got != want {
			t.Errorf("claim(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "authn/lock_test.go", `package authn
		import "testing"
		func TestClause5_22_Lock(t *testing.T) {}
		func TestClause5_22_Idle(t *testing.T) {}
		func TestClause4_4_2_Error(t *testing.T) {}
		func TestClause9_9_None(t *testing.T) {}
		func TestAttack8_OneDigit(t *testing.T) {}
		func TestClause5_23_Helper() {}
		func (suite) TestClause5_24_Method(t *testing.T) {}
	`)
	write(t, dir, "authn/testdata/x_test.go", "package x\nfunc TestClause5_25_Data(t *testing.T) {}\n")
	var out bytes.Buffer
	complete, err := run(&out, dir)
	if err != nil {
		t.Fatal(err)
	}
	if complete {
		t.Error("complete, with nearly every MUST without a test")
	}
	with, rest, _ := strings.Cut(out.String(), "\nWithout a test\n")
	without, strays, found := strings.Cut(rest, "\nTests that name no clause")
	if !found {
		t.Fatalf("no group of strays in\n%s", out.String())
	}
	check := func(group, text string, want bool, words ...string) {
		t.Helper()
		for _, word := range words {
			if strings.Contains(text, word) != want {
				t.Errorf("%s: contains %q is %v", group, word, !want)
			}
		}
	}
	check("with", with, true, "authn TestClause5_22_Lock", "authn TestClause5_22_Idle", "authn TestClause4_4_2_Error")
	check("with", with, false, "5_23", "5_24", "5_25", "9_9")
	check("without", without, true, "\n5.23 ", "\n5.24 ", "\n5.25 ", "\nattack 08 ", "\n4.1 ")
	check("without", without, false, "\n5.22 ", "\n4.4 ")
	check("strays", strays, true, "TestClause9_9_None", "TestAttack8_OneDigit", "2 of 72 clauses")
}

// A test of the tree that names a clause which does not exist proves nothing to
// anybody who looks for it.
func TestNoStrays(t *testing.T) {
	clauses, err := readClauses(clausesCSV)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := findTests(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, stray := range assign(tests, clauses) {
		t.Errorf("%s names no clause of clauses.csv (TestClause5_3_1_Name, TestAttack08_Name)", stray)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
