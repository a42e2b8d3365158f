package banktest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync/atomic"

	"mohur/enrollment"
	"mohur/ident"
	"mohur/parties"
	"mohur/tokens"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// PIN is the PIN of every customer of the bank.
const PIN = "271828"

// Staff may do everything.
func (b *Bank) Staff() parties.Caller {
	return parties.Caller{Kind: "client", ID: "cl_staff", Name: "staff", Roles: parties.Roles(), Channels: parties.Channels(), Request: ident.New("rq"), Development: true}
}

// Front is a front end on all channels.
func (b *Bank) Front() parties.Caller {
	return parties.Caller{Kind: "client", ID: "cl_front", Name: "front", Roles: []parties.Role{parties.Frontend}, Channels: parties.Channels(), Request: ident.New("rq")}
}

// serials makes serials that are unique in the process.
var serials atomic.Int64

// Customer puts a new customer.
func (b *Bank) Customer() parties.Customer {
	b.T.Helper()
	id := ident.Text(5)
	c, _, err := b.Parties.Put(b.T.Context(), parties.PutCommand{
		Caller: b.Staff(), ID: "C-" + id, Profile: parties.Profile{Name: "Aygün Məmmədova", Phone: "+994501234567", Email: "a@bank.test"},
		Locale: "az", Segment: "retail", ContractRef: "K-1", ContractVersion: "1", KYCRef: "V-" + id,
	}, nil)
	b.must(err)
	return c
}

// SetPIN gives a customer a PIN by way of an activation secret.
func (b *Bank) SetPIN(customer, pin string) {
	b.T.Helper()
	sent, err := b.Enrollment.SendSecret(b.T.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: customer, Purpose: "pin", Channel: "sms"})
	b.must(err)
	b.must(b.Enrollment.SetPIN(b.T.Context(), enrollment.PINCommand{Caller: b.Front(), Customer: customer, PIN: pin, Proof: enrollment.Proof{ActivationSecret: sent.Text}}))
}

// Keys of a device by kind.
func key(kind pskc.Algorithm, serial string) pskc.Key {
	secret := make([]byte, 32)
	rand.Read(secret)
	k := pskc.Key{Manufacturer: "Example", Serial: serial, KeyID: serial + "-" + string(kind), Algorithm: kind, Digits: 6, Secret: secret}
	if kind == pskc.OCRA {
		k.Digits, k.Suite = 8, enrollment.OCRASuite
	}
	return k
}

// Import imports new devices, each with one key of every kind named, and
// returns them in stock.
func (b *Bank) Import(n int, kinds ...pskc.Algorithm) []*Device {
	b.T.Helper()
	return b.Stock(n, "", enrollment.OCRASuite, kinds...)
}

// Stock imports devices of a profile; a key for OCRA has that suite.
func (b *Bank) Stock(n int, profile, suite string, kinds ...pskc.Algorithm) []*Device {
	b.T.Helper()
	var file pskctest.File
	var devices []*Device
	for range n {
		serial := fmt.Sprintf("S%08d", serials.Add(1))
		d := &Device{bank: b, Serial: serial, keys: map[pskc.Algorithm]*pskc.Key{}}
		for _, kind := range kinds {
			k := key(kind, serial)
			k.Uses = b.Uses
			if kind == pskc.OCRA {
				k.Suite = suite
			}
			file.Keys = append(file.Keys, k)
			d.keys[kind] = &k
		}
		devices = append(devices, d)
	}
	cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(file.Plain()), Format: "pskc", Profile: profile}
	job, err := b.Enrollment.BeginImport(b.T.Context(), &cmd)
	b.must(err)
	job, err = b.Enrollment.RunImport(b.T.Context(), cmd, job)
	b.must(err)
	if job.State != tokens.ImportCompleted || job.Imported != n*len(kinds) {
		b.T.Fatalf("import: %+v", job)
	}
	for _, d := range devices {
		t, err := b.Enrollment.Token(b.T.Context(), "serial:"+d.Serial)
		b.must(err)
		d.ID = t.ID
	}
	return devices
}

// Hand brings a device from stock to a customer's pocket and activates it.
func (b *Bank) Hand(d *Device, customer string) {
	b.T.Helper()
	ctx := b.T.Context()
	for _, m := range []enrollment.MoveCommand{{Move: tokens.Assign, Customer: customer}, {Move: tokens.Ship}, {Move: tokens.Deliver}} {
		m.Caller, m.Token = b.Staff(), d.ID
		_, err := b.Enrollment.Move(ctx, m)
		b.must(err)
	}
	sent, err := b.Enrollment.SendSecret(ctx, enrollment.SecretCommand{Caller: b.Staff(), Customer: customer, Purpose: "activate", Token: d.ID, Channel: "sms"})
	b.must(err)
	cmd := enrollment.ActivateCommand{Caller: b.Front(), Token: d.ID, Secret: sent.Text, Method: "otp"}
	switch {
	case d.keys[pskc.HOTP] != nil:
		cmd.Code = d.HOTP()
	case d.keys[pskc.TOTP] != nil:
		cmd.Code = d.TOTP()
	default:
		cmd.Method, cmd.Code = "ocra", d.OCRA(sent.Secret.Question)
	}
	_, err = b.Enrollment.Activate(ctx, cmd)
	b.must(err)
}

// Person is a customer with a PIN and one active device.
func (b *Bank) Person(kinds ...pskc.Algorithm) (parties.Customer, *Device) {
	b.T.Helper()
	c := b.Customer()
	b.SetPIN(c.ID, PIN)
	d := b.Import(1, kinds...)[0]
	b.Hand(d, c.ID)
	return c, d
}
