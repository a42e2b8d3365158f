package custody_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"mohur/audit"
	"mohur/banktest"
	"mohur/custody"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// bank is a bank outside development with two custodians and the two halves of a key.
type bank struct {
	*banktest.Bank
	t           *testing.T
	module      custody.HSM
	name        string
	key         []byte
	one, two    []byte
	anna, boris parties.Caller
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{Bank: banktest.New(t), t: t, module: hsmtest.SoftHSM(t), name: "t-" + ident.Text(10), key: make([]byte, 32), one: make([]byte, 32), two: make([]byte, 32)}
	rand.Read(b.key)
	rand.Read(b.one)
	for i := range b.two {
		b.two[i] = b.key[i] ^ b.one[i]
	}
	b.anna, b.boris = custodian("anna"), custodian("boris")
	t.Cleanup(func() {
		if b.inside() { // the token is shared by all tests
			if err := hsmtest.SoftHSM(t).DeleteTransport(context.Background(), b.name); err != nil {
				t.Error(err)
			}
		}
	})
	return b
}

func custodian(name string) parties.Caller {
	return parties.Caller{Kind: "client", ID: "cl_" + name, Name: name, Roles: []parties.Role{parties.Custodian}, Request: ident.New("rq")}
}

// service is made anew at each use: the store behind it may be.
func (b *bank) service() *custody.Service {
	return &custody.Service{Store: b.Store, Settler: b.Store, HSM: b.module, Audit: b.Audit, Now: b.Clock.Now}
}

func (b *bank) bring(by parties.Caller, half []byte, change ...func(*custody.BringCommand)) (custody.Brought, error) {
	b.t.Helper()
	cmd := custody.BringCommand{Caller: by, Name: b.name, Half: bytes.Clone(half)}
	for _, f := range change {
		f(&cmd)
	}
	out, err := b.service().Bring(b.t.Context(), cmd)
	if !bytes.Equal(cmd.Half, make([]byte, len(half))) {
		b.t.Error("the half is still in its buffer")
	}
	return out, err
}

// waits brings a half that has to wait.
func (b *bank) waits(by parties.Caller, half []byte, change ...func(*custody.BringCommand)) custody.Half {
	b.t.Helper()
	out, err := b.bring(by, half, change...)
	if err != nil || out.Waiting == nil {
		b.t.Fatalf("the half does not wait: %+v, %v", out, err)
	}
	return *out.Waiting
}

// makes brings a half that has to make the key.
func (b *bank) makes(by parties.Caller, half []byte, change ...func(*custody.BringCommand)) {
	b.t.Helper()
	out, err := b.bring(by, half, change...)
	if want, _ := custody.KCVOf(b.key); err != nil || out.Waiting != nil || out.KCV != want {
		b.t.Fatalf("the key is not made: %+v, %v", out, err)
	}
	b.works()
}

// refused brings a half that has to be refused, for a reason that is on record.
func (b *bank) refused(code problem.Code, reason string, by parties.Caller, half []byte, change ...func(*custody.BringCommand)) {
	b.t.Helper()
	before, was := b.Count("key.half", "refused", reason), b.inside()
	out, err := b.bring(by, half, change...)
	if !problem.Is(err, code) || out.Waiting != nil {
		b.t.Errorf("%s: %+v, %v, want %s", reason, out, err, code)
	}
	if reason != "" && b.Count("key.half", "refused", reason) != before+1 {
		b.t.Errorf("the refusal %s is not on record", reason)
	}
	if b.inside() != was {
		b.t.Errorf("%s: the HSM has another key than before", reason)
	}
}

func (b *bank) inside() bool {
	b.t.Helper()
	all, err := hsmtest.SoftHSM(b.t).Keys(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(k hsm.KeyInfo) bool { return k.Key == hsm.Transport(b.name) })
}

// works has the HSM decrypt what was encrypted under the key of both halves.
func (b *bank) works() {
	b.t.Helper()
	c, err := aes.NewCipher(b.key)
	if err != nil {
		b.t.Fatal(err)
	}
	text := []byte("sixteen bytes of")
	box := make([]byte, aes.BlockSize)
	c.Encrypt(box, text)
	got, err := hsmtest.SoftHSM(b.t).DecryptCBC(b.t.Context(), hsm.Transport(b.name), make([]byte, aes.BlockSize), box)
	if err != nil || !bytes.Equal(got, text) {
		b.t.Fatalf("the key in the HSM is not that of the two halves: %q, %v", got, err)
	}
}

func (b *bank) waiting() []custody.Half {
	b.t.Helper()
	all, err := b.service().Waiting(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// restart ends the process, as far as the store can tell, and begins anew.
func (b *bank) restart() {
	b.t.Helper()
	if err := b.Engine.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.Open()
}

// record expects the entries of the log on keys, oldest first: "event outcome
// reason caller".
func (b *bank) record(want ...string) {
	b.t.Helper()
	var got []string
	for _, h := range b.Entries() {
		if strings.HasPrefix(h.Event, "key.") {
			got = append(got, strings.Join(strings.Fields(h.Event+" "+h.Outcome+" "+h.Reason+" "+h.Caller), " "))
		}
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("on record is\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// thief writes past the server.
func (b *bank) thief(e settle.Effect) {
	b.t.Helper()
	d, err := b.Audit.Draft(b.t.Context(), audit.Event{Name: "thief", Outcome: "done", Detail: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := b.Engine.Settle(b.t.Context(), settle.Command{Effects: []settle.Effect{e}, Entries: []audit.Draft{d}})
	if err != nil || r.Outcome != settle.Done {
		b.t.Fatalf("%s, %v", r.Outcome, err)
	}
}
