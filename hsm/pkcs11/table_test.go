package pkcs11_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

var update = flag.Bool("update", false, "write the table in docs/hsm.md anew")

// consequences are the classes in the order of the table, what the server does,
// and the tests that show it.
var consequences = []struct {
	class hsm.Class
	does  string
}{
	{hsm.ClassSession, "a new log-in with new handles replaces all at once; the call is made once more on it, so nobody notices (`TestSessionLoss`)"},
	{hsm.ClassDevice, "503 at once; a new log-in is tried after 0.1 s, 0.2 s, then every 0.4 s; a call that does not return in time counts as this, and one that does not return within 2 s ends the process (`TestClause5_3_5_NetworkHSM…`)"},
	{hsm.ClassBusy, "503 after at most 250 ms; the log-in stays (`TestBusy`)"},
	{hsm.ClassPIN, "503 at once; no further log-in until people restart the server (`TestPINChanged`)"},
	{hsm.ClassConfig, "at the start: refuses to start, naming the key, mechanism or setting; later: 503. Those that speak of a key's type and rights later mean a handle that became another's: a new log-in (`TestProbe…`)"},
	{hsm.ClassInput, "the caller asked for something impossible: refused before or by the module; the log-in stays"},
	{hsm.ClassBlob, "answers of an unwrapping or opening only: a good blob is tried; if it opens, this one is damaged and its token is quarantined; if not, the module is away (`TestGeneralErrorIsNoVerdict`)"},
}

// TestClause5_3_5_TableOfFaults: what docs/hsm.md says of every return value is
// what the code does.
func TestClause5_3_5_TableOfFaults(t *testing.T) {
	const path, begin, end = "../../docs/hsm.md", "-update -->\n", "<!-- end of table -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, foot, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("the marks of the table are not in docs/hsm.md")
	}
	want := head + begin + tableOfFaults(t) + end + foot
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Errorf("the table is not what the code does: go test ./hsm/pkcs11 -run TableOfFaults -update")
	}
}

func tableOfFaults(t *testing.T) string {
	t.Helper()
	byClass := map[hsm.Class][]uint{}
	for code, class := range pkcs11.Classes {
		byClass[class] = append(byClass[class], code)
	}
	for code := range pkcs11.BlobCodes {
		byClass[hsm.ClassBlob] = append(byClass[hsm.ClassBlob], code)
	}
	var b strings.Builder
	b.WriteString("| class | return values | what the server does |\n|---|---|---|\n")
	for _, c := range consequences {
		codes := byClass[c.class]
		delete(byClass, c.class)
		slices.Sort(codes)
		var names []string
		for _, code := range codes {
			_, name, _ := strings.Cut(p11.Error(code).Error(), "CKR_")
			names = append(names, fmt.Sprintf("%s (%#x)", name, code))
		}
		fmt.Fprintf(&b, "| %v | %s | %s |\n", c.class, strings.Join(names, ", "), c.does)
	}
	for class := range byClass {
		t.Errorf("class %v is not in the table", class)
	}
	return b.String()
}

// TestClause5_11_Profiles: each profile can be used, and a name that is none is
// answered with those that are.
func TestClause5_11_Profiles(t *testing.T) {
	names := pkcs11.ProfileNames()
	if !slices.Equal(names, []string{"cloudhsm", "luna", "nss", "p11-kit", "softhsm"}) {
		t.Errorf("the profiles are %v", names)
	}
	for _, name := range names {
		p, err := pkcs11.ProfileNamed(name)
		if err != nil || p.Name != name || p.WrapMechanism == 0 || p.Sessions < 1 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	_, err := pkcs11.ProfileNamed("lunar")
	f := want(t, hsm.ClassConfig, err)
	for _, name := range names {
		if !strings.Contains(f.Error(), name) {
			t.Errorf("%v does not name %s", f, name)
		}
	}
	cfg := newToken(t)
	cfg.Profile, err = pkcs11.ProfileNamed("nss")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pkcs11.Open(t.Context(), cfg); !strings.Contains(fmt.Sprint(err), "hsm.init") {
		t.Errorf("without its init string: %v", err)
	}
}
