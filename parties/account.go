package parties

import "strings"

// PlainAccount is an account as it is compared wherever accounts are: its ASCII letters
// and digits, in capitals. However people group or punctuate an account, it is that one.
func PlainAccount(account string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, account)
}

// AccountForm says what ValidAccount asks for.
const AccountForm = "needs a letter or a digit, and may have A-Z a-z 0-9 blank - . / only"

// ValidAccount reports whether a text can be an account: what PlainAccount drops of it is
// blanks, dashes, dots and slashes only, and something is left. Its length is not looked at.
func ValidAccount(account string) bool {
	plain := PlainAccount(account)
	return plain != "" && len(plain) == len(strings.NewReplacer(" ", "", "-", "", ".", "", "/", "").Replace(account))
}
