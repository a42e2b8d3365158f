package tokens_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"mohur/hsm"
	"mohur/tokens"
)

func profileOf(t *testing.T, name string) tokens.Profile {
	t.Helper()
	p, ok := tokens.ProfileOf(name)
	if !ok || p.Name != name {
		t.Fatalf("there is no profile %s", name)
	}
	return p
}

// Every profile that is shipped can be read, says where its facts are from, and
// stays below the ceiling.
func TestTheProfilesOfTheHouse(t *testing.T) {
	f, err := os.Open("profiles.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := tokens.LoadProfiles(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if profileOf(t, p.Name).Title != p.Title {
			t.Errorf("%s is another profile", p.Name)
		}
		if len(p.Sources) == 0 {
			t.Errorf("%s has no source", p.Name)
		}
		if p.Windows != p.Bounded() || p.Windows == (tokens.Windows{}) {
			t.Errorf("%s: windows %+v", p.Name, p.Windows)
		}
	}
	names := make([]string, len(list))
	for i, p := range tokens.Profiles() {
		names[i] = p.Name
	}
	for _, name := range []string{
		"oath", "oath-pin", "feitian-c200", "digipass-go", "digipass-7xx-pin", "safenet-etoken-pass", "yubikey-hotp", "authenticator-app", "ocra-keypad-pin",
	} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing", name)
		}
	}
	if names[0] != tokens.DefaultProfile || profileOf(t, "oath").PINOnDevice || !profileOf(t, "oath-pin").PINOnDevice {
		t.Errorf("the first profiles are not what they were: %v", names)
	}
	if _, known := tokens.ProfileOf("no-such-device"); known {
		t.Error("a profile of any name is known")
	}
}

// A credential that its profile does not allow is told, with what is allowed.
func TestCredentialsThatDoNotFitTheirProfile(t *testing.T) {
	const (
		counted = "OCRA-1:HOTP-SHA256-8:C-QN08"
		typed   = "OCRA-1:HOTP-SHA256-8:C-QN20"
	)
	hotp := tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 6}
	totp := tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 6, Step: 30}
	ocra := tokens.Credential{Kind: tokens.OCRA, Hash: hsm.SHA256, Digits: 8, Suite: counted}
	with := func(c tokens.Credential, change func(*tokens.Credential)) tokens.Credential {
		change(&c)
		return c
	}
	suite := func(text string) tokens.Credential {
		return with(ocra, func(c *tokens.Credential) { c.Suite = text })
	}
	for _, v := range []struct {
		profile string
		c       tokens.Credential
		fault   string // a part of it; "" for none
	}{
		{"oath", hotp, ""}, {"oath", totp, ""}, {"oath", ocra, ""}, {"oath-pin", ocra, ""},
		{"oath", with(hotp, func(c *tokens.Credential) { c.Digits, c.Hash = 10, hsm.SHA512 }), ""},
		{"oath", with(totp, func(c *tokens.Credential) { c.Step, c.T0 = 60, -1e9 }), ""},
		{"oath", tokens.Credential{Kind: "card", Hash: hsm.SHA1, Digits: 6}, "card"},
		{"oath", with(hotp, func(c *tokens.Credential) { c.Digits = 5 }), "digits"},
		{"oath", with(hotp, func(c *tokens.Credential) { c.Hash = 0 }), "hash"},
		{"oath", with(hotp, func(c *tokens.Credential) { c.T0 = 1 }), "T0"},
		{"oath", with(totp, func(c *tokens.Credential) { c.Step = 45 }), "30, 60; this key has 45"},
		{"oath", with(totp, func(c *tokens.Credential) { c.T0 = 1 << 62 }), "T0"},
		{"oath", suite("OCRA-1:HOTP-SHA256-8:QN08"), "used twice"},
		{"oath", suite("OCRA-1:HOTP-SHA256-8:QN08-T1H"), "time step"},
		{"oath", suite("OCRA-1:HOTP-SHA256-8:C-QN08-S064"), "session"},
		{"oath", suite("OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1"), "PIN"},
		{"oath", suite("OCRA-1:HOTP-SHA256-0:C-QN08"), "cannot be read"},
		{"oath", suite("OCRA-1:HOTP-SHA1-8:C-QN08"), "digits or hash"},
		{"oath", suite("OCRA-1:HOTP-SHA256-6:C-QN08"), "digits or hash"},
		{"oath", suite(""), "cannot be read"},
		{"feitian-c200", totp, ""}, {"feitian-c200", hotp, "takes keys of the kind totp; this key has hotp"},
		{"feitian-c200", with(totp, func(c *tokens.Credential) { c.Hash = hsm.SHA256 }), "the hash SHA1; this key has SHA256"},
		{"feitian-c200", with(totp, func(c *tokens.Credential) { c.Digits = 8 }), "digits: 6; this key has 8"},
		{"yubikey-hotp", with(hotp, func(c *tokens.Credential) { c.Digits = 8 }), ""}, {"yubikey-hotp", with(hotp, func(c *tokens.Credential) { c.Digits = 7 }), "6, 8"},
		{"authenticator-app", totp, ""}, {"authenticator-app", with(totp, func(c *tokens.Credential) { c.Step = 60 }), "30; this key has 60"},
		{"ocra-keypad-pin", suite(typed), ""}, {"ocra-keypad-pin", ocra, "QN20"},
	} {
		if why := profileOf(t, v.profile).Fault(v.c); (why == "") != (v.fault == "") || !strings.Contains(why, v.fault) {
			t.Errorf("%s, %+v: %q, want %q", v.profile, v.c, why, v.fault)
		}
	}
	if why := (tokens.Profile{}).Fault(hotp); why == "" {
		t.Error("a profile that is none takes a key")
	}
}

// minimal is a profile of a bank with the members it has to have.
const minimal = `{"name": "bank-x", "title": "X", "kinds": ["ocra"], "hashes": ["SHA256"], "digits": [8],
 "pin_on_device": true, "software": false, "binds": true, "shown": "none"}`

// file is a file with that one profile, some members replaced or, if empty, left out.
func file(t *testing.T, members map[string]string) string {
	t.Helper()
	p := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(minimal), &p); err != nil {
		t.Fatal(err)
	}
	for name, v := range members {
		p[name] = json.RawMessage(v)
		if v == "" {
			delete(p, name)
		}
	}
	b, err := json.Marshal(map[string]any{"profiles": []any{p}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProfilesOfABank(t *testing.T) {
	list, err := tokens.LoadProfiles(strings.NewReader(file(t, map[string]string{"windows": `{"look_ahead": 3}`})))
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	want := tokens.DefaultWindows()
	want.LookAhead = 3
	if p := list[0]; p.Windows != want || !p.PINOnDevice || p.Software || !p.Binds {
		t.Errorf("%+v", p)
	}
	t.Cleanup(func() {
		if err := tokens.UseProfiles(nil); err != nil {
			t.Error(err)
		}
	})
	if err := tokens.UseProfiles(list); err != nil {
		t.Fatal(err)
	}
	profileOf(t, "bank-x")
	profileOf(t, "oath")
	// A name of the house, or a name twice, changes nothing.
	mine := list[0]
	mine.Name = "oath"
	for _, added := range [][]tokens.Profile{{mine}, {list[0], list[0]}} {
		if err := tokens.UseProfiles(added); err == nil || !strings.Contains(err.Error(), "name") {
			t.Errorf("%v", err)
		}
	}
	if profileOf(t, "oath").PINOnDevice {
		t.Error("oath has become two factors")
	}
	profileOf(t, "bank-x")
}

// Each fault of a file is told with its profile and its field.
func TestProfilesWithFaultsAreRefused(t *testing.T) {
	for _, v := range []struct {
		members map[string]string
		fault   string
	}{
		{map[string]string{"name": ""}, "name is missing"},
		{map[string]string{"title": ""}, "title is missing"},
		{map[string]string{"kinds": ""}, "kinds is missing"},
		{map[string]string{"hashes": ""}, "hashes is missing"},
		{map[string]string{"digits": ""}, "digits is missing"},
		{map[string]string{"pin_on_device": ""}, "pin_on_device is missing"},
		{map[string]string{"software": ""}, "software is missing"},
		{map[string]string{"binds": ""}, "binds is missing"},
		{map[string]string{"shown": ""}, "shown is missing"},
		{map[string]string{"name": `"Bank X"`}, "name needs"},
		{map[string]string{"name": `"` + strings.Repeat("x", 33) + `"`}, "name needs"},
		{map[string]string{"title": `""`}, "title needs"},
		{map[string]string{"title": "null"}, "title is null"},
		{map[string]string{"windows": "null"}, "windows is null"},
		{map[string]string{"kinds": `[]`}, "kinds needs"},
		{map[string]string{"kinds": `["ocra", "ocra"]`}, "kinds needs"},
		{map[string]string{"kinds": `["ocra", "fido"]`}, "kinds needs"},
		{map[string]string{"kinds": `"ocra"`}, "kinds has a value of the wrong type"},
		{map[string]string{"hashes": `["MD5"]`}, "hashes needs"},
		{map[string]string{"digits": `[5]`}, "digits needs"},
		{map[string]string{"digits": `[8.5]`}, "digits"},
		{map[string]string{"digits": `["8"]`}, "digits.0 has a value of the wrong type"},
		{map[string]string{"steps": `[30]`}, "steps is for totp"},
		{map[string]string{"kinds": `["totp", "ocra"]`}, "steps needs"},
		{map[string]string{"kinds": `["totp", "ocra"]`, "steps": `[45]`}, "steps needs"},
		{map[string]string{"kinds": `["hotp"]`}, "binds is for ocra"},
		{map[string]string{"kinds": `["hotp"]`, "binds": "false", "suites": `["OCRA-1:HOTP-SHA256-8:C-QN08"]`}, "suites is for ocra"},
		{map[string]string{"suites": `["OCRA-1:HOTP-SHA256-8:QN08"]`}, "suites.0 the OCRA suite has neither"},
		{map[string]string{"suites": `["OCRA"]`}, "suites.0 is no suite"},
		{map[string]string{"suites": `["OCRA-1:HOTP-SHA256-6:C-QN08"]`}, "suites.0 the profile bank-x takes codes"},
		{map[string]string{"suites": `["OCRA-1:HOTP-SHA256-8:C-QN08-S064"]`}, "suites.0 the OCRA suite takes data of a session"},
		{map[string]string{"suites": `["OCRA-1:HOTP-SHA256-8:C-QN08", "OCRA-1:HOTP-SHA256-8:C-QN08"]`}, "suites.1 stands there twice"},
		{map[string]string{"shown": `"agent"`}, "shown needs"},
		{map[string]string{"shown": `"device"`}, "shown: device needs"},
		{map[string]string{"shown": `"device"`, "suites": `["OCRA-1:HOTP-SHA256-8:C-QN08"]`}, "suites.0 has a question in which"},
		{map[string]string{"shown": `"device"`, "suites": `["OCRA-1:HOTP-SHA256-8:C-QH20"]`}, "suites.0 has a question in which"},
		{map[string]string{"kinds": `["card"]`}, "hashes, digits, steps and suites are for one-time passwords"},
		{map[string]string{"kinds": `["card"]`, "hashes": `[]`, "digits": `[]`, "pin_on_device": "false"}, "pin_on_device needs to be true"},
		{map[string]string{"kinds": `["card"]`, "hashes": `[]`, "digits": `[]`, "pin_on_device": "true", "software": "true"}, "software false"},
		{map[string]string{"kinds": `["card"]`, "hashes": `[]`, "digits": `[]`, "pin_on_device": "true", "binds": "false"}, "binds needs to be true"},
		{map[string]string{"kinds": `["card", "ocra"]`}, "kinds needs"},
		{map[string]string{"issuer": `"state"`}, "issuer is for cards"},
		{map[string]string{"factors": "2"}, "factors is not a member"},
		{map[string]string{"Name": `"bank-y"`}, "Name is not a member"},
		{map[string]string{"pin_on_device": `"yes"`}, "pin_on_device has a value of the wrong type"},
		{map[string]string{"windows": `{"look_ahead": 21}`}, "windows.look_ahead needs to be from 0 to 20"},
		{map[string]string{"windows": `{"look_ahead": -1}`}, "windows.look_ahead"},
		{map[string]string{"windows": `{"steps_either": 3}`}, "windows.steps_either"},
		{map[string]string{"windows": `{"life_seconds": 121}`}, "windows.life_seconds needs to be from 30 to 120"},
		{map[string]string{"windows": `{"life_seconds": 29}`}, "windows.life_seconds"},
		{map[string]string{"windows": `{"max_drift_steps": 11}`}, "windows.max_drift_steps"},
		{map[string]string{"windows": `{"resync_counters": 201}`}, "windows.resync_counters"},
		{map[string]string{"windows": `{"resync_counters": 0}`}, "windows.resync_counters"},
		{map[string]string{"windows": `{"resync_steps_either": 21}`}, "windows.resync_steps_either"},
		{map[string]string{"windows": `{"challenge_seconds": 301}`}, "windows.challenge_seconds needs to be from 30 to 300"},
		{map[string]string{"windows": `{"look_back": 1}`}, "windows.look_back is not a member"},
		{map[string]string{"windows": `{"look_ahead": 1e99}`}, "windows.look_ahead"},
		{map[string]string{"windows": `{"look_ahead": 1, "look_ahead": 2}`}, "look_ahead stands there twice"},
	} {
		list, err := tokens.LoadProfiles(strings.NewReader(file(t, v.members)))
		if err == nil || !strings.Contains(err.Error(), v.fault) || list != nil {
			t.Errorf("%v: %v", v.members, err)
		}
	}
	// All faults at once, each with its profile.
	two := `{"profiles": [` + minimal + `, ` + strings.Replace(minimal, `[8]`, `[4]`, 1) + `]}`
	_, err := tokens.LoadProfiles(strings.NewReader(two))
	if err == nil || !strings.Contains(err.Error(), `profile 2 "bank-x": digits`) || !strings.Contains(err.Error(), `profile 2 "bank-x": name stands there twice`) {
		t.Error(err)
	}
	for _, text := range []string{"", "{}", "[]", "null", `{"profiles": []}`, `{"profiles": {}}`, `{"profiles": [[]]}`, `{"profiles": [null]}`, `{"profiles": [1]}`, minimal, two + "x",
		`{"profiles": [` + minimal + `], "profiles": []}`, `{"profile": [` + minimal + `]}`, `{"profiles": [` + strings.TrimSuffix(strings.Repeat(minimal+",", 201), ",") + `]}`,
		`{"about": "` + strings.Repeat("x", 1<<20) + `", "profiles": [` + minimal + `]}`} {
		if list, err := tokens.LoadProfiles(strings.NewReader(text)); err == nil || list != nil {
			t.Errorf("%.60q was taken", text)
		}
	}
}

// Clause 5.23: of two windows the narrower holds.
func TestClause5_23_WindowsNarrow(t *testing.T) {
	a := tokens.Windows{LookAhead: 5, StepsEither: 1, LifeSeconds: 120, MaxDrift: 3, ResyncCounters: 50, ResyncSteps: 10, ChallengeSeconds: 60}
	b := tokens.Windows{LookAhead: 10, StepsEither: 0, LifeSeconds: 90, MaxDrift: 3, ResyncCounters: 100, ResyncSteps: 2, ChallengeSeconds: 300}
	want := tokens.Windows{LookAhead: 5, StepsEither: 0, LifeSeconds: 90, MaxDrift: 3, ResyncCounters: 50, ResyncSteps: 2, ChallengeSeconds: 60}
	if a.Narrow(b) != want || b.Narrow(a) != want || a.LookAhead != 5 || b.StepsEither != 0 {
		t.Errorf("%+v and %+v", a.Narrow(b), b.Narrow(a))
	}
	for _, v := range []struct{ steps, life, step, tried, valid int }{
		{1, 120, 30, 3, 90}, {1, 120, 60, 2, 120}, {0, 120, 30, 1, 30}, {2, 120, 30, 4, 120}, {2, 120, 60, 2, 120}, {1, 60, 30, 2, 60}, {1, 30, 60, 1, 60}, {1, 0, 30, 1, 30},
	} {
		w := tokens.Windows{StepsEither: v.steps, LifeSeconds: v.life}
		if w.Steps(v.step) != v.tried || w.ValidFor(v.step) != v.valid {
			t.Errorf("%+v: %d steps, %d s", v, w.Steps(v.step), w.ValidFor(v.step))
		}
	}
	for _, p := range tokens.Profiles() {
		for _, step := range p.Steps {
			if s := p.ValidFor(step); s > 120 || s < step {
				t.Errorf("%s: a code of %d s is taken for %d s", p.Name, step, s)
			}
		}
	}
}

// The example of docs/otp.md is one, and its table has every profile.
func TestTheDocumentOfProfiles(t *testing.T) {
	doc, err := os.ReadFile("../docs/otp.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(doc), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	if _, err := tokens.LoadProfiles(strings.NewReader(example)); err != nil {
		t.Error(err)
	}
	for _, p := range tokens.Profiles() {
		if !strings.Contains(string(doc), "`"+p.Name+"`") {
			t.Errorf("docs/otp.md does not tell of %s", p.Name)
		}
	}
}

// Whatever is taken for a profile holds what it promises.
func FuzzLoadProfiles(f *testing.F) {
	f.Add([]byte(`{"profiles": [` + minimal + `]}`))
	f.Add([]byte(`{"profiles": [` + strings.Replace(minimal, `"shown"`, `"windows": {"look_ahead": 20}, "shown"`, 1) + `]}`))
	f.Add([]byte(`{"about": "x", "profiles": [` + strings.Replace(minimal, `"none"`, `"device", "suites": ["OCRA-1:HOTP-SHA256-8:C-QN20"], "sources": ["[m]"]`, 1) + `]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := tokens.LoadProfiles(strings.NewReader(string(text)))
		if (err == nil) != (len(list) > 0) {
			t.Fatalf("%d profiles, %v", len(list), err)
		}
		for _, p := range list {
			if p.Windows != p.Bounded() || p.Name == "" || len(p.Kinds) == 0 || p.Binds && !p.Bare() && !slices.Contains(p.Kinds, tokens.OCRA) {
				t.Fatalf("%+v", p)
			}
			for _, s := range p.Suites {
				if s == "OCRA-1:HOTP-SHA256-8:QN08" {
					t.Fatal("a suite of which nothing is used up")
				}
			}
		}
	})
}
