package pin_test

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"mohur/authn/pin"
)

func TestClause5_22_PINsThatAreGuessedFirstAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		"271828": "", "582013": "", "640285139": "", "100010203": "", "318264": "", "250013": "", "19851399": "", "5820134706": "", "705318264913": "",

		"": "6 to 12 digits", "27182": "6 to 12 digits", "3141592653589": "6 to 12 digits", "27182x": "6 to 12 digits", "２７１８２８": "6 to 12 digits",
		"-71828": "6 to 12 digits", "271 828": "6 to 12 digits", "271828\n": "6 to 12 digits", "+271828": "6 to 12 digits",

		"111111": "one or two digits", "000000": "one or two digits", "100000": "one or two digits", "121122": "one or two digits", "999999999999": "one or two digits",
		"123456": "even steps", "654321": "even steps", "0123456789": "even steps", "890123": "even steps", "135791": "even steps", "864208": "even steps", "369258": "even steps",
		"123123": "repeats", "123412341234": "repeats", "1231231": "repeats", "581581": "repeats",
		"123321": "backwards", "5820285": "backwards", "94766749": "backwards",
		"112233": "doubled", "998877": "doubled", "111222333": "doubled", "00112233": "doubled", "224466": "doubled",
		"147258": "keypad", "159357": "keypad", "741963852": "keypad", "123654": "keypad", "789456123": "keypad", "321654987951": "keypad",
		"150785": "date", "850715": "date", "15071985": "date", "19850715": "date", "071985": "date", "198507": "date", "290200": "date", "311299": "date",
		"314159": "most people", "5201314": "most people", "8675309": "most people", "789632145": "most people",
	} {
		got := pin.Rules{}.Fault(text)
		if (got == "") != (says == "") || !strings.Contains(got, says) {
			t.Errorf("%q: %q, want %q", text, got, says)
		}
	}
}

// What stands on the top of every list of leaked PINs.
func TestAttack05_TheMostCommonPINsAreRefused(t *testing.T) {
	for _, text := range strings.Fields(`
		123456 123456789 12345678 1234567 111111 123123 1234567890 000000 654321 666666 121212 112233 159753 987654321 123321 789456 555555 777777
		222222 999999 131313 147258369 147258 101010 159357 456789 123654 789456123 88888888 987654 232323 252525 111222 102030 333333 202020 142536
		147852 456123 963852741 741852963 12341234 11223344 0123456789 010203 131415 141414 123789 246810 124578 235689 258456 369258147 159263 753951
		951753 789654 321654 741852 852963 963852 0987654321 123456123 1122334455 11112222 98765432 135790 102938 1029384756 123698745 147896325
		321456987 753159 951357 357951 110110 112211 121314 192837 192837465 19851985 520520 5201314 1314520 696969 420420 007007 686868 789789
		456456 147147 258258 369369 159159 951951 753753 357357 010101 020202 030303 040404 050505 060606 070707 080808 090909`) {
		if (pin.Rules{}).Fault(text) == "" {
			t.Errorf("%s may be chosen", text)
		}
	}
}

// The rules must not take so much that what is left is guessed.
func TestTheRulesLeaveEnoughToChooseFrom(t *testing.T) {
	left := 0
	text := []byte("000000")
	for n := range 1_000_000 {
		for i, k := 5, n; i >= 0; i, k = i-1, k/10 {
			text[i] = '0' + byte(k%10)
		}
		if (pin.Rules{}).Fault(string(text)) == "" {
			left++
		}
	}
	if left < 900_000 || left > 950_000 {
		t.Errorf("%d of a million PINs of six digits may be chosen", left)
	}
}

// The list holds PINs, in order, each once, and none that a pattern finds.
func TestTheListOfCommonPINs(t *testing.T) {
	f, err := os.Open("common.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		all = append(all, line)
		if says := (pin.Rules{}).Fault(line); !strings.Contains(says, "most people") {
			t.Errorf("%q: %q", line, says)
		}
	}
	inOrder := slices.IsSortedFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	if len(all) < 300 || !inOrder || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("%d PINs, in order: %v", len(all), inOrder)
	}
}

func TestRulesHaveBoundsNobodyConfiguresPast(t *testing.T) {
	for _, c := range []struct {
		rules             pin.Rules
		least, most, kept int
	}{
		{pin.Rules{}, 6, 12, 5},
		{pin.Rules{MinDigits: 8, MaxDigits: 10, History: 1}, 8, 10, 1},
		{pin.Rules{MinDigits: 4, MaxDigits: 40, History: 1000}, 6, 12, 10},
		{pin.Rules{MinDigits: 9, MaxDigits: 7, History: -1}, 9, 9, 1},
	} {
		least, most := c.rules.Digits()
		if least != c.least || most != c.most || c.rules.Remembered() != c.kept {
			t.Errorf("%+v: %d to %d digits, %d kept", c.rules, least, most, c.rules.Remembered())
		}
	}
	eight := pin.Rules{MinDigits: 8, MaxDigits: 8}
	if says := eight.Fault("271828"); says != "needs to have 8 digits" {
		t.Errorf("six of eight digits: %q", says)
	}
	if says := eight.Fault("58201347"); says != "" {
		t.Errorf("eight digits: %q", says)
	}
}

func TestAPINIsNotTheCustomersOwnNumber(t *testing.T) {
	for _, c := range []struct {
		pin, known string
		personal   bool
	}{
		{"501234", "+994 50 123 45 67", true},
		{"994501234567", "+994501234567", true},
		{"501235", "+994 50 123 45 67", false},
		{"582013", "C-582013", true},
		{"00582013", "C-582013", true},
		{"582013", "C-58201", false}, // five digits say too little
		{"582013", "", false},
		{"582013", "n.582.013@bank.example", true},
	} {
		if got := pin.Personal(c.pin, "C-1", c.known); got != c.personal {
			t.Errorf("%s of %q: %v", c.pin, c.known, got)
		}
	}
}

// What may be chosen is digits and nothing else, whatever is typed.
func FuzzFault(f *testing.F) {
	for _, text := range []string{"271828", "123456", "15071985", "", "２７１８２８", "27182\x00", "0000000000000", "+27182"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if (pin.Rules{}).Fault(text) != "" {
			return
		}
		if len(text) < pin.MinDigits || len(text) > pin.MaxDigits || strings.Trim(text, "0123456789") != "" {
			t.Fatalf("%q may be chosen", text)
		}
	})
}
