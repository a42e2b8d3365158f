package authn_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"mohur/authn"
	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/enrollment"
)

// A certificate is public. Without its key nobody has the bank ask an issuer about it.
func TestAttack08_WithoutTheKeyNobodyIsAsked(t *testing.T) {
	b := banktest.New(t)
	var asked atomic.Int64
	var state *banktest.State
	counter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		state.Responder.ServeHTTP(w, r)
	}))
	t.Cleanup(counter.Close)
	state = b.AllowCards(func(i *card.Issuer) { i.Revocation.Responders = []string{counter.URL} })
	who, mine := state.CardHolder()
	for name, c := range map[string]*banktest.Card{"a stranger's": state.NewCard("AZ900"), "the customer's": mine} {
		asked.Store(0)
		v := begin(t, b, who.ID)
		forged := c.Answer(cardOffer(t, v, authn.Card).Nonce, func(k *pkitest.Token) { k.Signature = make([]byte, 64) })
		if _, err := answer(t, b, v.Attempt.ID, authn.Card, string(forged)); !refused(err) {
			t.Fatal(err)
		}
		if n := asked.Load(); n != 0 {
			t.Errorf("%s: the responder was asked %d times", name, n)
		}
	}
	// Whose key has signed, of him it is asked, though he is nobody here.
	v := begin(t, b, who.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.Card, string(state.NewCard("AZ901").Answer(cardOffer(t, v, authn.Card).Nonce))); !refused(err) || asked.Load() == 0 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}

// The card or key of a decoy reads as one that the customer brought, or as one that the
// bank handed out of its stock, whose serial is digits.
func TestClause5_22_DecoysReadLikeThoseFromStock(t *testing.T) {
	b := banktest.New(t)
	b.AllowCards()
	b.AllowKeys(enrollment.FIDO{})
	seen := map[authn.Method]map[bool]int{authn.Card: {}, authn.FIDO: {}}
	for i := range 200 {
		for _, o := range begin(t, b, fmt.Sprintf("nobody-%d", i)).Attempt.Offers {
			if n := seen[o.Method]; n != nil {
				n[strings.Trim(strings.TrimLeft(o.Credentials[0].Label, "•"), "0123456789") == ""]++
			}
		}
	}
	for m, n := range seen {
		if n[true] < 10 || n[false] < 10 {
			t.Errorf("%s: %d with a serial of digits, %d without", m, n[true], n[false])
		}
	}
}
