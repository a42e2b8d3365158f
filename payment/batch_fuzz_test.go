package payment_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"mohur/agent/linked"
	"mohur/agent/words"
	"mohur/payment"
)

// Whatever payment the server takes, the card agent understands its text; and the sum of
// a batch is its amount.
func FuzzTheAgentReadsWhatIsTaken(f *testing.F) {
	for _, s := range []string{
		`{"Reference":"R-1","Service":"transactional","Purpose":"p","Amount":{"value":"3.5","currency":"AZN"},"Payer":{"name":"A","account":"1","bank":"B"},
		  "Batch":[{"amount":{"value":"1","currency":"AZN"},"payee":{"name":"X","account":"2","bank":"B","country":"AZ"},"reference":"L"},
		           {"amount":{"value":"2.50","currency":"AZN"},"payee":{"name":"Ə\u0027\"\\","account":"3","bank":"B","country":"GE"},"purpose":"q"}]}`,
		`{"Reference":"R-2","Service":"information","Purpose":"p","Holder":"H-1","Series":"S-1","Amount":{"value":"500","currency":"JPY"},
		  "Payer":{"name":"A","account":"1","bank":"B","country":"AZ"},"Payee":{"name":"X","account":"2","bank":"B","country":"AZ"}}`,
		`{"Reference":"R-3","Service":"transactional","Purpose":"p","Amount":{"value":"1.000","currency":"KWD"},"Payer":{"name":"A","account":"1","bank":"B"},
		  "Batch":[` + strings.TrimSuffix(strings.Repeat(`{"amount":{"value":"0.01","currency":"KWD"},"payee":{"name":"X","account":"2","bank":"B","country":"AZ"}},`, 100), ",") + `]}`,
		`{"Batch":[]}`, `{}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var cmd payment.CreateCommand
		if json.Unmarshal(raw, &cmd) != nil {
			return
		}
		text, err := payment.LinkedText(cmd)
		if err != nil {
			return
		}
		read, err := linked.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		lines := fmt.Sprint(read.Lines(words.EN))
		sum := new(big.Rat)
		for _, p := range cmd.Parts() {
			sum.Add(sum, big.NewRat(p.Minor, 1))
		}
		total, _ := cmd.Amount.Minor()
		if sum.Cmp(big.NewRat(total, 1)) != 0 {
			t.Errorf("%s: the parts come to %v", text, sum)
		}
		if n := len(cmd.Batch); n > 50 && !strings.Contains(lines, "too long to be shown") || n > 0 && !strings.Contains(lines, fmt.Sprint(n)) {
			t.Errorf("%d payments are shown as %s", n, lines)
		}
	})
}
