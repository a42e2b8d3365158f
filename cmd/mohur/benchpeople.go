package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// benchCustomer is a customer of the measured bank and, if he has one, the token
// in his hand.
type benchCustomer struct {
	id    string
	ip    string
	token *demoToken // nil: none
	pin   string     // kept by the server; "": none
	fails int        // wrong codes since the last right one
	open  []opened   // attempts begun for him and not granted, oldest first
}

// opened is an attempt that waits for its answer.
type opened struct {
	id      string
	at      time.Time
	guessed bool // a wrong code was sent to it
}

// The device profiles of the customers: in the one the device has asked its PIN,
// and a code alone is two factors; in the other the server keeps a PIN.
const (
	pinOnDevice = "oath-pin"
	pinOnServer = "oath"
)

// chosenPIN is one that the bank lets everybody choose.
const chosenPIN = "718294"

// newcomers names n customers who are not in the bank yet; with a token each
// where profile names one.
func newcomers(prefix string, n int, profile string) []*benchCustomer {
	all := make([]*benchCustomer, n)
	for i := range all {
		// Addresses for measurements (RFC 2544).
		c := &benchCustomer{id: fmt.Sprintf("%s-%05d", prefix, i), ip: fmt.Sprintf("198.18.%d.%d", i/250%250, 1+i%250)}
		if profile != "" {
			c.token = newDemoToken(c.id)
		}
		if profile == pinOnServer {
			c.pin = chosenPIN
		}
		all[i] = c
	}
	return all
}

// enrolAtOnce is how many customers are enrolled at the same time.
const enrolAtOnce = 16

// enrol brings customers into the bank: each with his contract and, if he has
// one, his token, handed over and alive.
func (b *benchBank) enrol(ctx context.Context, all []*benchCustomer, profile string) error {
	if profile != "" {
		if err := b.importTokens(ctx, all, profile); err != nil {
			return fmt.Errorf("the import of the tokens: %w", err)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var desks sync.WaitGroup
	for range enrolAtOnce {
		desks.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := b.enrolOne(ctx, all[i]); err != nil {
					cancel(fmt.Errorf("enrolling %s: %w", all[i].id, err))
				}
			}
		})
	}
	desks.Wait()
	return context.Cause(ctx)
}

func (b *benchBank) enrolOne(ctx context.Context, c *benchCustomer) error {
	err := b.admin.call(ctx, http.MethodPut, "/v1/customers/"+c.id, map[string]any{
		"name": "Leyla Əliyeva", "locale": "az", "segment": "retail",
		"contacts":     map[string]string{"phone": "+994501234567", "email": "leyla@example.az"},
		"contract_ref": "K-" + c.id, "contract_version": "1", "kyc_ref": "V-" + c.id,
	}, nil)
	if err == nil && c.pin != "" {
		err = b.choosePIN(ctx, c)
	}
	if err == nil && c.token != nil {
		err = b.handOver(ctx, c)
	}
	return err
}

func (b *benchBank) secret(ctx context.Context, c *benchCustomer, purpose, token string) (string, error) {
	in := map[string]string{"purpose": purpose, "channel": "email"}
	if token != "" {
		in["token"] = token
	}
	var out struct{ Secret string }
	err := b.admin.call(ctx, http.MethodPost, "/v1/customers/"+c.id+"/activation-secrets", in, &out)
	return out.Secret, err
}

func (b *benchBank) choosePIN(ctx context.Context, c *benchCustomer) error {
	secret, err := b.secret(ctx, c, "pin", "")
	if err != nil {
		return err
	}
	in := map[string]any{"pin": c.pin, "proof": map[string]string{"activation_secret": secret}}
	return b.admin.call(ctx, http.MethodPut, "/v1/customers/"+c.id+"/pin", in, nil)
}

// handOver brings a token from stock into the customer's hand and to life.
func (b *benchBank) handOver(ctx context.Context, c *benchCustomer) error {
	ref := "/v1/tokens/serial:" + c.token.serial
	var t tokenView
	if err := b.admin.call(ctx, http.MethodPost, ref+"/assign", map[string]string{"customer": c.id}, &t); err != nil {
		return err
	}
	if err := b.admin.call(ctx, http.MethodPost, ref+"/deliver", map[string]string{"receipt": "by hand"}, nil); err != nil {
		return err
	}
	secret, err := b.secret(ctx, c, "activate", t.ID)
	if err != nil {
		return err
	}
	return b.admin.call(ctx, http.MethodPost, ref+"/activate", map[string]any{
		"activation_secret": secret, "response": map[string]string{"method": "otp", "code": c.token.code()},
	}, nil)
}

// importTokens brings the customers' tokens into stock.
func (b *benchBank) importTokens(ctx context.Context, all []*benchCustomer, profile string) error {
	path := filepath.Join(b.scratch.dir, "tokens.xml")
	if err := os.WriteFile(path, plainBatch(all), 0o600); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	job, err := b.admin.sendImport(ctx, file, importOptions{format: "pskc", profile: profile})
	if err = errors.Join(err, file.Close(), os.Remove(path)); err != nil {
		return err
	}
	err = until(ctx, func() (bool, error) {
		err := b.admin.call(ctx, http.MethodGet, "/v1/token-imports/"+job.ID, nil, &job)
		return job.State != "running", err
	})
	if err == nil && (job.State != "completed" || job.Imported != len(all)) {
		err = fmt.Errorf("%s, %d of %d %s", job.State, job.Imported, len(all), job.Error)
	}
	return err
}

// plainBatch is a seed file in the clear (RFC 6030), which a bank for development
// takes: one HOTP key for each token.
func plainBatch(all []*benchCustomer) []byte {
	var out bytes.Buffer
	out.WriteString(xml.Header + `<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">` + "\n")
	for _, c := range all {
		fmt.Fprintf(&out, `<KeyPackage><DeviceInfo><Manufacturer>Example</Manufacturer><SerialNo>%s</SerialNo></DeviceInfo>
<Key Id="%[1]s" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
<Data><Secret><PlainValue>%s</PlainValue></Secret><Counter><PlainValue>0</PlainValue></Counter></Data></Key></KeyPackage>
`, c.token.serial, base64.StdEncoding.EncodeToString(c.token.hotpSeed))
	}
	out.WriteString("</KeyContainer>\n")
	return out.Bytes()
}

// The requests of the customers, as a front end sends them.

func (c *benchCustomer) beginning(responses ...map[string]string) []byte {
	in := map[string]any{"customer": c.id, "purpose": "login", "channel": "internet", "context": map[string]string{
		"ip": c.ip, "user_agent": "Bench/1.0", "device_id": "phone-1", "country": "AZ",
	}}
	if len(responses) > 0 {
		in["responses"] = responses
	}
	return encoded(in)
}

func byCode(code string) map[string]string { return map[string]string{"method": "otp", "code": code} }

func byPIN(pin string) map[string]string { return map[string]string{"method": "pin", "pin": pin} }

// wrongCode is a code that the token shows at no counter the server looks at: it
// knows of ten ahead.
func (c *benchCustomer) wrongCode() string {
	const ahead = 12
	shown := map[string]bool{}
	t := *c.token
	for range ahead {
		shown[t.code()] = true
	}
	for n := 0; ; n++ {
		if code := fmt.Sprintf("%06d", n); !shown[code] {
			return code
		}
	}
}
