package parties

import (
	"context"
	"slices"
	"time"

	"mohur/ident"
	"mohur/notify"
	"mohur/problem"
	"mohur/seal"
	"mohur/settle"
)

// contactsChanged is the kind of the notices of a change of contacts.
const contactsChanged = "contacts-changed"

// changedText says what happened and what to do if it was somebody else. It names no
// address: whoever reads it may be the thief.
var changedText = map[string]string{
	"az": "Bankdakı əlaqə məlumatlarınız dəyişdirildi. Bunu siz etməmisinizsə, dərhal banka zəng edin və xidmətinizi dayandırın.",
	"en": "Your contact details at the bank were changed. If it was not you, call the bank at once and have your access stopped.",
	"ru": "Ваши контактные данные в банке изменены. Если это сделали не вы, немедленно позвоните в банк и остановите доступ.",
}

// place is an address with the channel that leads to it.
type place struct{ channel, address string }

func (p Profile) places() []place {
	all := []place{{"sms", p.Phone}, {"email", p.Email}}
	return slices.DeleteFunc(all, func(at place) bool { return at.address == "" })
}

// tellContacts queues the notice of a change of contacts to every address there was and
// every one there is: whoever changed them does not hold them all. c is the customer as
// he will be.
func (s *Service) tellContacts(ctx context.Context, c Customer, was, is Profile) ([]settle.Effect, error) {
	text, ok := changedText[c.Locale]
	if !ok {
		text = changedText["en"]
	}
	var effects []settle.Effect
	var told []place
	for _, at := range slices.Concat(was.places(), is.places()) {
		if slices.Contains(told, at) {
			continue
		}
		told = append(told, at)
		n := s.notice(c, contactsChanged)
		n.Channel = at.channel
		queued, err := s.sealed(ctx, c, n, text, at.address)
		if err != nil {
			return nil, err
		}
		effects = append(effects, queued)
	}
	return effects, nil
}

// Notices queue a notice for every contact the bank has of a customer: what a thief has
// may be one of them. Kind and times are those of about. A part that is away is
// problem.Unavailable.
func Notices(ctx context.Context, keys *seal.Keyring, c Customer, about notify.Notice, text string) ([]settle.Effect, error) {
	p, err := profile(ctx, keys, c)
	if err != nil {
		return nil, err
	}
	var out []settle.Effect
	for _, at := range p.places() {
		n := about
		n.ID, n.Customer, n.Channel = ident.New("no"), c.ID, at.channel
		if n.Sealed, err = keys.Seal(ctx, c.Key, notify.Place(n.ID), []byte(text)); err != nil {
			return nil, problem.Away(err)
		}
		out = append(out, notify.Queue{Notice: n})
	}
	return out, nil
}

// noticeLife is how long a notice is worth sending.
const noticeLife = 7 * 24 * time.Hour

func (s *Service) notice(c Customer, kind string) notify.Notice {
	now := s.Now().UTC()
	return notify.Notice{ID: ident.New("no"), Customer: c.ID, Channel: "sms", Kind: kind, CreatedAt: now, ExpiresAt: now.Add(noticeLife)}
}

// sealed is a notice with its text, and its address if it goes to another one than the
// customer's at the time it is sent.
func (s *Service) sealed(ctx context.Context, c Customer, n notify.Notice, text, address string) (settle.Effect, error) {
	var err error
	if n.Sealed, err = s.Keys.Seal(ctx, c.Key, notify.Place(n.ID), []byte(text)); err != nil {
		return nil, problem.Away(err)
	}
	if address != "" {
		if n.To, err = s.Keys.Seal(ctx, c.Key, notify.ToPlace(n.ID), []byte(address)); err != nil {
			return nil, problem.Away(err)
		}
	}
	return notify.Queue{Notice: n}, nil
}
