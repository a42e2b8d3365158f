package otp_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/settle"
	"mohur/tokens"
)

// counterRows say what becomes of the code of counter next+offset, with a
// look-ahead of 10.
var counterRows = []struct {
	offset int
	want   otp.Reason
}{
	{-3, otp.WrongCode}, {-2, otp.WrongCode}, {-1, otp.Replayed},
	{0, ""}, {1, ""}, {9, ""}, {10, ""},
	{11, otp.TooEarly}, {12, otp.WrongCode},
}

// Clause 5.23: a code by event is taken within the look-ahead window and once,
// wherever the counter stands.
func TestClause5_23_WindowOfCounters(t *testing.T) {
	for _, d := range []device{
		newDevice(t, tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 9}),
		ocraDevice(t, "OCRA-1:HOTP-SHA256-9:C-QN08"),
	} {
		code := func(counter uint64) string {
			if d.Kind == tokens.OCRA {
				return d.answer(t, otp.Input{Counter: counter, Question: "12345678"})
			}
			return d.moving(counter)
		}
		for _, next := range []uint64{0, 1, 1<<31 - 6, 1 << 31, 1<<32 - 6, 1 << 32, 1<<53 - 6, 1 << 53, 1<<63 - 6, 1 << 63, math.MaxUint64 - 13} {
			for _, row := range counterRows {
				counter := next + uint64(row.offset)
				if row.offset < 0 && counter > next {
					continue // before the first counter
				}
				e := verify(t, otp.Response{Credential: d.Credential, Profile: profile(t), Hot: settle.Hot{Counter: next}, Question: "12345678", Code: code(counter)})
				expect(t, fmt.Sprintf("%s, next %d, code of %+d", d.Kind, next, row.offset), e, row.want)
				if e.Match && (e.Next != counter+1 || e.Drift != 0) {
					t.Errorf("next %d, code of %+d: %+v", next, row.offset, e)
				}
			}
		}
	}
}

// The last counter is never taken: behind it, all the used ones would begin anew.
func TestClause5_23_CountersEnd(t *testing.T) {
	const last = math.MaxUint64
	d := newDevice(t, tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA256, Digits: 9})
	for _, v := range []struct {
		next, code uint64
		want       otp.Reason
	}{
		{last - 2, last - 2, ""}, {last - 2, last - 1, ""}, {last - 2, last, otp.WrongCode}, {last - 2, 0, otp.WrongCode},
		{last - 1, last - 1, ""}, {last - 1, last, otp.WrongCode}, {last - 1, last - 2, otp.Replayed},
		{last, last, otp.Exhausted}, {last, last - 1, otp.Exhausted}, {last, 0, otp.Exhausted},
	} {
		e := verify(t, otp.Response{Credential: d.Credential, Profile: profile(t), Hot: settle.Hot{Counter: v.next}, Code: d.moving(v.code)})
		if v.want == otp.Exhausted && (e.Match || e.Reason != v.want) || v.want != otp.Exhausted && (e.Match != (v.want == "") || e.Reason != v.want) {
			t.Errorf("next %d, code of %d: %+v, want %q", v.next, v.code, e, v.want)
		}
		if e.Match && e.Next != v.code+1 {
			t.Errorf("next %d, code of %d: %+v", v.next, v.code, e)
		}
	}
}

// secondRows say what becomes of a code at so many seconds after its step began,
// for a step of 30 and of 60 seconds.
var secondRows = map[int][]struct {
	from, to int // seconds, both included
	want     otp.Reason
}{
	30: {
		{-90, -61, otp.WrongCode}, {-60, -31, otp.TooEarly}, {-30, -1, ""}, {0, 29, ""}, {30, 59, ""}, {60, 89, otp.TooLate}, {90, 120, otp.WrongCode},
	},
	60: { // three steps would be 180 seconds
		{-120, -61, otp.WrongCode}, {-60, -1, otp.TooEarly}, {0, 59, ""}, {60, 119, ""}, {120, 179, otp.TooLate}, {180, 240, otp.WrongCode},
	},
}

// Clause 5.23: a code by time lives from its first second to its last, 120 at
// most, in this century and beyond, wherever the count of steps begins.
func TestClause5_23_WindowOfTime(t *testing.T) {
	utc := func(text string) int64 {
		at, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		return at.Unix()
	}
	moments := []int64{
		utc("1970-01-01 00:05:00"), utc("2026-03-29 01:00:00"), 1<<31 - 1, 1 << 31, utc("2038-01-19 03:14:07"), 1<<32 - 1, 1 << 32,
		utc("2100-02-28 23:59:59"), utc("2100-03-01 00:00:00"), utc("2100-12-31 23:59:59"), (1<<31 + 1) * 60, (1<<32 + 1) * 30, utc("9999-12-31 23:50:00"),
	}
	for step, rows := range secondRows {
		for _, t0 := range []int64{0, 7, -1, -3600*24*365*1000 - 11} {
			d := newDevice(t, tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA256, Digits: 9, Step: step, T0: t0})
			for _, moment := range moments {
				factor := (moment - t0) / int64(step)
				begins, code := factor*int64(step)+t0, d.moving(uint64(factor))
				for _, row := range rows {
					for _, second := range []int{row.from, (row.from + row.to) / 2, row.to} {
						at := time.Unix(begins+int64(second), 999_999_999)
						e := verify(t, otp.Response{Credential: d.Credential, Profile: profile(t), Code: code, At: at})
						expect(t, fmt.Sprintf("step %d from %d, %s, second %d", step, t0, at.UTC().Format(time.RFC3339), second), e, row.want)
						if e.Match && e.Next != uint64(factor)+1 {
							t.Errorf("step %d, second %d: %+v", step, second, e)
						}
					}
				}
			}
		}
	}
}

// Before T0 there is no step, but for the one that a fast clock may show.
func TestClause5_23_BeforeTheFirstStep(t *testing.T) {
	const t0 = 4e9
	d := newDevice(t, tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA256, Digits: 9, Step: 30, T0: t0})
	for _, v := range []struct {
		at   int64
		step uint64
		want otp.Reason
	}{
		{0, 0, ""}, {0, 1, ""}, {0, 2, otp.TooEarly}, {-1, 0, ""}, {-1, 1, otp.TooEarly}, {-30, 0, ""}, {-31, 0, otp.TooEarly}, {-31, 1, otp.WrongCode}, {-61, 1, otp.WrongCode}, {-t0, 5, otp.WrongCode},
	} {
		e := verify(t, otp.Response{Credential: d.Credential, Profile: profile(t), Code: d.moving(v.step), At: time.Unix(t0+v.at, 0)})
		expect(t, fmt.Sprintf("%+v", v), e, v.want)
	}
}

// Clause 5.23: a used step, and all before it, is dead for ever.
func TestClause5_23_UsedStepsAreDead(t *testing.T) {
	d := newDevice(t, tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 8, Step: 30})
	const step = 37037037
	at := time.Unix(step*30+3, 0)
	for _, v := range []struct {
		name string
		code uint64
		next uint64 // of the hot row
		want otp.Reason
	}{
		{"unused", step, step, ""}, {"the one before was used", step, step, ""}, {"it was used", step, step + 1, otp.Replayed},
		{"a later one was used", step, step + 2, otp.Replayed}, {"one far in the future was used", step, math.MaxUint64, otp.Replayed},
		{"the step before, which is older than the used one", step - 1, step + 1, otp.Replayed},
		{"the step before, unused, after none", step - 1, step - 1, ""},
		{"the step to come, when this one was used", step + 1, step + 1, ""},
		{"too late, and used", step - 2, step + 1, otp.Replayed},
	} {
		e := verify(t, otp.Response{Credential: d.Credential, Profile: profile(t), Hot: settle.Hot{Counter: v.next}, Code: d.moving(v.code), At: at})
		expect(t, v.name, e, v.want)
	}
	// A day of log-ins: every code once, and none of the older ones afterwards.
	hot := settle.Hot{}
	for i := range int64(20) {
		at, code := time.Unix((step+i)*30+29, 0), d.moving(uint64(step+i))
		r := otp.Response{Credential: d.Credential, Profile: profile(t), Hot: hot, Code: code, At: at}
		e := verify(t, r)
		expect(t, "first", e, "")
		hot.Counter, hot.Drift = e.Next, e.Drift
		r.Hot = hot
		expect(t, "again", verify(t, r), otp.Replayed)
		r.Code = d.moving(uint64(step + i - 1))
		expect(t, "the one before", verify(t, r), otp.Replayed)
	}
}

// The drift of a token's clock is learnt from a success only, step by step, and
// never beyond its bound.
func TestClause5_23_DriftIsLearntAndBounded(t *testing.T) {
	const step = 37037037
	for _, v := range []struct {
		size  int
		drift int8
		late  int64 // steps after the code's own
		want  otp.Reason
		then  int8
	}{
		{30, 0, 0, "", 0}, {30, 0, 1, "", -1}, {30, 0, -1, "", 1}, {30, -1, 2, "", -2}, {30, -2, 3, "", -3},
		{30, -3, 4, "", -3}, {30, -3, 5, otp.TooLate, 0}, {30, 3, -4, "", 3}, {30, 3, -5, otp.TooEarly, 0}, {30, 0, 2, otp.TooLate, 0},
		// What a resynchronisation found is kept, shrinks, and does not grow.
		{30, 8, -8, "", 8}, {30, 8, -9, "", 8}, {30, 8, -7, "", 7}, {30, -10, 10, "", -10},
		// No success teaches more than a resynchronisation may: 100 counts as 10.
		{30, 100, -10, "", 10}, {30, -128, 10, "", -10}, {30, 100, -100, otp.WrongCode, 0},
		// A window without a step to come learns nothing from late typing.
		{60, 0, 0, "", 0}, {60, 0, 1, "", 0}, {60, 0, -1, otp.TooEarly, 0}, {60, 2, -2, "", 2}, {60, 2, -1, "", 2}, {60, 2, 0, otp.TooLate, 0},
	} {
		d := newDevice(t, tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 9, Step: v.size})
		at := time.Unix((step+v.late)*int64(v.size), 0)
		e := verify(t, otp.Response{Credential: d.Credential, Profile: profile(t), Hot: settle.Hot{Drift: v.drift}, Code: d.moving(step), At: at})
		expect(t, fmt.Sprintf("%+v", v), e, v.want)
		if e.Match && e.Drift != v.then {
			t.Errorf("%+v: drift %d", v, e.Drift)
		}
	}
}

// Clause 5.23: nobody can configure past the ceiling, and who narrows a window
// gets a narrower one.
func TestClause5_23_CeilingHolds(t *testing.T) {
	hotp := newDevice(t, tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 9})
	totp := newDevice(t, tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 9, Step: 30})
	const step = 1 << 20
	judge := func(w tokens.Windows, counter uint64, late int64) (otp.Evidence, otp.Evidence) {
		p := tokens.Profile{Windows: w}
		return verify(t, otp.Response{Credential: hotp.Credential, Profile: p, Code: hotp.moving(counter)}),
			verify(t, otp.Response{Credential: totp.Credential, Profile: p, Code: totp.moving(step), At: time.Unix((step+late)*30, 0)})
	}
	wide := tokens.Windows{
		LookAhead: 1e9, StepsEither: 1e9, LifeSeconds: 1e9, MaxDrift: 1e9, ResyncCounters: 1e9, ResyncSteps: 1e9, ChallengeSeconds: 1e9,
	}
	ceiling := tokens.Ceiling()
	byEvent, byTime := judge(wide, uint64(ceiling.LookAhead), 2)
	expect(t, "the last counter of the ceiling", byEvent, "")
	expect(t, "120 seconds", byTime, "")
	byEvent, byTime = judge(wide, uint64(ceiling.LookAhead)+1, 3)
	expect(t, "beyond the ceiling", byEvent, otp.TooEarly)
	expect(t, "151 seconds", byTime, otp.TooLate)
	_, byTime = judge(wide, 0, -2)
	expect(t, "two steps early would be a fifth step", byTime, otp.TooEarly)

	policy := tokens.Windows{LookAhead: 2, StepsEither: 1, LifeSeconds: 60, MaxDrift: 3, ResyncCounters: 1, ResyncSteps: 1, ChallengeSeconds: 60}
	byEvent, byTime = judge(profile(t).Narrow(policy), 3, 1)
	expect(t, "narrowed look-ahead", byEvent, otp.TooEarly)
	expect(t, "60 seconds are two steps", byTime, "")
	_, byTime = judge(profile(t).Narrow(policy), 0, -1)
	expect(t, "the third step is narrowed away", byTime, otp.TooEarly)

	// A profile that nobody knows, or one with nonsense in it, is as narrow as can be.
	for _, none := range []tokens.Windows{{}, {LookAhead: -5, StepsEither: -5, LifeSeconds: -1, MaxDrift: -1, ResyncCounters: -1, ResyncSteps: -1}} {
		byEvent, byTime = judge(none, 0, 0)
		expect(t, "the next counter", byEvent, "")
		byEvent, byTime2 := judge(none, 1, 1)
		expect(t, "one ahead", byEvent, otp.TooEarly)
		if none.StepsEither == 0 {
			expect(t, "the current step", byTime, "")
			expect(t, "the step before", byTime2, otp.TooLate)
		}
	}
}

// Clause 5.23: a challenge has an age beyond which no answer is taken, right or
// wrong.
func TestClause5_23_AgeOfTheChallenge(t *testing.T) {
	d := ocraDevice(t, "OCRA-1:HOTP-SHA256-8:C-QN08")
	asked := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	right := d.answer(t, otp.Input{Question: "12345678"})
	short := profile(t)
	short.ChallengeSeconds = 30
	for _, v := range []struct {
		name    string
		profile tokens.Profile
		after   time.Duration
		code    string
		want    otp.Reason
	}{
		{"at once", profile(t), 0, right, ""},
		{"the last moment", profile(t), 5*time.Minute - 1, right, ""},
		{"five minutes", profile(t), 5 * time.Minute, right, otp.ChallengeExpired},
		{"five minutes, wrong", profile(t), 5 * time.Minute, "00000000", otp.ChallengeExpired},
		{"received before it was made, in one request", profile(t), -time.Second, right, ""},
		{"the clock was set back", profile(t), -time.Minute - 1, right, otp.ChallengeExpired},
		{"a shorter profile", short, 30*time.Second - 1, right, ""},
		{"a shorter profile, too late", short, 30 * time.Second, right, otp.ChallengeExpired},
		{"no profile", tokens.Profile{}, 0, right, otp.ChallengeExpired},
	} {
		e := verify(t, otp.Response{Credential: d.Credential, Profile: v.profile, Question: "12345678", Code: v.code, AskedAt: asked, At: asked.Add(v.after)})
		expect(t, v.name, e, v.want)
	}
	e := verify(t, otp.Response{Credential: d.Credential, Profile: profile(t), Question: "12345678", Code: right, At: asked})
	expect(t, "a challenge whose age the caller bounds", e, "")
}

// Codes are ASCII digits of the exact length.
func TestClause5_23_CodesThatAreNone(t *testing.T) {
	hotp := newDevice(t, tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 6})
	totp := newDevice(t, tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 6, Step: 30})
	ocra := ocraDevice(t, "OCRA-1:HOTP-SHA256-6:C-QN08")
	at := time.Unix(3e9, 0)
	for _, d := range []device{hotp, totp, ocra} {
		r := otp.Response{Credential: d.Credential, Profile: profile(t), At: at}
		var right string
		switch d.Kind {
		case tokens.OCRA:
			r.Question = "12345678"
			right = d.answer(t, otp.Input{Question: r.Question})
		case tokens.TOTP:
			right = d.moving(1e8)
		default:
			right = d.moving(0)
		}
		wide := ""
		for _, c := range right {
			wide += string('０' + c - '0')
		}
		r.Code = right
		expect(t, "the code itself", verify(t, r), "")
		for _, code := range []string{
			"", right[1:], right[:5], right + "0", "0" + right, right + " ", " " + right, right[:3] + " " + right[3:], right[:3] + "-" + right[3:],
			"+" + right[1:], "-" + right[1:], right[:5] + " ", right[:5] + "\x00", right + "\x00", right + "\n", wide, "٠" + right[2:], "0x" + right[2:], right + right,
		} {
			r.Code = code
			expect(t, fmt.Sprintf("%s, %q", d.Kind, code), verify(t, r), otp.MalformedCode)
		}
	}
}

// What makes no sense is an error and no verdict.
func TestParametersThatMakeNoSense(t *testing.T) {
	now := time.Unix(3e9, 0)
	ocra := func(suite string) tokens.Credential { return ocraDevice(t, suite).Credential }
	for name, v := range map[string]struct {
		c    tokens.Credential
		r    otp.Response
		want error
	}{
		"no kind":              {tokens.Credential{Hash: hsm.SHA1, Digits: 6}, otp.Response{}, otp.ErrCredential},
		"5 digits":             {tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 5}, otp.Response{}, otp.ErrCredential},
		"11 digits":            {tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 11}, otp.Response{}, otp.ErrCredential},
		"no step":              {tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 6}, otp.Response{}, otp.ErrCredential},
		"a step below zero":    {tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 6, Step: -30}, otp.Response{}, otp.ErrCredential},
		"a step of an hour":    {tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 6, Step: 3600}, otp.Response{}, otp.ErrCredential},
		"T0 beyond 9999":       {tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 6, Step: 30, T0: 253402300800}, otp.Response{}, otp.ErrCredential},
		"T0 at the far end":    {tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 6, Step: 30, T0: math.MinInt64}, otp.Response{}, otp.ErrCredential},
		"no suite":             {tokens.Credential{Kind: tokens.OCRA, Hash: hsm.SHA1, Digits: 6}, otp.Response{Question: "12345678"}, otp.ErrSuite},
		"no counter, no time":  {ocra("OCRA-1:HOTP-SHA1-6:QN08"), otp.Response{Question: "12345678"}, otp.ErrCredential},
		"steps of a second":    {ocra("OCRA-1:HOTP-SHA1-6:QN08-T1S"), otp.Response{Question: "12345678"}, otp.ErrCredential},
		"steps of an hour":     {ocra("OCRA-1:HOTP-SHA1-6:QN08-T1H"), otp.Response{Question: "12345678"}, otp.ErrCredential},
		"no question":          {ocra("OCRA-1:HOTP-SHA1-6:C-QN08"), otp.Response{}, otp.ErrInput},
		"a longer question":    {ocra("OCRA-1:HOTP-SHA1-6:C-QN08"), otp.Response{Question: "123456789"}, otp.ErrInput},
		"a question of words":  {ocra("OCRA-1:HOTP-SHA1-6:C-QN08"), otp.Response{Question: "12345abc"}, otp.ErrInput},
		"no session":           {ocra("OCRA-1:HOTP-SHA1-6:C-QN08-S064"), otp.Response{Question: "12345678"}, otp.ErrInput},
		"half a mutual pair":   {ocra("OCRA-1:HOTP-SHA1-6:C-QN08"), otp.Response{Question: "12345678", ClientQuestion: "1234"}, otp.ErrInput},
		"a clock before 1970":  {ocra("OCRA-1:HOTP-SHA1-6:QN08-T1M"), otp.Response{Question: "12345678", At: time.Unix(-1, 0)}, otp.ErrClock},
		"a clock after 9999":   {tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 6, Step: 30}, otp.Response{At: time.Unix(253402300800, 0)}, otp.ErrClock},
		"no clock":             {tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 6, Step: 30}, otp.Response{At: time.Time{}.Add(1)}, otp.ErrClock},
		"another suite's hash": {func() tokens.Credential { c := ocra("OCRA-1:HOTP-SHA1-6:C-QN08"); c.Hash = hsm.SHA256; return c }(), otp.Response{Question: "12345678"}, otp.ErrCredential},
		"another suite's size": {func() tokens.Credential { c := ocra("OCRA-1:HOTP-SHA1-6:C-QN08"); c.Digits = 8; return c }(), otp.Response{Question: "12345678"}, otp.ErrCredential},
	} {
		r := v.r
		r.Credential, r.Profile, r.Code = v.c, profile(t), "000000"
		if r.At.IsZero() {
			r.At = now
		}
		for _, judge := range []func() (otp.Evidence, error){
			func() (otp.Evidence, error) { return otp.Verify(t.Context(), nobody{}, r) },
			func() (otp.Evidence, error) {
				return otp.Resync(t.Context(), nobody{}, r, [2]string{"000000", "000000"})
			},
		} {
			if e, err := judge(); !errors.Is(err, v.want) || e != (otp.Evidence{}) {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		}
	}
}
