// Package stoplist takes reports of losses, thefts and suspensions while the HSM
// or the store is away, and sees to it that they are obeyed (clauses 4.4, 5.17.3,
// 5.30). It guarantees:
//
//   - what was acknowledged lies on the disk, and is found again after a crash;
//     the place for it was reserved at the start, so a full disk does not refuse it;
//   - from the acknowledgement on, and until the real suspension is settled, what
//     a report names is refused, in this process and in the next one;
//   - each report becomes one suspension with its incident and its audit entry,
//     however often the merging is broken off;
//   - what a caller said of a customer lies sealed; a report that was edited in
//     the file is found, and told to people.
//
// Against whoever can delete the file it guarantees nothing: he can also stop the
// server.
package stoplist

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"mohur/ident"
)

// Act is which request a report came in by.
type Act string

// The acts that are taken at any hour.
const (
	CustomerReport  Act = "customer.report"
	TokenReport     Act = "token.report"
	TokenSuspend    Act = "token.suspend"
	CustomerSuspend Act = "customer.suspend"
	// Damaged is no request: lines of the list itself could not be read.
	Damaged Act = "list.damaged"
)

// Kinds are the kinds of a customer's report: the four of clause 4.4 and the two
// of clause 5.17.3.
func Kinds() []string {
	return []string{"unauthorised", "error", "suspected_access", "technical", "lost", "stolen"}
}

// Channels are the ways a report comes in by (clause 5.30).
func Channels() []string { return []string{"phone", "mobile", "internet"} }

// harmless are the kinds after which everything goes on: nobody else has, or may
// have, what proves.
var harmless = []string{"error", "technical"}

// Report is one report as it was taken.
type Report struct {
	Ack      string    `json:"ack"` // given to whoever reported
	At       time.Time `json:"at"`  // when it was taken
	Act      Act       `json:"act"`
	Kind     string    `json:"kind,omitempty"`
	Channel  string    `json:"channel,omitempty"`
	Customer string    `json:"customer,omitempty"`
	Token    string    `json:"token,omitempty"` // an id or "serial:…", as it was said
	Quiet    bool      `json:"quiet,omitempty"` // the customer is not told of his suspension (clause 4.7)
	Caller   string    `json:"caller"`
	Request  string    `json:"request,omitempty"`
	Once     *Once     `json:"once,omitempty"`
	Words    Words     `json:"-"`

	// Changed says that the report was edited in the file after it was taken.
	Changed bool `json:"-"`
}

// Words are what of a report may say something of a person: they lie sealed.
type Words struct {
	Details     string `json:"details,omitempty"` // or the reason of a suspension
	Transaction string `json:"transaction,omitempty"`
	By          string `json:"by,omitempty"`     // name of the caller
	Source      string `json:"source,omitempty"` // address of the caller
}

// New returns a report with its acknowledgement and time.
func New(act Act, now time.Time) Report {
	return Report{Ack: ident.New("ak"), At: now.UTC().Truncate(time.Microsecond), Act: act}
}

// Stops reports whether what is named must be refused.
func (r Report) Stops() bool {
	switch r.Act {
	case CustomerReport:
		return !slices.Contains(harmless, r.Kind)
	case TokenReport, TokenSuspend, CustomerSuspend:
		return true
	}
	return false
}

// Targets are what the report names, as it was said.
func (r Report) Targets() []string {
	if !r.Stops() {
		return []string{}
	}
	out := []string{}
	for _, name := range []string{r.Token, r.Customer} {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Name makes an identifier of what the report becomes, the same at every try:
// that it is taken already is what makes a second merging change nothing.
func (r Report) Name(prefix string) string {
	sum := sha256.Sum256([]byte("report/v1\x00" + r.Ack))
	return ident.From(prefix, sum[:])
}

// place binds the sealed words to everything that is said in the clear: a report
// that was edited does not open.
func (r Report) place() (string, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return "stop-list/v1/" + hex.EncodeToString(sum[:]), nil
}

const bySerial = "serial:"

// serial returns the serial a token was named by.
func serial(token string) (string, bool) { return strings.CutPrefix(token, bySerial) }
