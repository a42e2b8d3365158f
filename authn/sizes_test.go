package authn_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/banktest"
	"mohur/ident"
	"mohur/parties"
	"mohur/rate"
	"mohur/settle"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// sizesVariable names other sizes than those of every day, as 1000,1000000.
const sizesVariable = "MOHUR_SIZES"

// sizesPeople is how many customers log in: so many, and spread over the whole
// store, that most find nothing of theirs read a moment before.
const sizesPeople = 500

// BenchmarkStoreSizes is a log-in, as in BenchmarkOTPAnswer with 16 callers, in
// banks of different sizes: each token with its customer, its credential, its hot
// row and their indexes.
func BenchmarkStoreSizes(b *testing.B) {
	sizes := []int{1_000, 20_000}
	if text := os.Getenv(sizesVariable); text != "" {
		sizes = nil
		for part := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(part)
			if err != nil || n < sizesPeople {
				b.Fatalf("%s=%s: sizes are numbers from %d on, with commas between", sizesVariable, text, sizesPeople)
			}
			sizes = append(sizes, n)
		}
	}
	for _, n := range sizes {
		// The bank is made once, whatever b.N becomes.
		var made sync.Once
		var all []holder
		var bank *banktest.Bank
		outer := b
		b.Run(fmt.Sprintf("%d tokens", n), func(b *testing.B) {
			made.Do(func() {
				bank = banktest.New(outer)
				all = sizedBank(b, bank, n)
			})
			benchSizes(b, bank, all)
		})
	}
}

// holder is a customer with the token in his hand.
type holder struct {
	customer string
	device   *banktest.Device
	busy     sync.Mutex
}

// sizedBank makes a bank of so many tokens; of some the holders are returned.
func sizedBank(b *testing.B, bank *banktest.Bank, n int) (all []holder) {
	b.Helper()
	open := rate.Limit{PerSecond: 1 << 30, Burst: 1 << 30}
	bank.Authn.Settings.Pace = authn.Pace{Customer: open, Source: open, CustomerSlow: rate.Slow{From: 1 << 30, Window: time.Minute}, SourceSlow: rate.Slow{From: 1 << 30, Window: time.Minute}}
	if err := bank.Authn.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	bank.Rules.LoginACR = string(authn.Single)
	devices := bank.Import(sizesPeople, pskc.HOTP)
	all = make([]holder, sizesPeople)
	for i, d := range devices {
		c := bank.Customer()
		bank.Hand(d, c.ID)
		all[i].customer, all[i].device = c.ID, d
	}
	multiply(b, bank, &all[0], n-sizesPeople)
	return all
}

// multiply fills the store with likenesses of one customer and his token. They are
// as large as real ones; nobody reads them, so their MACs are of random bytes.
func multiply(b *testing.B, bank *banktest.Bank, of *holder, n int) {
	b.Helper()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	ctx := b.Context()
	customer, err := bank.Engine.Customer(ctx, of.customer)
	must(err)
	token, err := bank.Engine.Token(ctx, of.device.ID)
	must(err)
	credential, err := bank.Engine.Credential(ctx, token.Credentials[0])
	must(err)
	hot, err := bank.Engine.Hot(ctx, credential.ID)
	must(err)
	const atOnce = 500
	for done := 0; done < n; done += atOnce {
		var effects []settle.Effect
		for i := range min(atOnce, n-done) {
			c, t, k, h := customer, token, credential, hot[0].Hot
			c.ID, c.Version, c.Pseudonym = "C-"+ident.Text(5), 1, ident.New("ps")
			t.ID, t.Customer, t.Version, t.Serial = ident.New("tk"), c.ID, 1, fmt.Sprintf("F%08d", done+i)
			k.ID, k.Token, k.Pseudonym, k.KeyID = ident.New("cr"), t.ID, ident.New("ps"), t.Serial+"-1"
			k.Seed.Blob = slices.Clone(k.Seed.Blob)
			rand.Read(k.Seed.Blob)
			t.Credentials = []string{k.ID}
			h.ID, h.Version = k.ID, 1
			rand.Read(h.MAC[:])
			effects = append(effects, parties.SaveCustomer{Customer: c}, tokens.SaveToken{Token: t},
				tokens.AddCredential{Credential: k, Manufacturer: t.Manufacturer, Serial: t.Serial, Hot: h})
		}
		draft, err := bank.Audit.Draft(ctx, audit.Event{Name: "filled", Outcome: "done"})
		must(err)
		r, err := bank.Engine.Settle(ctx, settle.Command{Effects: effects, Entries: []audit.Draft{draft}})
		must(err)
		if r.Outcome != settle.Done {
			b.Fatal(r)
		}
	}
}

func benchSizes(b *testing.B, bank *banktest.Bank, all []holder) {
	const callers = 16
	var work sync.WaitGroup
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	began := cpu(b)
	for range callers {
		work.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				p := &all[int(i)%len(all)]
				p.busy.Lock()
				v, err := bank.Authn.Begin(b.Context(), authn.BeginCommand{Caller: bank.Front(), Customer: p.customer, Purpose: authn.Login, Channel: parties.Internet})
				if err == nil {
					v, err = bank.Authn.Answer(b.Context(), authn.AnswerCommand{Caller: bank.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Secret: p.device.HOTP()})
				}
				p.busy.Unlock()
				if err != nil || v.Session == nil {
					b.Errorf("%+v, %v", v, err)
					return
				}
			}
		})
	}
	work.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "log-ins/s")
	if info, err := os.Stat(bank.Path); err == nil {
		b.ReportMetric(float64(info.Size()>>20), "MiB")
	}
}
