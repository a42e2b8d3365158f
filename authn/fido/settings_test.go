package fido_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn/fido"
)

func TestSettingsFaults(t *testing.T) {
	app := "android:apk-key-hash:" + strings.Repeat("a", 43)
	for _, c := range []struct {
		want   string // "" for good
		change func(*fido.Settings)
	}{
		{"", func(*fido.Settings) {}},
		{"", func(s *fido.Settings) {
			s.RPID, s.Origins = "localhost", []string{"http://localhost:8080", "https://localhost"}
		}},
		{"", func(s *fido.Settings) {
			s.RelatedOrigins, s.AppOrigins = []string{"https://bank.example.net"}, []string{app}
		}},
		{"", func(s *fido.Settings) { s.CrossOrigin, s.TopOrigins = true, []string{"https://portal.example"} }},
		{"", func(s *fido.Settings) { s.Algorithms, s.Timeout = []string{"RS256", "EdDSA"}, time.Minute }},
		{`rp_id: "" is not a domain`, func(s *fido.Settings) { s.RPID = "" }},
		{"rp_id", func(s *fido.Settings) { s.RPID = "https://bank.example" }},
		{"rp_id", func(s *fido.Settings) { s.RPID = "bank.example:443" }},
		{"rp_id", func(s *fido.Settings) { s.RPID = "Bank.example" }},
		{"rp_id", func(s *fido.Settings) { s.RPID = "192.0.2.1" }},
		{"rp_id", func(s *fido.Settings) { s.RPID = "example" }},
		{"rp_name", func(s *fido.Settings) { s.RPName = "" }},
		{"rp_name", func(s *fido.Settings) { s.RPName = strings.Repeat("x", 65) }},
		{"origins: name at least one, as https://bank.example", func(s *fido.Settings) { s.Origins = nil }},
		{`origins[0]: "https://Bank.example/" is not an origin: write https://bank.example (`, func(s *fido.Settings) { s.Origins[0] = "https://Bank.example/" }},
		{"origins[0]", func(s *fido.Settings) { s.Origins[0] = "https://bank.example:443" }},
		{"origins[0]", func(s *fido.Settings) { s.Origins[0] = "https://user@bank.example" }},
		{"origins[0]", func(s *fido.Settings) { s.Origins[0] = "https://bank.example?x" }},
		{"origins[0]", func(s *fido.Settings) { s.Origins[0] = "bank.example" }},
		{"origins[0]", func(s *fido.Settings) { s.Origins[0] = "" }},
		{"origins[1]: \"http://bank.example\" is not a secure origin", func(s *fido.Settings) { s.Origins[1] = "http://bank.example" }},
		{"origins[1]", func(s *fido.Settings) { s.Origins[1] = "https://192.0.2.1" }},
		{"origins[1]: https://bank.example.evil is not on bank.example", func(s *fido.Settings) { s.Origins[1] = "https://bank.example.evil" }},
		{"origins[1]", func(s *fido.Settings) { s.Origins[1] = "https://notbank.example" }},
		{"related_origins[0]: https://x.bank.example is on bank.example itself", func(s *fido.Settings) { s.RelatedOrigins = []string{"https://x.bank.example"} }},
		{"related_origins[0]", func(s *fido.Settings) { s.RelatedOrigins = []string{"x"} }},
		{"app_origins[0]", func(s *fido.Settings) { s.AppOrigins = []string{"android:apk-key-hash:short"} }},
		{"app_origins[0]", func(s *fido.Settings) { s.AppOrigins = []string{app + "\n"} }},
		{"cross_origin: needs top_origins", func(s *fido.Settings) { s.CrossOrigin = true }},
		{"top_origins: they are for frames", func(s *fido.Settings) { s.TopOrigins = []string{"https://portal.example"} }},
		{"top_origins: they are for frames", func(s *fido.Settings) { s.TopOriginOptional = true }},
		{"top_origins[0]", func(s *fido.Settings) { s.CrossOrigin, s.TopOrigins = true, []string{"*"} }},
		{"timeout", func(s *fido.Settings) { s.Timeout = -1 }},
		{`algorithms[1]: "RS1" is not one of`, func(s *fido.Settings) { s.Algorithms = []string{"ES256", "RS1"} }},
	} {
		s := settings()
		c.change(&s)
		rp, err := fido.New(s)
		switch {
		case c.want == "" && (err != nil || rp.RPID() != s.RPID):
			t.Errorf("%+v: %v", s, err)
		case c.want != "" && (err == nil || rp != nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v does not say %s", err, c.want)
		}
	}
	if _, err := fido.New(fido.Settings{}); strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not every fault at once: %v", err)
	}
}

func TestWellKnown(t *testing.T) {
	if got := relyingParty(t).WellKnown(); got != nil {
		t.Errorf("%s", got)
	}
	got := relyingParty(t, func(s *fido.Settings) { s.RelatedOrigins = []string{"https://bank.example.net"} }).WellKnown()
	want := `{"origins":["` + origin + `","https://bank.example:8443","https://bank.example.net"]}`
	if string(got) != want {
		t.Errorf("%s", got)
	}
}

func decoded(t testing.TB, options []byte, err error) map[string]any {
	t.Helper()
	var m map[string]any
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(options, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// at walks into decoded JSON by names.
func walk(v any, path ...string) any {
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func TestCreationOptions(t *testing.T) {
	rp := relyingParty(t)
	options, err := rp.CreationOptions(fido.CreationInput{
		Challenge: challenge("enrol"), User: fido.User{Handle: handle, Name: "C-1", DisplayName: "Ayan"},
		Exclude:     []fido.Descriptor{{ID: []byte{1, 2, 3}, Transports: []string{"usb", "later"}}, {ID: []byte{4}}},
		ResidentKey: fido.Required, UserVerification: fido.Preferred, Attestation: fido.ConveyDirect,
		Attachment: "cross-platform", Hints: []string{"security-key"}, Timeout: 90 * time.Second,
	})
	m := decoded(t, options, err)
	for path, want := range map[string]any{
		"rp/id": rpID, "rp/name": "Bank", "user/id": b64.EncodeToString(handle), "user/name": "C-1", "user/displayName": "Ayan",
		"challenge": b64.EncodeToString(challenge("enrol")), "timeout": 90000.0, "attestation": "direct",
		"authenticatorSelection/residentKey": "required", "authenticatorSelection/requireResidentKey": true,
		"authenticatorSelection/userVerification": "preferred", "authenticatorSelection/authenticatorAttachment": "cross-platform",
		"extensions/credProps": true,
	} {
		if got := walk(m, strings.Split(path, "/")...); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	var algs []float64
	for _, p := range m["pubKeyCredParams"].([]any) {
		algs = append(algs, walk(p, "alg").(float64))
	}
	if !slices.Equal(algs, []float64{-7, -35, -36, -8, -257}) {
		t.Errorf("algorithms %v", algs)
	}
	exclude := m["excludeCredentials"].([]any)
	if len(exclude) != 2 || walk(exclude[0], "id") != "AQID" || walk(exclude[0], "type") != "public-key" ||
		len(walk(exclude[0], "transports").([]any)) != 2 || walk(exclude[1], "transports") != nil {
		t.Errorf("exclude %v", exclude)
	}

	options, err = rp.CreationOptions(fido.CreationInput{Challenge: challenge("enrol"), User: fido.User{Handle: handle}})
	m = decoded(t, options, err)
	if walk(m, "authenticatorSelection", "residentKey") != "discouraged" || walk(m, "authenticatorSelection", "userVerification") != "required" ||
		walk(m, "authenticatorSelection", "requireResidentKey") != nil || m["timeout"] != 300000.0 || m["excludeCredentials"] != nil {
		t.Errorf("defaults: %v", m)
	}
}

func TestRequestOptions(t *testing.T) {
	rp := relyingParty(t)
	record := fido.Record{ID: []byte{1, 2, 3}, Transports: []string{"usb"}}
	options, err := rp.RequestOptions(fido.RequestInput{Challenge: challenge("login"), Allow: []fido.Descriptor{record.Descriptor()},
		UserVerification: fido.Discouraged, Hints: []string{"hybrid", "client-device"}})
	m := decoded(t, options, err)
	allow := m["allowCredentials"].([]any)
	if m["rpId"] != rpID || m["challenge"] != b64.EncodeToString(challenge("login")) || m["userVerification"] != "discouraged" ||
		len(allow) != 1 || walk(allow[0], "id") != "AQID" || len(m["hints"].([]any)) != 2 {
		t.Errorf("%v", m)
	}
	options, err = rp.RequestOptions(fido.RequestInput{Challenge: challenge("login")})
	if m := decoded(t, options, err); m["allowCredentials"] != nil || m["userVerification"] != "required" {
		t.Errorf("%v", m)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	rp := relyingParty(t)
	good := fido.CreationInput{Challenge: challenge("enrol"), User: fido.User{Handle: handle}}
	for name, change := range map[string]func(*fido.CreationInput){
		"short challenge": func(in *fido.CreationInput) { in.Challenge = in.Challenge[:15] },
		"no handle":       func(in *fido.CreationInput) { in.User.Handle = nil },
		"long handle":     func(in *fido.CreationInput) { in.User.Handle = make([]byte, 65) },
		"resident":        func(in *fido.CreationInput) { in.ResidentKey = "yes" },
		"verification":    func(in *fido.CreationInput) { in.UserVerification = "yes" },
		"attestation":     func(in *fido.CreationInput) { in.Attestation = "indirect" },
		"attachment":      func(in *fido.CreationInput) { in.Attachment = "usb" },
		"hint":            func(in *fido.CreationInput) { in.Hints = []string{"usb"} },
	} {
		in := good
		change(&in)
		if got, err := rp.CreationOptions(in); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, in := range map[string]fido.RequestInput{
		"short challenge": {Challenge: make([]byte, 8)}, "verification": {Challenge: challenge("x"), UserVerification: "maybe"},
		"hint": {Challenge: challenge("x"), Hints: []string{"x"}},
	} {
		if got, err := rp.RequestOptions(in); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAAGUIDText(t *testing.T) {
	a, err := fido.ParseAAGUID("01020304-0506-0708-0102-030405060708")
	if err != nil || a != model || a.String() != "01020304-0506-0708-0102-030405060708" {
		t.Fatal(a, err)
	}
	for _, bad := range []string{"", "01020304-0506-0708-0102-03040506070", "010203040506-0708-0102-0304-05060708", "0102030405060708010203040506070801020", "g1020304-0506-0708-0102-030405060708"} {
		if _, err := fido.ParseAAGUID(bad); err == nil {
			t.Errorf("%q", bad)
		}
	}
	record := fido.Record{ID: []byte{1}, AAGUID: model, Attestation: fido.Attestation{Trust: fido.Trusted}}
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	var back fido.Record
	if err := json.Unmarshal(text, &back); err != nil || back.AAGUID != model || back.Attestation.Trust != fido.Trusted {
		t.Fatalf("%s: %+v, %v", text, back, err)
	}
	record.AAGUID = fido.AAGUID{}
	if text, err = json.Marshal(record); err != nil || strings.Contains(string(text), "aaguid") {
		t.Fatalf("%s, %v", text, err)
	}
}
