package parties_test

import (
	"strings"
	"testing"

	"mohur/parties"
)

// FuzzPlainAccount: however an account is written, it is compared as one thing; what is
// compared is written in one way; and nothing that may be an account loses more of itself
// than what groups it.
func FuzzPlainAccount(f *testing.F) {
	for _, seed := range []string{"AZ21 NABZ-0000.0000/137010001944", "az1", "", " -./", "ＡＺ", "1ı2ſ", "\xff1", "Ａ1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, account string) {
		plain := parties.PlainAccount(account)
		if strings.Trim(plain, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" || parties.PlainAccount(plain) != plain || parties.ValidAccount(plain) != (plain != "") {
			t.Errorf("%q: %q", account, plain)
		}
		if !parties.ValidAccount(account) {
			return
		}
		for _, other := range []string{strings.ToLower(account), " " + account + "-", strings.Join(strings.Split(account, ""), "./")} {
			if parties.PlainAccount(other) != plain || !parties.ValidAccount(other) {
				t.Errorf("%q is another than %q", other, account)
			}
		}
		if strings.Trim(account, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -./") != "" {
			t.Errorf("%q has other characters", account)
		}
	})
}
