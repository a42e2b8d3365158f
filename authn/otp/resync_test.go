package otp_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/settle"
	"mohur/tokens"
)

// counting is the HSM with a count of what it is asked.
type counting struct {
	otp.HSM
	calls, messages int // messages of the largest call
	used            int // HMACs computed
}

func (c *counting) HMACUnless(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, enough func([]byte) bool, messages ...[]byte) ([][]byte, error) {
	c.calls, c.messages = c.calls+1, max(c.messages, len(messages))
	sums, err := c.HSM.HMACUnless(ctx, seed, h, enough, messages...)
	c.used += len(sums)
	return sums, err
}

func resync(t *testing.T, r otp.Response, first, second string) otp.Evidence {
	t.Helper()
	e, err := otp.Resync(t.Context(), hsmtest.SoftHSM(t), r, [2]string{first, second})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Clause 5.23: two codes in a row bring a token back that has run ahead, up to
// the end of the search, and nothing that is dead.
func TestClause5_23_ResyncOfCounters(t *testing.T) {
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
		for _, next := range []uint64{5, 1<<31 - 50, 1<<32 - 50, 1<<63 - 50} {
			r := otp.Response{Credential: d.Credential, Profile: profile(t), Hot: settle.Hot{Counter: next}, Question: "12345678"}
			for _, v := range []struct {
				first, second int
				want          otp.Reason
			}{
				{0, 1, ""}, {10, 11, ""}, {50, 51, ""}, {99, 100, ""},
				{100, 101, otp.WrongCode}, // beyond the search
				{-1, 0, otp.WrongCode},    // the first is dead
				{-2, -1, otp.WrongCode},
				{20, 22, otp.WrongCode}, {21, 20, otp.WrongCode}, {20, 20, otp.WrongCode},
			} {
				e := resync(t, r, code(next+uint64(v.first)), code(next+uint64(v.second)))
				expect(t, fmt.Sprintf("%s from %d: %d, %d", d.Kind, next, v.first, v.second), e, v.want)
				if e.Match && (e.Next != next+uint64(v.second)+1 || e.Drift != 0) {
					t.Errorf("%+v: %+v", v, e)
				}
			}
			expect(t, "one is malformed", resync(t, r, code(next), code(next + 1)[1:]), otp.MalformedCode)
			expect(t, "one is missing", resync(t, r, "", code(next+1)), otp.MalformedCode)
			expect(t, "one is wrong", resync(t, r, code(next+50), "000000000"), otp.WrongCode)
		}
	}
}

// The end of all counters: the last is never taken, and no search wraps.
func TestClause5_23_ResyncAtTheEndOfCounters(t *testing.T) {
	const last = math.MaxUint64
	d := newDevice(t, tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 9})
	for _, v := range []struct {
		next, first, second uint64
		want                otp.Reason
	}{
		{last - 50, last - 2, last - 1, ""}, {last - 50, last - 1, last, otp.WrongCode}, {last - 50, last, 0, otp.WrongCode}, {last - 50, 0, 1, otp.WrongCode},
		{last - 1, last - 1, last, otp.Exhausted}, {last, last, 0, otp.Exhausted}, {last, 0, 1, otp.Exhausted},
	} {
		r := otp.Response{Credential: d.Credential, Profile: profile(t), Hot: settle.Hot{Counter: v.next}}
		expect(t, fmt.Sprintf("%+v", v), resync(t, r, d.moving(v.first), d.moving(v.second)), v.want)
	}
}

// Clause 5.23: a token whose clock has gone wrong comes back within ten steps
// either way, and is then taken where its clock is.
func TestClause5_23_ResyncOfTime(t *testing.T) {
	for _, size := range []int{30, 60} {
		d := newDevice(t, tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 9, Step: size})
		for _, now := range []uint64{1 << 20, (1 << 31) / 30, (1<<32 + 77) / 30} {
			at := time.Unix(int64(now)*int64(size)+int64(size)-1, 0)
			r := otp.Response{Credential: d.Credential, Profile: profile(t), At: at}
			for _, v := range []struct {
				first, second int // steps from the server's
				used          int // of the hot row, from the server's
				want          otp.Reason
			}{
				{-10, -9, -100, ""}, {-1, 0, -100, ""}, {0, 1, -100, ""}, {9, 10, -100, ""},
				{-11, -10, -100, otp.WrongCode}, {10, 11, -100, otp.WrongCode},
				{3, 5, -100, otp.WrongCode}, {4, 3, -100, otp.WrongCode}, {3, 3, -100, otp.WrongCode},
				{-5, -4, -5, ""},           // the first is the next live one
				{-5, -4, -4, otp.Replayed}, // the first is dead
				{-5, -4, 3, otp.Replayed},
				{5, 6, 100, otp.Replayed},
			} {
				r.Hot = settle.Hot{Counter: now + uint64(v.used)}
				first, second := now+uint64(v.first), now+uint64(v.second)
				e := resync(t, r, d.moving(first), d.moving(second))
				expect(t, fmt.Sprintf("step %d, %+v", size, v), e, v.want)
				if !e.Match {
					continue
				}
				if e.Next != second+1 || e.Drift != int8(v.second) {
					t.Errorf("%+v: %+v", v, e)
				}
				// The next code is taken where the clock is, and neither of the two again.
				after := r
				after.Hot = settle.Hot{Counter: e.Next, Drift: e.Drift}
				after.At = at.Add(time.Duration(size) * time.Second)
				after.Code = d.moving(second + 1)
				expect(t, "the code after", verify(t, after), "")
				after.Code = d.moving(second)
				expect(t, "the second again", verify(t, after), otp.Replayed)
				expect(t, "both again", resync(t, after, d.moving(first), d.moving(second)), replayedIf(v.first >= -9))
			}
		}
	}
}

// Ahead, a token's clock is never set back, nor by a code that would be too late for
// a log-in: whoever noted codes down makes them live no longer.
func TestClause5_23_ResyncAhead(t *testing.T) {
	const now = 1 << 20
	for _, v := range []struct {
		size, either, drift int
		first, second       int // steps from the server's
		want                otp.Reason
		then                int // drift
	}{
		{30, 1, 0, -1, 0, "", 0}, {30, 1, 0, 0, 1, "", 1}, {30, 1, 0, 9, 10, "", 10},
		{30, 1, 0, -2, -1, otp.TooLate, 0}, {30, 1, 0, -10, -9, otp.TooLate, 0}, {30, 1, 0, -11, -10, otp.WrongCode, 0}, {30, 1, 0, 10, 11, otp.WrongCode, 0},
		{60, 1, 0, -1, 0, "", 0}, {60, 1, 0, -2, -1, otp.TooLate, 0}, {60, 2, 0, -2, -1, otp.TooLate, 0},
		{30, 0, 0, -1, 0, otp.TooLate, 0}, {30, 0, 0, 0, 1, "", 1},
		{30, 2, 0, -1, 0, "", 0}, {30, 2, 0, -2, -1, "", 0}, {30, 2, 0, -3, -2, otp.TooLate, 0},
		{30, 1, 4, 3, 4, "", 4}, {30, 1, 4, 2, 3, otp.TooLate, 0}, {30, 1, 4, -1, 0, otp.TooLate, 0}, {30, 1, 4, 5, 6, "", 6},
		{30, 1, -3, -4, -3, "", -3}, {30, 1, -3, -5, -4, otp.TooLate, 0}, {30, 1, -3, -1, 0, "", 0},
	} {
		d := newDevice(t, tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 9, Step: v.size})
		p := profile(t)
		p.Windows.StepsEither = v.either
		r := otp.Response{
			Credential: d.Credential, Profile: p, At: time.Unix(int64(now*v.size+v.size-1), 0), Hot: settle.Hot{Drift: int8(v.drift)}, Ahead: true,
		}
		e := resync(t, r, d.moving(uint64(now+v.first)), d.moving(uint64(now+v.second)))
		expect(t, fmt.Sprintf("%+v", v), e, v.want)
		if e.Match && (e.Drift != int8(v.then) || e.Next != uint64(now+v.second+1)) {
			t.Errorf("%+v: %+v", v, e)
		}
		r.Hot.Counter = uint64(now + v.second)
		if v.want != otp.WrongCode {
			expect(t, fmt.Sprintf("used, %+v", v), resync(t, r, d.moving(uint64(now+v.first)), d.moving(uint64(now+v.second))), otp.Replayed)
		}
	}
	// What counts goes forward by itself.
	d := newDevice(t, tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 9})
	expect(t, "a counter", resync(t, otp.Response{Credential: d.Credential, Profile: profile(t), Ahead: true}, d.moving(98), d.moving(99)), "")
}

// replayedIf: what has left the search is wrong, not replayed.
func replayedIf(within bool) otp.Reason {
	if within {
		return otp.Replayed
	}
	return otp.WrongCode
}

// OCRA with a time is searched by steps, with both by counters.
func TestClause5_23_ResyncOfOCRAWithTime(t *testing.T) {
	const step, next = 1 << 24, 40
	at := time.Unix(step*60+30, 0)
	timed, both := ocraDevice(t, "OCRA-1:HOTP-SHA256-9:QN08-T1M"), ocraDevice(t, "OCRA-1:HOTP-SHA256-9:C-QN08-T1M")
	answer := func(d device, counter, time uint64) string {
		return d.answer(t, otp.Input{Question: "12345678", Counter: counter, Time: time})
	}
	r := otp.Response{Credential: timed.Credential, Profile: profile(t), Question: "12345678", At: at}
	e := resync(t, r, answer(timed, 0, step-9), answer(timed, 0, step-8))
	expect(t, "steps", e, "")
	if e.Next != step-7 || e.Drift != -8 {
		t.Errorf("%+v", e)
	}
	r = otp.Response{Credential: both.Credential, Profile: profile(t), Question: "12345678", At: at, Hot: settle.Hot{Counter: next}}
	for _, v := range []struct {
		first, second [2]int
		want          otp.Reason
		drift         int8
	}{
		{[2]int{60, 0}, [2]int{61, 0}, "", 0}, {[2]int{60, -1}, [2]int{61, 0}, "", 0}, {[2]int{99, 0}, [2]int{100, 1}, "", 1},
		{[2]int{60, 0}, [2]int{61, -1}, otp.WrongCode, 0}, // time went back
		{[2]int{60, 0}, [2]int{60, 1}, otp.WrongCode, 0},
		{[2]int{100, 0}, [2]int{101, 0}, otp.WrongCode, 0},
		{[2]int{60, -2}, [2]int{61, 0}, otp.WrongCode, 0},
		{[2]int{-1, 0}, [2]int{0, 0}, otp.WrongCode, 0},
	} {
		e := resync(t, r, answer(both, uint64(next+v.first[0]), uint64(step+v.first[1])), answer(both, uint64(next+v.second[0]), uint64(step+v.second[1])))
		expect(t, fmt.Sprintf("%+v", v), e, v.want)
		if e.Match && (e.Next != uint64(next+v.second[0])+1 || e.Drift != v.drift) {
			t.Errorf("%+v: %+v", v, e)
		}
	}
}

// Nothing widens a search past the ceiling, and one call is enough for it.
func TestClause5_23_ResyncIsBounded(t *testing.T) {
	d := newDevice(t, tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 9})
	m := &counting{HSM: hsmtest.SoftHSM(t)}
	p := tokens.Profile{Windows: tokens.Windows{ResyncCounters: 1e9, ResyncSteps: 1e9}}
	most := uint64(tokens.Ceiling().ResyncCounters)
	for offset, want := range map[uint64]bool{most - 1: true, most: false} {
		e, err := otp.Resync(t.Context(), m, otp.Response{Credential: d.Credential, Profile: p}, [2]string{d.moving(offset), d.moving(offset + 1)})
		if err != nil || e.Match != want {
			t.Errorf("%d: %+v, %v", offset, e, err)
		}
	}
	d = newDevice(t, tokens.Credential{Kind: tokens.TOTP, Hash: hsm.SHA1, Digits: 9, Step: 30})
	steps := tokens.Ceiling().ResyncSteps
	for offset, want := range map[int]bool{steps: true, steps + 1: false, -steps + 1: true, -steps: false} {
		second := uint64(1<<20 + offset)
		e, err := otp.Resync(t.Context(), m, otp.Response{Credential: d.Credential, Profile: p, At: time.Unix(30<<20, 0)}, [2]string{d.moving(second - 1), d.moving(second)})
		if err != nil || e.Match != want {
			t.Errorf("%d: %+v, %v", offset, e, err)
		}
	}
	both := ocraDevice(t, "OCRA-1:HOTP-SHA256-9:C-QN08-T20S")
	p.StepsEither, p.ChallengeSeconds = 1e9, 1e9
	if _, err := otp.Resync(t.Context(), m, otp.Response{Credential: both.Credential, Profile: p, Question: "12345678", At: time.Unix(3e9, 0)}, [2]string{"000000000", "000000001"}); err != nil {
		t.Error(err)
	}
	if m.calls != 7 || m.messages > 1024 {
		t.Errorf("%d calls, at most %d messages in one", m.calls, m.messages)
	}
}

// The code that is due next costs one HMAC; any other answer costs the whole window,
// wherever in it the code lies.
func TestOnlyTheNextCodeIsCheap(t *testing.T) {
	d := newDevice(t, tokens.Credential{Kind: tokens.HOTP, Hash: hsm.SHA1, Digits: 6})
	r := otp.Response{Credential: d.Credential, Profile: profile(t), Hot: settle.Hot{Counter: 5}}
	window := 0
	for _, v := range []struct {
		name, code string
		match      bool
	}{
		{"wrong", "x", false}, {"used", d.moving(4), false}, {"ahead", d.moving(7), true}, {"next", d.moving(5), true},
	} {
		m := &counting{HSM: hsmtest.SoftHSM(t)}
		r.Code = v.code
		e, err := otp.Verify(t.Context(), m, r)
		if err != nil || e.Match != v.match {
			t.Fatalf("%s: %+v, %v", v.name, e, err)
		}
		switch {
		case v.name == "next" && m.used != 1:
			t.Errorf("the next code took %d HMACs", m.used)
		case v.name == "wrong":
			window = m.used
		case v.name != "next" && m.used != window:
			t.Errorf("%s took %d HMACs, a wrong code %d", v.name, m.used, window)
		}
	}
}
