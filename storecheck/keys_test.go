package storecheck_test

import (
	"slices"
	"testing"

	"mohur/authn"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/storecheck"
)

// loginByKey logs in with a FIDO2 key.
func loginByKey(b *banktest.Bank, customer string, k *banktest.Key) error {
	v, err := b.Authn.Begin(b.T.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(v.Attempt.Offers, func(o authn.Offer) bool { return o.Method == authn.FIDO })
	_, err = b.Authn.Answer(b.T.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.FIDO, Secret: string(k.Get(v.Attempt.Offers[i].Options))})
	return err
}

// A FIDO2 key's counter that was put back, together with its index, is found against
// the log; a store of keys that were enrolled, used and suspended for a copy is clean.
func TestAttack10_AKeysCounterPutBackIsFound(t *testing.T) {
	b := banktest.New(t)
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	c, k := b.Holder()
	must(t, loginByKey(b, c.ID, k))
	copied, d := b.Holder()
	must(t, loginByKey(b, copied.ID, d))
	d.Cred.Counter = 0
	if err := loginByKey(b, copied.ID, d); err == nil {
		t.Error("a copy logs in")
	}
	b.BeginKey(c.ID)
	clean(t, b, "after the work")
	id := k.Token.Credentials[0]
	old := keep(b, id)
	must(t, loginByKey(b, c.ID, k))
	old.putBack(b, id)
	found(t, check(t, b, false), storecheck.KindPutBack, id, "")
}
