package linked

import (
	"bytes"
	"math/big"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/agent/words"
	"mohur/canonical"
)

// The types of challenge text.
const (
	LogIn   = "login"
	Payment = "payment"
	Batch   = "batch"
	Action  = "action"
)

// Text is a challenge text that was understood, every member of it.
type Text struct {
	Type    string
	Issuer  string
	Expires time.Time

	members members
}

// members are all that a text may have. A member that is not here is one that
// this program could not show, so such a text is refused.
type members struct {
	V       int    `json:"v"`
	Typ     string `json:"typ"`
	Iss     string `json:"iss"`
	Sub     string `json:"sub"`
	Nonce   string `json:"nonce"`
	Exp     int64  `json:"exp"`
	Action  string `json:"action"`
	DataSum string `json:"data_sha256"`

	Reference string  `json:"reference"`
	Amount    *money  `json:"amount"`
	Payer     *party  `json:"payer"`
	Payee     *party  `json:"payee"`
	Purpose   string  `json:"purpose"`
	Holder    string  `json:"holder"`
	Series    string  `json:"series"`
	Count     int     `json:"count"`
	Batch     []entry `json:"batch"`
	BatchSum  string  `json:"batch_sha256"`
}

type money struct {
	Value    string `json:"value"`
	Currency string `json:"currency"`
}

type party struct {
	Name    string `json:"name"`
	Account string `json:"account"`
	Bank    string `json:"bank"`
	Country string `json:"country"`
}

type entry struct {
	Reference string `json:"reference"`
	Amount    *money `json:"amount"`
	Payee     *party `json:"payee"`
	Purpose   string `json:"purpose"`
}

// maxBatch is how many payments a person can still look through in a dialog; of a
// longer batch the server says the hash of the list, for at most maxCount payments.
const (
	maxBatch = 50
	maxCount = 10_000
)

// allowed are the members a type has beside the fixed ones.
var allowed = map[string]map[string]bool{
	LogIn:   set(),
	Action:  set("action", "data_sha256"),
	Payment: set("reference", "amount", "payer", "payee", "purpose", "holder", "series"),
	Batch:   set("reference", "amount", "payer", "purpose", "holder", "count", "batch", "batch_sha256"),
}

func set(names ...string) map[string]bool {
	s := map[string]bool{"v": true, "typ": true, "iss": true, "sub": true, "nonce": true, "exp": true}
	for _, name := range names {
		s[name] = true
	}
	return s
}

// Parse reads a text in the canonical form of RFC 8785. Every error is an *Error.
func Parse(raw []byte) (*Text, error) {
	if len(raw) > maxText {
		return nil, errorf(words.WrongText, "the text is longer than %d bytes", maxText)
	}
	same, err := canonical.Bytes(raw)
	if err != nil || !bytes.Equal(same, raw) {
		return nil, errorf(words.WrongText, "the text is not in the canonical form of RFC 8785")
	}
	var names map[string]jsontext.Value
	if json.Unmarshal(raw, &names) != nil || names == nil {
		return nil, errorf(words.WrongText, "the text is no object")
	}
	// This decoder takes names in their own letters only, unlike encoding/json.
	var m members
	if err := json.Unmarshal(raw, &m, json.RejectUnknownMembers(true)); err != nil {
		return nil, errorf(words.NewerAgent, "%v", err)
	}
	may, known := allowed[m.Typ]
	if !known || m.V != 1 {
		return nil, errorf(words.NewerAgent, "the text is of version %d and type %q", m.V, show(m.Typ))
	}
	for name, value := range names {
		if !may[name] || value.Kind() == 'n' {
			return nil, errorf(words.NewerAgent, "a text of type %s has no member %q", m.Typ, show(name))
		}
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return &Text{Type: m.Typ, Issuer: m.Iss, Expires: time.Unix(m.Exp, 0), members: m}, nil
}

// Enrols reports whether the text is for the enrolment of what signs it: beside
// payments the only one that a certificate for documents signs.
func (t *Text) Enrols() bool { return t.Type == Action && t.members.Action == "credential.enroll" }

func (m members) check() error {
	switch {
	case !fits(m.Iss, 1, 255) || !fits(m.Nonce, 16, 128) || !fits(m.Sub, 0, 128):
		return errorf(words.WrongText, "iss, sub or nonce is missing or too long")
	case m.Exp <= 0 || m.Exp > 1<<40:
		return errorf(words.WrongText, "exp is no time")
	}
	switch m.Typ {
	case Action:
		if !fits(m.Action, 1, 64) || m.DataSum != "" && !hexSum.MatchString(m.DataSum) {
			return errorf(words.WrongText, "the action is not named")
		}
	case Payment:
		if !fits(m.Series, 0, 64) {
			return errorf(words.WrongText, "the name of the series is too long")
		}
		return m.entry().check(true)
	case Batch:
		return m.checkBatch()
	}
	return nil
}

func (m members) checkBatch() error {
	if m.Payer == nil || m.Payer.check() != nil || m.Amount == nil || !m.Amount.ok() || !fits(m.Reference, 1, 64) || !fits(m.Purpose, 1, 200) || !fits(m.Holder, 0, 64) {
		return errorf(words.WrongText, "the batch lacks payer, sum, purpose or reference")
	}
	if m.BatchSum != "" {
		if len(m.Batch) > 0 || m.Count < 1 || m.Count > maxCount || !hexSum.MatchString(m.BatchSum) {
			return errorf(words.WrongText, "a batch has its list or the hash of it, and a count")
		}
		return nil
	}
	if len(m.Batch) == 0 || len(m.Batch) > maxBatch {
		return errorf(words.NewerAgent, "a batch of 1 to %d payments can be shown", maxBatch)
	}
	sum := new(big.Rat)
	for _, e := range m.Batch {
		if err := e.check(false); err != nil {
			return err
		}
		if e.Amount.Currency != m.Amount.Currency {
			return errorf(words.WrongText, "the batch has more than one currency")
		}
		sum.Add(sum, e.Amount.rat())
	}
	if m.Count != len(m.Batch) || sum.Cmp(m.Amount.rat()) != 0 {
		return errorf(words.WrongText, "count or amount of the batch is not that of its payments")
	}
	return nil
}

// rat is the amount as a number; only of one that is ok.
func (m *money) rat() *big.Rat {
	r, _ := new(big.Rat).SetString(m.Value)
	return r
}

func (m members) entry() payment {
	return payment{entry{m.Reference, m.Amount, m.Payee, m.Purpose}, m.Payer, m.Holder}
}

type payment struct {
	entry
	payer  *party
	holder string
}

func (p payment) check(whole bool) error {
	if p.payer == nil || p.payer.check() != nil || !fits(p.holder, 0, 64) {
		return errorf(words.WrongText, "the payer is missing or too long")
	}
	return p.entry.check(whole)
}

func (e entry) check(whole bool) error {
	least := 0
	if whole {
		least = 1
	}
	switch {
	case e.Amount == nil || !e.Amount.ok():
		return errorf(words.WrongText, "the amount is missing or no amount")
	case e.Payee == nil || e.Payee.check() != nil:
		return errorf(words.WrongText, "the payee is missing or too long")
	case !fits(e.Purpose, least, 200) || !fits(e.Reference, least, 64):
		return errorf(words.WrongText, "purpose or reference is missing or too long")
	}
	return nil
}

func (p *party) check() error {
	if !fits(p.Name, 1, 140) || !fits(p.Account, 1, 34) || !fits(p.Bank, 1, 70) || !fits(p.Country, 0, 2) {
		return errorf(words.WrongText, "a party has no name, account or bank, or too long ones")
	}
	return nil
}

var (
	decimal  = regexp.MustCompile(`^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$`)
	currency = regexp.MustCompile(`^[A-Z]{3}$`)
	hexSum   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (m *money) ok() bool { return decimal.MatchString(m.Value) && currency.MatchString(m.Currency) }

func fits(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most
}
