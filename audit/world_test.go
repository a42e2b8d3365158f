package audit_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/audit"
	"mohur/audit/audittest"
)

const origin = "bank.example/mohur"

// world is a log with everything around it. Its clock advances a second with
// every event.
type world struct {
	t       testing.TB
	store   *audittest.Memory
	signer  *audittest.Signer
	drafter *audit.Drafter
	seq     *audit.Sequencer
	n       int

	mu      sync.Mutex
	now     time.Time
	retried []error
}

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, store: &audittest.Memory{Node: "n1"}, signer: audittest.NewSigner(t),
		now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
	}
	w.drafter = audittest.NewDrafter(t, w.clock)
	w.seq = w.sequencer()
	return w
}

func (w *world) clock() time.Time { return w.move(0) }

func (w *world) move(d time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	return w.now
}

func (w *world) retry(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retried = append(w.retried, err)
}

func (w *world) sequencer() *audit.Sequencer {
	return &audit.Sequencer{
		Store: w.store, Signer: w.signer, Origin: origin, Now: w.clock,
		OnError: w.retry,
	}
}

func (w *world) draft(e audit.Event) audit.Draft {
	w.t.Helper()
	w.move(time.Second)
	d, err := w.drafter.Draft(w.t.Context(), e)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) add(n int) {
	w.t.Helper()
	for range n {
		w.n++
		d := w.draft(audit.Event{
			Name: "authentication.answered", Outcome: "granted",
			Credential: fmt.Sprintf("cr_%d", w.n), Detail: map[string]string{"customer": "Əli"},
		})
		if err := w.store.Append(d); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) sign() {
	w.t.Helper()
	if err := w.seq.Checkpoint(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// upTo adds entries and signs a checkpoint at each size.
func (w *world) upTo(sizes ...int) *world {
	w.t.Helper()
	for _, size := range sizes {
		w.add(size - w.n)
		w.sign()
	}
	return w
}

func (w *world) export(from uint64) string {
	w.t.Helper()
	var b bytes.Buffer
	opt := audit.ExportOptions{From: from, Key: w.signer.VKey(w.t, origin)}
	if err := audit.Export(w.t.Context(), &b, w.store, opt); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

func (w *world) options() audit.VerifyOptions {
	return audit.VerifyOptions{Verifier: w.signer.Verifier(w.t, origin)}
}

func (w *world) checkpoint(size uint64) []byte {
	w.t.Helper()
	note, err := w.store.CheckpointFor(w.t.Context(), size)
	if err != nil || note == nil {
		w.t.Fatalf("no checkpoint for %d: %v", size, err)
	}
	return note
}

func verify(t testing.TB, export string, opt audit.VerifyOptions) audit.Report {
	t.Helper()
	r, err := audit.Verify(strings.NewReader(export), opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines is an export that can be edited.
type lines []string

func split(export string) lines {
	l := strings.SplitAfter(export, "\n")
	return l[:len(l)-1]
}

func (l lines) String() string { return strings.Join(l, "") }

// entry returns where entry seq stands.
func (l lines) entry(t testing.TB, seq uint64) int {
	t.Helper()
	for i := range l {
		if e, err := audit.ParseEntryLine([]byte(strings.TrimSuffix(l[i], "\n"))); err == nil && e.Seq == seq {
			return i
		}
	}
	t.Fatalf("no entry %d", seq)
	return 0
}

// checkpointAfter returns where the first checkpoint after entry seq stands.
func (l lines) checkpointAfter(t testing.TB, seq uint64) int {
	t.Helper()
	for i := l.entry(t, seq); i < len(l); i++ {
		if strings.HasPrefix(l[i], `{"checkpoint":`) {
			return i
		}
	}
	t.Fatalf("no checkpoint after entry %d", seq)
	return 0
}

// edit changes entry seq, and its recorded leaf hash too if the attacker is a
// careful one.
func (l lines) edit(t testing.TB, seq uint64, careful bool, change func(*audit.EntryLine)) {
	t.Helper()
	at := l.entry(t, seq)
	e, err := audit.ParseEntryLine([]byte(strings.TrimSuffix(l[at], "\n")))
	if err != nil {
		t.Fatal(err)
	}
	change(&e)
	if careful {
		e.Leaf = audit.LeafHash([]byte(e.Header))
	}
	l[at] = e.String()
}

func refuse(e *audit.EntryLine) { e.Header = strings.Replace(e.Header, "granted", "refused", 1) }

func seqMember(seq uint64) string { return fmt.Sprintf(`"seq":%d,`, seq) }
