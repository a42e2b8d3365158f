package stoplist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mohur/ident"
	"mohur/seal"
)

// Options say where a list is and with what it is kept.
type Options struct {
	Path string        // of the file, made with mode 0600; best not on the store's disk
	Keys *seal.Keyring // wraps the list's key, opens those of earlier starts
	Now  func() time.Time
	// Limit bounds the file, in bytes, all reserved at the start. 0: DefaultLimit.
	Limit  int64
	Logger *slog.Logger // nil: none
}

// DefaultLimit holds about 2,000 reports with details of the greatest length.
const DefaultLimit = 8 << 20

var (
	// ErrFull says that the list takes no more reports until it was merged.
	ErrFull = errors.New("stoplist: the list is full")
	// ErrRepeat says that the Idempotency-Key came before with another body.
	ErrRepeat = errors.New("stoplist: the key was used for another report")
	// ErrClosed says that the list has been closed.
	ErrClosed = errors.New("stoplist: closed")
)

// List is an open stop-list. All methods may be called by many goroutines, those
// that only ask on a nil List too: it refuses nothing.
type List struct {
	options Options
	held    *seal.Held
	index   atomic.Pointer[index]
	added   chan struct{} // holds one when something was added
	merging sync.Mutex

	mu       sync.Mutex
	file     *os.File
	end      int64 // of what is written
	space    int64 // what is reserved
	broken   bool  // the disk did not confirm: the file is made anew before it is written again
	stale    bool  // holds reports that were settled
	keys     map[string]seal.Key
	pending  []entry
	answered []Report
}

// Open reads the list of the last start and begins a new file with what is in it.
// The HSM is needed for that: it wraps the key under which details lie until it
// is back. A list that cannot be kept is a reason not to start.
func Open(ctx context.Context, o Options) (*List, error) {
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &List{options: o, added: make(chan struct{}, 1)}
	b, err := os.ReadFile(o.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("stoplist: %w", err)
	}
	c := parse(b)
	// A new key at each start: what a memory dump gives away is one start's words.
	if l.held, err = o.Keys.Hold(ctx, ident.New("stop-list")); err != nil {
		return nil, fmt.Errorf("stoplist: the key of this start: %w", err)
	}
	l.keys, l.pending = c.keys, c.entries
	l.keys[l.held.Key.Person] = l.held.Key
	if c.damaged > 0 {
		if err := l.damaged(b, c.damaged); err != nil {
			return nil, err
		}
	}
	if err := l.rewrite(); err != nil {
		return nil, err
	}
	l.publish()
	return l, nil
}

// damaged keeps a file that cannot be read whole, for people, and adds what tells
// them of it.
func (l *List) damaged(b []byte, lines int) error {
	now := l.options.Now().UTC()
	aside := l.options.Path + ".damaged-" + now.Format("20060102T150405.000000000")
	if err := os.WriteFile(aside, b, 0o600); err != nil {
		return fmt.Errorf("stoplist: %d lines cannot be read, and the file cannot be kept: %w", lines, err)
	}
	r := New(Damaged, now)
	r.Words.Details = fmt.Sprintf("%d lines of the stop-list could not be read; it is kept as %s", lines, aside)
	e, err := l.seal(r)
	if err != nil {
		return err
	}
	l.pending = append(l.pending, e)
	return nil
}

// Append makes a report durable and obeyed, and only then returns it: with the
// acknowledgement of the first one, where it repeats one that is still listed.
// No HSM, store or network is asked.
func (l *List) Append(r Report, as Repeat) (Report, error) {
	r.Once = NewOnce(as)
	e, err := l.seal(r)
	if err != nil {
		return Report{}, err
	}
	b, err := line{Entry: &e}.encode()
	if err != nil {
		return Report{}, fmt.Errorf("stoplist: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return Report{}, ErrClosed
	}
	switch was, found, conflict := l.repeated(as); {
	case conflict:
		return Report{}, ErrRepeat
	case found:
		return was, nil
	}
	if l.broken {
		if err := l.rewrite(); err != nil {
			return Report{}, err
		}
	}
	if err := l.write(b); err != nil {
		return Report{}, err
	}
	l.pending = append(l.pending, e)
	l.publish()
	select {
	case l.added <- struct{}{}:
	default:
	}
	return r, nil
}

// Pending is how many reports wait to be merged; readiness asks it.
func (l *List) Pending() int {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending)
}

// Close lets go of the file. What is in it is read at the next start.
func (l *List) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}

// publish makes what is pending what is refused.
func (l *List) publish() { l.index.Store(indexOf(l.pending)) }

// seal closes the words of a report under the key of this start.
func (l *List) seal(r Report) (entry, error) {
	place, err := r.place()
	if err != nil {
		return entry{}, fmt.Errorf("stoplist: %w", err)
	}
	text, err := json.Marshal(r.Words)
	if err != nil {
		return entry{}, fmt.Errorf("stoplist: %w", err)
	}
	return entry{Report: r, Key: l.held.Key.Person, Sealed: l.held.Seal(place, text)}, nil
}

// open opens the words of a report. Words that do not open mark it as changed:
// the HSM answered, and it is not what was written.
func (l *List) open(ctx context.Context, e entry) (Report, error) {
	r := e.Report
	place, err := r.place()
	if err != nil {
		return Report{}, fmt.Errorf("stoplist: %w", err)
	}
	l.mu.Lock()
	key, known := l.keys[e.Key]
	l.mu.Unlock()
	if !known {
		r.Changed = true
		return r, nil
	}
	text, err := l.options.Keys.Open(ctx, key, place, e.Sealed)
	switch {
	case errors.Is(err, seal.ErrOpen) || errors.Is(err, seal.ErrErased):
		r.Changed = true
		return r, nil
	case err != nil:
		return Report{}, err
	}
	if err := json.Unmarshal(text, &r.Words); err != nil {
		r.Words, r.Changed = Words{}, true
	}
	return r, nil
}

// drop takes a report off the list.
func (l *List) drop(r Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = slices.DeleteFunc(slices.Clone(l.pending), func(e entry) bool { return e.Ack == r.Ack })
	l.answer(r)
	l.stale = true
	l.publish()
}
