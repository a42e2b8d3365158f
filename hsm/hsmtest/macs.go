package hsmtest

import (
	"bytes"
	"fmt"
	"testing"

	"mohur/hsm"
)

// testFraming gives inputs that are one string when run together. All MACs must
// differ, or one record would vouch for another.
func testFraming(t *testing.T, m hsm.Module) {
	inputs := []struct {
		label string
		parts [][]byte
	}{
		{"l", [][]byte{[]byte("ab"), []byte("c")}},
		{"l", [][]byte{[]byte("a"), []byte("bc")}},
		{"l", [][]byte{[]byte("abc")}},
		{"l", [][]byte{[]byte("abc"), {}}},
		{"l", [][]byte{{}, []byte("abc")}},
		{"la", [][]byte{[]byte("bc")}},
		{"labc", nil},
		{"labc", [][]byte{{}}},
		{"labc", [][]byte{{}, {}}},
		{"l", [][]byte{[]byte("\x00\x00\x00\x03abc")}},
		{"l\x00\x00\x00\x03abc", nil},
	}
	seen := map[string]int{}
	for i, in := range inputs {
		mac, err := m.MAC(t.Context(), hsm.RowMAC, in.label, in.parts...)
		if err != nil {
			t.Fatal(err)
		}
		if len(mac) != 32 {
			t.Fatalf("a MAC of %d bytes", len(mac))
		}
		if j, clash := seen[string(mac)]; clash {
			t.Errorf("inputs %d and %d have one MAC", j, i)
		}
		seen[string(mac)] = i
		again, err := m.MAC(t.Context(), hsm.RowMAC, in.label, in.parts...)
		if err != nil || !bytes.Equal(mac, again) {
			t.Errorf("input %d has two MACs (%v)", i, err)
		}
	}
}

// testManyMACs asks for many at once: each is the one that it is alone, in its place.
func testManyMACs(t *testing.T, m hsm.Module) {
	for _, n := range []int{0, 1, 2, 63, 64, 65, 200} {
		inputs := make([]hsm.Input, n)
		for i := range inputs {
			inputs[i] = hsm.Input{Label: "many", Parts: [][]byte{[]byte(fmt.Sprint(i)), random(i)}}
		}
		macs, err := m.MACs(t.Context(), hsm.RowMAC, inputs...)
		if err != nil || len(macs) != n {
			t.Fatalf("%d MACs for %d inputs: %v", len(macs), n, err)
		}
		for i, in := range inputs {
			alone, err := m.MAC(t.Context(), hsm.RowMAC, in.Label, in.Parts...)
			if err != nil || !bytes.Equal(macs[i], alone) {
				t.Errorf("input %d of %d: %x, alone %x, %v", i, n, macs[i], alone, err)
			}
		}
	}
	_, err := m.MACs(t.Context(), hsm.RowMAC, hsm.Input{Label: "x"}, hsm.Input{})
	want(t, hsm.ClassInput, err)
	_, err = m.MACs(t.Context(), hsm.SeedKEK, hsm.Input{Label: "x"})
	want(t, hsm.ClassInput, err)
}

func testMACSeparation(t *testing.T, m hsm.Module) {
	seen := map[string]string{}
	for _, key := range macKeys {
		for _, label := range []string{"row", "hot"} {
			mac, err := m.MAC(t.Context(), key, label, []byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s under %s", label, key)
			if other, clash := seen[string(mac)]; clash {
				t.Errorf("%s and %s have one MAC", name, other)
			}
			seen[string(mac)] = name
		}
	}
}

func testMACRefused(t *testing.T, m hsm.Module) {
	for _, key := range []hsm.Key{"", "no-such-key", hsm.SeedKEK, hsm.DataKEK, hsm.AuditSigning, hsm.Transport("x")} {
		_, err := m.MAC(t.Context(), key, "l", []byte("x"))
		want(t, hsm.ClassInput, err)
	}
	_, err := m.MAC(t.Context(), hsm.RowMAC, "", []byte("x"))
	want(t, hsm.ClassInput, err)
}
