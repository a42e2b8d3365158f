package parties_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/notify"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// spent stands for the proof of the customer: parties asks for one and settles it along.
func spent(customer string) []settle.Effect {
	return []settle.Effect{authn.SaveAttempt{Attempt: authn.Attempt{ID: "at_proof_" + customer, Customer: customer, State: authn.Granted, Spent: true, ExpiresAt: time.Now(), Version: 1}}}
}

func put(b *banktest.Bank, id, phone, email, locale string) parties.PutCommand {
	return parties.PutCommand{
		Caller: b.Staff(), ID: id, Profile: parties.Profile{Name: "Leyla", Phone: phone, Email: email}, Locale: locale, Segment: "retail",
		ContractRef: "c", ContractVersion: "1", KYCRef: "k",
	}
}

// NIST SP 800-63B 4.6, ASVS 6.3.7, attack 9: whoever changes the contacts does not
// reach all of them: the notice goes to every one there was and every one there is,
// and says what to do.
func TestAttack09_AChangeOfContactsTellsTheOldOnes(t *testing.T) {
	b := banktest.New(t)
	created, _, err := b.Parties.Put(t.Context(), put(b, "C-OLD", "+994500000001", "old@bank.test", "en"), nil)
	if err != nil || !created.ContactsAt.Equal(created.CreatedAt) {
		t.Fatalf("%+v, %v", created, err)
	}
	open := func(n notify.Notice, place string, sealed []byte) string {
		t.Helper()
		plain, err := b.Keys.Open(t.Context(), created.Key, place, sealed)
		if err != nil {
			t.Fatal(err)
		}
		return string(plain)
	}
	told := func() (places []string) {
		t.Helper()
		for _, n := range noticesOf(t, b, "C-OLD", "contacts-changed") {
			places = append(places, n.Channel+" "+open(n, notify.ToPlace(n.ID), n.To))
			if text := open(n, notify.Place(n.ID), n.Sealed); !strings.Contains(text, "If it was not you, call the bank at once") || strings.Contains(text, "@") {
				t.Errorf("the notice says %q", text)
			}
		}
		slices.Sort(places)
		return places
	}
	b.Clock.Forward(time.Hour)

	// Another name or contract is no change of contacts.
	same := put(b, "C-OLD", "+994500000001", "old@bank.test", "en")
	same.Profile.Name, same.ContractVersion = "Leyla B.", "2"
	got, _, err := b.Parties.Put(t.Context(), same, nil)
	if err != nil || !got.ContactsAt.Equal(created.ContactsAt) || len(told()) != 0 {
		t.Fatalf("%+v, %v, told %v", got, err, told())
	}
	if _, _, err := b.Parties.Put(t.Context(), put(b, "C-OLD", "+994500000009", "old@bank.test", "en"), nil); !problem.Is(err, problem.ProofRequired) || len(told()) != 0 {
		t.Fatalf("without a proof: %v, told %v", err, told())
	}
	got, _, err = b.Parties.Put(t.Context(), put(b, "C-OLD", "+994500000002", "old@bank.test", "en"), spent("C-OLD"))
	if err != nil || got.ContactsAt.Sub(created.ContactsAt) < time.Hour {
		t.Fatalf("%+v, %v", got, err)
	}
	if want := []string{"email old@bank.test", "sms +994500000001", "sms +994500000002"}; !slices.Equal(told(), want) {
		t.Errorf("told %v, want %v", told(), want)
	}
}

// In each language of the house, and where there is no address nothing is queued.
func TestNoticesOfContactsAreInTheCustomersLanguage(t *testing.T) {
	b := banktest.New(t)
	words := map[string]string{"az": "dərhal banka", "en": "at once", "ru": "немедленно"}
	for locale, word := range words {
		id := "C-" + locale
		c, _, err := b.Parties.Put(t.Context(), put(b, id, "", "", locale), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Parties.Put(t.Context(), put(b, id, "+994500000001", "", locale), spent(id)); err != nil {
			t.Fatal(err)
		}
		n := noticesOf(t, b, id, "contacts-changed")
		if len(n) != 1 {
			t.Fatalf("%s: %d notices", locale, len(n))
		}
		text, err := b.Keys.Open(t.Context(), c.Key, notify.Place(n[0].ID), n[0].Sealed)
		if err != nil || !strings.Contains(string(text), word) {
			t.Errorf("%s: %q, %v", locale, text, err)
		}
	}
}
