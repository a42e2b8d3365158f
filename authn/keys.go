package authn

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"

	fast "github.com/go-json-experiment/json/v1" // reads as encoding/json does, in half the time

	"mohur/audit"
	"mohur/authn/fido"
	"mohur/authn/lock"
	"mohur/ident"
	"mohur/incident"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// server is who moves a token when nobody asked for it.
const server = "server"

// offerKey is what a FIDO2 key can do for an opening: everything, since its
// challenge is the hash of the text; but it shows nothing of it. One that was
// enrolled without user verification is one factor for ever: a thief can set a PIN
// on a key that had none.
func (s *Service) offerKey(g group, c tokens.Credential, o Opening) (group, bool, bool) {
	var r fido.Record
	if s.FIDO == nil || fast.Unmarshal(c.FIDO, &r) != nil || r.RPID != s.FIDO.RPID() {
		return g, false, false
	}
	g.Method = FIDO
	g.Keys = []OfferedKey{{Credential: c.ID, ID: r.ID, Transports: r.Transports, Verifies: r.UVInitialized}}
	return g, !r.UVInitialized && o.ACR.Rank() > Single.Rank(), !o.seen(g.Shown)
}

// askKeys are the options for the browser. Verification is required when every key
// offered is one that must do it.
func askKeys(rp *fido.RelyingParty, c Challenge, level ACR, keys []OfferedKey) ([]byte, error) {
	in := fido.RequestInput{Challenge: c.SHA256[:], UserVerification: fido.Discouraged}
	if level.Rank() > Single.Rank() {
		in.UserVerification = fido.Required
	}
	for _, k := range keys {
		in.Allow = append(in.Allow, fido.Descriptor{ID: k.ID, Transports: k.Transports})
		if !k.Verifies && in.UserVerification == fido.Required {
			in.UserVerification = fido.Preferred
		}
	}
	return rp.RequestOptions(in)
}

// key is the one that an answer comes from, the first one offered when it cannot be
// told; nil when none was offered.
func (a Attempt) key(cmd AnswerCommand) *OfferedKey {
	offer := a.offer(FIDO, cmd.Credential)
	if offer == nil || len(offer.Keys) == 0 {
		return nil
	}
	if len(offer.Keys) == 1 { // the response need not be read for it
		return &offer.Keys[0]
	}
	id, _, _ := fido.Peek([]byte(cmd.Secret))
	i := slices.IndexFunc(offer.Keys, func(k OfferedKey) bool {
		if cmd.Credential != "" {
			return k.Credential == cmd.Credential
		}
		return bytes.Equal(k.ID, id)
	})
	return &offer.Keys[max(0, i)]
}

// verifyFIDO evaluates the response of a key against its record: what never moves
// is bound in the credential, what does is in its hot row.
func (j *judgement) verifyFIDO(cmd AnswerCommand, key *OfferedKey) func(*candidate) error {
	return func(c *candidate) error {
		var r fido.Record
		if c.credential.Kind != tokens.FIDO || fast.Unmarshal(c.credential.FIDO, &r) != nil {
			c.evidence.broken = true
			return nil
		}
		was := tokens.FIDOStateOf(c.hot.Counter)
		r.SignCount, r.BackupState = was.SignCount, was.BackupState
		in := fido.AssertionInput{
			Credential: []byte(cmd.Secret), Challenge: j.attempt.SHA256, Allowed: [][]byte{key.ID},
			UserHandle: tokens.UserHandle(j.customer.Pseudonym), UserVerification: key.Verifies && j.attempt.ACR.Rank() > Single.Rank(),
		}
		if j.attempt.Nameless { // then the key has to say whose it is
			in.Allowed = nil
		}
		a, err := j.service.FIDO.VerifyAssertion(r, in)
		if err != nil {
			c.evidence.broken = true
			return nil
		}
		next := tokens.FIDOState{SignCount: a.Next.SignCount, BackupState: a.Next.BackupState}
		c.assertion, c.evidence = a, evidence{right: a.OK, why: string(a.Reason), next: next.Counter()}
		return nil
	}
}

// doubted refuses a right signature of a key that two devices may hold, or that
// broke the promise of its registration. It is suspended, with an incident and a
// notice, in the write of the refusal.
func (j *judgement) doubted(c candidate) (ruling, error) {
	return j.suspend(c, "credential.cloned",
		"the FIDO2 key "+c.credential.ID+" may exist twice or was changed: "+c.assertion.Reason.Text()+"; it was suspended",
		map[string]any{"detail": c.assertion.Detail})
}

// suspend refuses an answer and takes its token out of use in the same write, with an
// incident and a notice.
func (j *judgement) suspend(c candidate, kind, content string, more map[string]any) (ruling, error) {
	hot := c.hot.Next()
	hot.State = settle.HotSuspended
	if err := j.swapCredential(hot, c.credential, lock.None); err != nil {
		return ruling{}, err
	}
	why := c.evidence.why
	t, err := c.token.Apply(tokens.Suspend, j.received.UTC(), why, server)
	if err != nil {
		return ruling{}, problem.Away(err)
	}
	in := incident.Incident{
		ID: ident.New("in"), Kind: kind, Service: string(j.attempt.Channel), Reference: "n/a", Cause: why,
		Content: content, At: j.received.UTC(), State: "open", Version: 1,
	}
	detail := map[string]any{"token": c.token.ID, "credential": c.credential.ID, "incident": in.ID}
	maps.Copy(detail, more)
	j.effects = append(j.effects, tokens.SaveToken{Token: t}, incident.Save{Incident: in})
	j.events = append(j.events,
		j.service.event(j.by, j.customer, j.attempt, "token.suspend", string(t.State), why, detail),
		audit.Event{
			Name: "incident.opened", Outcome: "open", Reason: in.Kind, Policy: j.service.Policy().Version, Person: person(j.customer),
			Caller: j.by.ID, Request: j.by.Request, Detail: in,
		})
	if err := j.notify("credential-suspended"); err != nil {
		return ruling{}, err
	}
	return j.refuse(why)
}

// fakeKey gives a decoy a key that exists nowhere. All of it follows from the sum
// over the id.
func fakeKey(out *subject, sum []byte) {
	more := sha256.Sum256(append([]byte("decoy-key/v1\x00"), sum...))
	size := []int{16, 32, 48, 64}[more[0]%4]
	id := slices.Concat(more[:], more[:])
	for i := range id[32:] {
		id[32+i] ^= sum[i%len(sum)]
	}
	transports := [][]string{{"usb"}, {"nfc", "usb"}, {"internal"}, {"hybrid", "internal"}}[more[1]%4]
	credential := ident.From("cr", more[8:24])
	out.add(group{Offer: Offer{Method: FIDO, Shown: tokens.ShownNone,
		Credentials: []Offered{{ID: credential, Kind: string(tokens.FIDO), Label: mask(fakeSerial(tokens.FIDOSerial(more[24:29]), more[2:6]))}},
		Keys:        []OfferedKey{{Credential: credential, ID: id[:size], Transports: transports, Verifies: true}},
	}})
	out.ways = append(out.ways, []Method{FIDO})
}
