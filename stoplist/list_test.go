package stoplist_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/seal"
	"mohur/stoplist"
)

var away = &hsm.Fault{Class: hsm.ClassDevice, Err: errors.New("CKR_DEVICE_REMOVED")}

// bench is a list over a real HSM, which can be opened again.
type bench struct {
	*stoplist.List
	t    *testing.T
	hsm  *hsmtest.Faulty
	path string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, hsm: &hsmtest.Faulty{Module: hsmtest.SoftHSM(t)}, path: filepath.Join(t.TempDir(), "stop")}
	b.open(0)
	t.Cleanup(func() { b.Close() })
	return b
}

// open opens the list as a new process does: with nothing in memory.
func (b *bench) open(limit int64) {
	b.t.Helper()
	l, err := stoplist.Open(b.t.Context(), stoplist.Options{Path: b.path, Keys: &seal.Keyring{HSM: b.hsm}, Now: time.Now, Limit: max(limit, 1<<16)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.List = l
}

func (b *bench) again() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open(0)
}

func lost(token string) stoplist.Report {
	r := stoplist.New(stoplist.CustomerReport, time.Now())
	r.Kind, r.Channel, r.Token, r.Caller, r.Words.Details = "lost", "phone", token, "cl_1", "my bag was taken in Nizami street"
	return r
}

func (b *bench) add(r stoplist.Report) stoplist.Report {
	b.t.Helper()
	got, err := b.Append(r, stoplist.Repeat{})
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// merge merges into a slice.
func (b *bench) merge() []stoplist.Report {
	b.t.Helper()
	var out []stoplist.Report
	if err := b.Merge(b.t.Context(), into(&out)); err != nil {
		b.t.Fatal(err)
	}
	return out
}

func into(out *[]stoplist.Report) stoplist.Merger {
	return stoplist.Merger{
		Ready: func(context.Context) error { return nil },
		Apply: func(_ context.Context, r stoplist.Report) error { *out = append(*out, r); return nil },
	}
}

func (b *bench) file() []byte {
	b.t.Helper()
	text, err := os.ReadFile(b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// Clause 5.17.3: what was acknowledged while the HSM was away is refused in the
// next process too, and its words open there.
func TestClause5_17_3_AnAcknowledgedReportOutlivesTheProcess(t *testing.T) {
	b := newBench(t)
	b.hsm.FailAll(away)
	r := b.add(lost("tk_1"))
	b.add(lost("serial:S1"))
	named := stoplist.New(stoplist.CustomerSuspend, time.Now())
	named.Customer = "C-1"
	b.add(named)
	if info, err := os.Stat(b.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if bytes.Contains(b.file(), []byte("Nizami")) {
		t.Error("the words lie in the clear")
	}
	for range 2 {
		if !b.Token("tk_1", "S9") || !b.Token("tk_2", "S1") || b.Token("tk_3", "S2") || !b.Customer("C-1") || b.Customer("C-2") || b.Pending() != 3 {
			t.Fatal("not what was reported is refused")
		}
		b.hsm.Heal()
		b.again()
	}
	got := b.merge()
	if len(got) != 3 || got[0].Ack != r.Ack || !got[0].At.Equal(r.At) || got[0].Words != r.Words || got[0].Changed {
		t.Errorf("merged %+v", got)
	}
	if b.Any() || b.Pending() != 0 {
		t.Error("what was merged is still listed")
	}
	b.again()
	if b.Any() || bytes.Contains(b.file(), []byte("tk_1")) {
		t.Error("what was merged is listed at the next start")
	}
}

// A crash may leave half a line: nobody was given its acknowledgement. Nothing
// before it is lost, and the next line is not lost behind it.
func TestATornTailTakesNothingWithIt(t *testing.T) {
	b := newBench(t)
	b.add(lost("tk_1"))
	before := len(bytes.TrimRight(b.file(), "\x00"))
	b.add(lost("tk_2"))
	full := bytes.TrimRight(b.file(), "\x00")
	for cut := before; cut < len(full); cut += 7 {
		b.Close()
		if err := os.WriteFile(b.path, full[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		b.open(0)
		if !b.Token("tk_1", "") || b.Token("tk_2", "") || b.Pending() != 1 {
			t.Fatalf("cut at %d: %d reports", cut, b.Pending())
		}
		b.add(lost("tk_2"))
		b.again()
		if !b.Token("tk_2", "") || b.Pending() != 2 {
			t.Fatalf("cut at %d: a later report is lost", cut)
		}
	}
}

// A line that was changed on the disk is told to people, and the others hold.
func TestADamagedLineIsTold(t *testing.T) {
	b := newBench(t)
	b.add(lost("tk_1"))
	b.add(lost("tk_2"))
	b.Close()
	if err := os.WriteFile(b.path, bytes.Replace(b.file(), []byte("tk_1"), []byte("tk_9"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	b.open(0)
	if b.Token("tk_9", "") || !b.Token("tk_2", "") {
		t.Error("a damaged line was believed, or a whole one was not")
	}
	got := b.merge()
	if len(got) != 2 || got[1].Act != stoplist.Damaged || got[1].Stops() {
		t.Fatalf("merged %+v", got)
	}
	if kept, err := filepath.Glob(b.path + ".damaged-*"); err != nil || len(kept) != 1 {
		t.Errorf("the damaged file was not kept: %v, %v", kept, err)
	}
}

func TestAFullListRefusesAndKeepsWhatItHas(t *testing.T) {
	b := newBench(t)
	n := 0
	for ; ; n++ {
		r := lost("tk_1")
		r.Words.Details = strings.Repeat("x", 2000)
		if _, err := b.Append(r, stoplist.Repeat{}); errors.Is(err, stoplist.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n < 10 || b.Pending() != n {
		t.Errorf("%d taken, %d listed", n, b.Pending())
	}
	if got := b.merge(); len(got) != n {
		t.Errorf("%d of %d merged", len(got), n)
	}
	b.add(lost("tk_1"))
}

// A report that fails holds up no other and stays refused.
func TestAReportThatFailsStays(t *testing.T) {
	b := newBench(t)
	b.add(lost("tk_1"))
	b.add(lost("tk_2"))
	var out []stoplist.Report
	m := into(&out)
	apply := m.Apply
	m.Apply = func(ctx context.Context, r stoplist.Report) error {
		if r.Token == "tk_1" {
			return errors.New("contended")
		}
		return apply(ctx, r)
	}
	if err := b.Merge(t.Context(), m); err == nil {
		t.Error("no word of the fault")
	}
	if len(out) != 1 || !b.Token("tk_1", "") || b.Token("tk_2", "") || b.Pending() != 1 {
		t.Errorf("%d merged, %d listed", len(out), b.Pending())
	}
	b.again()
	if !b.Token("tk_1", "") || b.Token("tk_2", "") {
		t.Error("the file says something else")
	}
	m.Ready = func(context.Context) error { return away }
	if err := b.Merge(t.Context(), m); !errors.Is(err, away) {
		t.Errorf("merged while a part is away: %v", err)
	}
}

func TestARepeatGetsTheFirstAcknowledgement(t *testing.T) {
	b := newBench(t)
	as := stoplist.Repeat{Caller: "cl_1", Method: "POST", Path: "/p", Key: "k", Body: []byte(`{"a":1}`)}
	var wg sync.WaitGroup
	acks := make([]string, 8)
	for i := range acks {
		wg.Go(func() {
			r, err := b.Append(lost("tk_1"), as)
			if err != nil {
				t.Error(err)
			}
			acks[i] = r.Ack
		})
	}
	wg.Wait()
	slices.Sort(acks)
	if len(slices.Compact(acks)) != 1 || b.Pending() != 1 {
		t.Fatalf("%d reports", b.Pending())
	}
	ack := acks[0]
	check := func(when string) {
		t.Helper()
		if was, found, conflict := b.Repeated(as); !found || conflict || was.Ack != ack {
			t.Errorf("%s: %q, %v, %v", when, was.Ack, found, conflict)
		}
		other := as
		other.Body = []byte(`{"a":2}`)
		if _, found, conflict := b.Repeated(other); !found || !conflict {
			t.Errorf("%s, another body: %v, %v", when, found, conflict)
		}
		other.Caller = "cl_2"
		if _, found, _ := b.Repeated(other); found {
			t.Errorf("%s: another caller's", when)
		}
	}
	check("listed")
	b.again()
	check("after a restart")
	b.merge()
	check("merged")
	if bytes.Contains(b.file(), []byte(`"k"`)) {
		t.Error("the key lies in the clear")
	}
}

func TestNoListRefusesNothing(t *testing.T) {
	var l *stoplist.List
	if l.Any() || l.Customer("C") || l.Token("t", "s") || l.Pending() != 0 || l.Close() != nil {
		t.Error("it does")
	}
	if _, found, _ := l.Repeated(stoplist.Repeat{Key: "k"}); found {
		t.Error("it remembers")
	}
}
