// Package words says in Azerbaijani, English and Russian what the card agent
// tells a customer. Every sentence is there in all three.
package words

import (
	"fmt"
	"strings"
)

// Language is one of AZ, EN, RU.
type Language int

// The languages.
const (
	AZ Language = iota
	EN
	RU
)

func (l Language) String() string { return [...]string{"az", "en", "ru"}[l] }

// Pick returns the first of the wanted languages that there is, in forms such as
// "az", "az-Latn-AZ" or "ru_RU.UTF-8"; English when there is none.
func Pick(wanted ...string) Language {
	for _, w := range wanted {
		code, _, _ := strings.Cut(strings.ToLower(w), "-")
		code, _, _ = strings.Cut(code, "_")
		switch code {
		case "az":
			return AZ
		case "en":
			return EN
		case "ru":
			return RU
		}
	}
	return EN
}

// Say returns the sentence in the language. The arguments are those of its verbs,
// and shown as they are: whoever passes a stranger's text has made it harmless.
func (l Language) Say(k Key, args ...any) string {
	sentence, ok := sentences[k]
	if !ok {
		return string(k)
	}
	if len(args) == 0 {
		return sentence[l]
	}
	return fmt.Sprintf(sentence[l], args...)
}

// Line is one fact as a person reads it, on a line of its own.
type Line struct{ Label, Value string }

// Key names a sentence.
type Key string

// The sentences. The name says what for; the English one says what.
const (
	OK       Key = "ok"
	Cancel   Key = "cancel"
	Yes      Key = "yes"
	Question Key = "question"

	LogIn       Key = "log-in"
	Payment     Key = "payment"
	Batch       Key = "batch"
	Action      Key = "action"
	Bank        Key = "bank"
	Site        Key = "site"
	Amount      Key = "amount"
	Payee       Key = "payee"
	Account     Key = "account"
	PayeeBank   Key = "payee-bank"
	Country     Key = "country"
	Payer       Key = "payer"
	FromAccount Key = "from-account"
	Purpose     Key = "purpose"
	Reference   Key = "reference"
	Holder      Key = "holder"
	Count       Key = "count"
	What        Key = "what"
	Fingerprint Key = "fingerprint"
	Series      Key = "series"
	BatchSum    Key = "batch-sum"
	LongBatch   Key = "long-batch"

	ActionContacts Key = "customer.contacts"
	ActionPIN      Key = "customer.pin"
	ActionEnroll   Key = "credential.enroll"
	ActionActivate Key = "credential.activate"
	ActionLimits   Key = "limits.raise"
	ActionPayees   Key = "payees.add"
	ActionApproval Key = "approval"

	EnterPIN       Key = "enter-pin"
	EnterPINSign   Key = "enter-pin-sign"
	PINOnReader    Key = "pin-on-reader"
	Certificate    Key = "certificate"
	LastTry        Key = "last-try"
	LastTryConfirm Key = "last-try-confirm"
	FewTries       Key = "few-tries"
	TriesLeft      Key = "tries-left"
	WrongPIN       Key = "wrong-pin"
	PINLength      Key = "pin-length"
	Locked         Key = "locked"
	PINUnset       Key = "pin-unset"

	ChooseCertificate Key = "choose-certificate"
	ValidUntil        Key = "valid-until"
	GiveCertificate   Key = "give-certificate"
	PageAsks          Key = "page-asks"

	InsertCard     Key = "insert-card"
	InsertReader   Key = "insert-reader"
	NoService      Key = "no-service"
	MuteCard       Key = "mute-card"
	UnknownCard    Key = "unknown-card"
	NoModule       Key = "no-module"
	UselessDevice  Key = "useless-device"
	NoCertificate  Key = "no-certificate"
	NoSigning      Key = "no-signing"
	OtherCard      Key = "other-card"
	Expired        Key = "expired"
	NotYetValid    Key = "not-yet-valid"
	WeakKey        Key = "weak-key"
	CardGone       Key = "card-gone"
	CardFailed     Key = "card-failed"
	CardTimeout    Key = "card-timeout"
	NoAlgorithm    Key = "no-algorithm"
	BadSignature   Key = "bad-signature"
	NotOurSite     Key = "not-our-site"
	UnknownRequest Key = "unknown-request"
	WrongText      Key = "wrong-text"
	OldRequest     Key = "old-request"
	NoNetwork      Key = "no-network"
	OtherIssuer    Key = "other-issuer"
	NothingSigned  Key = "nothing-signed"
	NewerAgent     Key = "newer-agent"
	Trial          Key = "trial"

	IssueTitle    Key = "issue-title"
	IssueAsk      Key = "issue-ask"
	RequestAsk    Key = "request-ask"
	Reader        Key = "reader"
	CardSerial    Key = "card-serial"
	Token         Key = "token"
	BankSerial    Key = "bank-serial"
	Customer      Key = "customer"
	KeyType       Key = "key-type"
	OtherSerial   Key = "other-serial"
	ManagementKey Key = "management-key"
	PINTitle      Key = "pin-title"
	OldPIN        Key = "old-pin"
	NewPIN        Key = "new-pin"
	RepeatPIN     Key = "repeat-pin"
	PINsDiffer    Key = "pins-differ"
	PINChanged    Key = "pin-changed"
)
