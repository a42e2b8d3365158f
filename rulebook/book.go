package rulebook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/incident"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/risk/policy"
	"mohur/settle"
	"mohur/store"
)

// Book answers from memory what is in force now. Open makes it; its methods may be
// called by many goroutines.
type Book struct {
	Options

	mu       sync.Mutex // of whoever reads the store anew
	compared time.Time  // when the stored versions were last compared with those in memory
	held     atomic.Pointer[pages]
	reached  atomic.Int64 // the highest stored version that was in force; a clock set back does not undo it
	trying   chan struct{}
	check    func(p risk.Policy, stop func() bool) []string // policy.CheckUntil; tests set others
}

// Options are what a book is made of. Every member is needed, unless it says otherwise.
type Options struct {
	Store   Store
	Settler settle.Store
	Audit   *audit.Drafter
	// Base is in force where no stored policy of a higher version is: the policy of
	// the configuration, or the one the server ships with.
	Base risk.Policy
	Zone *time.Location // of the bank's day
	// MaxAge is how long a rate is used, from the end of its day; zero: DefaultMaxAge.
	MaxAge time.Duration
	// Places are the decimal places of a currency; false: it is not known.
	Places func(currency string) (places int, known bool)
	Now    func() time.Time
}

// Edition is a policy with its record.
type Edition struct {
	Rules  risk.Policy
	Record Policy // zero: it is the base
}

// Adopted reports whether the policy is a stored one.
func (e Edition) Adopted() bool { return e.Record.Version > 0 }

// Since is when it comes or came into force.
func (e Edition) Since() time.Time {
	if e.Adopted() {
		return e.Record.Since()
	}
	return e.Rules.From
}

// pages are what was read of the store. They are never changed.
type pages struct {
	head     Head
	editions []Edition // rising; those that have been in force before the first one are left out
	shadow   *risk.Policy
	shadowBy Shadow
	// unshadowed says why the shadow policy that should be there is none.
	unshadowed error
	rates      Rates
	quotes     []quoted
}

// errUnusable says that what is stored cannot be what decides.
var errUnusable = errors.New("the stored policies cannot be used")

func unusable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUnusable, fmt.Sprintf(format, args...))
}

// Open reads the store. A policy there that is not as it was written, or that
// cannot be read, is an error: nobody knows what should be in force instead. Rates
// that are not as they were written are none, which holds every payment they are for.
func Open(ctx context.Context, o Options) (*Book, error) {
	if o.MaxAge == 0 {
		o.MaxAge = DefaultMaxAge
	}
	b := &Book{Options: o, trying: make(chan struct{}, 1), check: policy.CheckUntil}
	policies, rates := b.refresh(ctx)
	if policies != nil {
		return nil, fmt.Errorf("policy: %w", policies)
	}
	if rates != nil && !spoilt(rates) {
		return nil, fmt.Errorf("rates: %w", rates)
	}
	return b, nil
}

// InForce is the policy in force now. Whoever decides asks once and uses the answer
// until he has decided.
func (b *Book) InForce() risk.Policy { return b.at(b.Now()).Rules }

// Present is the policy in force now, with its record.
func (b *Book) Present() Edition { return b.at(b.Now()) }

// Scheduled are the versions whose time is still to come. One that a higher version
// was faster than never comes.
func (b *Book) Scheduled() []Edition {
	present, out := b.Present(), []Edition{}
	for _, e := range b.held.Load().editions {
		if e.Record.Version > present.Rules.Version {
			out = append(out, e)
		}
	}
	return out
}

// Shadow is the policy to be tried beside the one in force, if there is one.
func (b *Book) Shadow() (risk.Policy, bool) {
	if s := b.held.Load().shadow; s != nil {
		return *s, true
	}
	return risk.Policy{}, false
}

// ShadowRecord says who set the shadow policy, and when.
func (b *Book) ShadowRecord() Shadow { return b.held.Load().shadowBy }

// at is the highest version whose time has come.
func (b *Book) at(now time.Time) Edition {
	editions := b.held.Load().editions
	for _, e := range slices.Backward(editions) {
		if e.Record.Version < b.Base.Version {
			break
		}
		version := int64(e.Record.Version)
		if !now.Before(e.Since()) || version <= b.reached.Load() {
			for was := b.reached.Load(); was < version && !b.reached.CompareAndSwap(was, version); was = b.reached.Load() {
			}
			return e
		}
	}
	return Edition{Rules: b.Base}
}

// highest is the highest version there is, over that of the base.
func (p *pages) highest(base int) int {
	for _, v := range p.head.Versions {
		base = max(base, v)
	}
	return base
}

// Version returns a stored version, or the base as a record of its own.
func (b *Book) Version(ctx context.Context, version int) (Policy, error) {
	p, err := b.Store.AdoptedPolicy(ctx, version)
	switch {
	case errors.Is(err, parties.ErrNotFound) && version == b.Base.Version:
		return Policy{Version: version, YAML: string(b.Base.Source), From: b.Base.From}, nil
	case errors.Is(err, parties.ErrNotFound):
		return Policy{}, problem.New(problem.NotFound, "there is no such version")
	case err != nil:
		return Policy{}, problem.Away(err)
	}
	return p, nil
}

// Versions returns every version there is, the highest first.
func (b *Book) Versions(ctx context.Context) ([]Policy, error) {
	numbers := slices.Clone(b.held.Load().head.Versions)
	if !slices.Contains(numbers, b.Base.Version) {
		numbers = append(numbers, b.Base.Version)
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	out := make([]Policy, 0, len(numbers))
	for _, n := range numbers {
		p, err := b.Version(ctx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Refresh reads what has changed in the store since the last time. While that cannot
// be used, what was read before stays in force, and an incident tells of it once.
func (b *Book) Refresh(ctx context.Context) error {
	return errors.Join(b.refresh(ctx))
}

// refresh keeps apart what keeps a policy from being changed, and what else is wrong:
// with the rates, or with what is in force already.
func (b *Book) refresh(ctx context.Context) (policies, others error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.held.Load()
	next, err := b.read(ctx, old)
	if err != nil {
		return errors.Join(err, b.tell(ctx, err)), nil
	}
	if next.unshadowed != nil {
		others = errors.Join(next.unshadowed, b.tell(ctx, next.unshadowed))
	}
	if err := b.readRates(ctx, &next, old); err != nil {
		others = errors.Join(others, err, b.tell(ctx, err))
	}
	b.held.Store(&next)
	_ = b.Present() // notes what is in force, also while nobody asks
	if err := b.compare(ctx, next); err != nil {
		others = errors.Join(others, err, b.tell(ctx, err))
	}
	return nil, others
}

// compareEvery is how soon it is found that somebody edits what is in force in the
// store (clause 5.2). Memory decides; the next start would not.
const compareEvery = time.Minute

// compare reads the versions in force and to come once more.
func (b *Book) compare(ctx context.Context, held pages) error {
	now := b.Now()
	if now.Sub(b.compared) < compareEvery && !now.Before(b.compared) {
		return nil
	}
	b.compared = now
	for _, e := range held.editions {
		switch rec, err := b.Store.AdoptedPolicy(ctx, e.Record.Version); {
		case errors.Is(err, parties.ErrNotFound):
			return unusable("version %d is gone", e.Record.Version)
		case err != nil:
			return err
		case rec.YAML != e.Record.YAML || !rec.Since().Equal(e.Record.Since()):
			return unusable("version %d is another one than was adopted", e.Record.Version)
		}
	}
	return nil
}

// read returns what is in the store; old is what was there before, nil at the start.
func (b *Book) read(ctx context.Context, old *pages) (next pages, err error) {
	if next.head, err = optional(b.Store.PolicyHead(ctx)); err != nil {
		return next, err
	}
	switch {
	case old == nil:
		return next, b.begin(ctx, &next)
	case next.head.Version < old.head.Version:
		return next, unusable("the list of versions is an older one that was put back")
	case next.head.Version == old.head.Version:
		next.editions, next.shadow, next.shadowBy, next.unshadowed = old.editions, old.shadow, old.shadowBy, old.unshadowed
		return next, nil
	}
	return next, b.follow(ctx, &next, old)
}

// ahead is how far the clocks of two nodes may lie apart. A version that was adopted
// later than that from now says that the clock was set back: one it took the place of
// would be in force again.
const ahead = 5 * time.Minute

// begin reads the versions from the one in force on, and sees to it that none lies
// there of which the head does not know.
func (b *Book) begin(ctx context.Context, next *pages) error {
	lie, err := b.Store.AdoptedVersions(ctx)
	if err != nil {
		return err
	}
	if !slices.Equal(lie, next.head.Versions) {
		return unusable("the versions %v are there, and there should be %v", lie, next.head.Versions)
	}
	if next.head.Version == 0 {
		if err := b.never(ctx, next); err != nil {
			return err
		}
	}
	now := b.Now()
	for _, v := range slices.Backward(next.head.Versions) {
		e, err := b.edition(ctx, v)
		if err != nil {
			return err
		}
		if at := e.Record.At; at.After(now.Add(ahead)) {
			return fmt.Errorf("the clock says %s, and version %d was adopted at %s: set the clock right and start again", now.UTC().Format(time.RFC3339), v, at.UTC().Format(time.RFC3339))
		}
		next.editions = append(next.editions, e)
		if !now.Before(e.Since()) {
			break // what came before it never comes into force again
		}
	}
	slices.Reverse(next.editions)
	if slices.Contains(next.head.Versions, b.Base.Version) { // whether or not it will ever be in force again
		if _, err := b.edition(ctx, b.Base.Version); err != nil {
			return err
		}
	}
	return b.readShadow(ctx, next)
}

// follow reads what is new.
func (b *Book) follow(ctx context.Context, next, old *pages) error {
	if len(next.head.Versions) < len(old.head.Versions) || !slices.Equal(next.head.Versions[:len(old.head.Versions)], old.head.Versions) {
		return unusable("the versions %v are gone from %v", old.head.Versions, next.head.Versions)
	}
	next.editions = slices.Clone(old.editions)
	highest := old.highest(0)
	for _, v := range next.head.Versions[len(old.head.Versions):] {
		if v <= highest {
			return unusable("version %d was adopted after %d", v, highest)
		}
		highest = v
		e, err := b.edition(ctx, v)
		if err != nil {
			return err
		}
		next.editions = append(next.editions, e)
	}
	next.shadow, next.shadowBy, next.unshadowed = old.shadow, old.shadowBy, old.unshadowed
	if next.head.Shadow == old.head.Shadow {
		return nil
	}
	return b.readShadow(ctx, next)
}

// edition reads and compiles one version.
func (b *Book) edition(ctx context.Context, version int) (Edition, error) {
	rec, err := b.Store.AdoptedPolicy(ctx, version)
	if errors.Is(err, parties.ErrNotFound) {
		return Edition{}, unusable("version %d is gone", version)
	}
	if err != nil {
		return Edition{}, err
	}
	if version == b.Base.Version && rec.YAML != string(b.Base.Source) {
		return Edition{}, unusable("version %d of the configuration is another text than the one that was adopted; give the file the next version", version)
	}
	rules, err := policy.Parse([]byte(rec.YAML))
	if err != nil {
		return Edition{}, unusable("version %d: %v", version, err)
	}
	if rules.Version != version {
		return Edition{}, unusable("version %d holds the text of version %d", version, rules.Version)
	}
	return Edition{Rules: rules, Record: rec}, nil
}

// readShadow reads the shadow policy. One that cannot be compiled any more is none, and
// so is one that is not as it was written: it decides nothing.
func (b *Book) readShadow(ctx context.Context, next *pages) error {
	next.shadow, next.shadowBy, next.unshadowed = nil, Shadow{}, nil
	if next.head.Shadow == 0 {
		return nil
	}
	rec, err := b.Store.ShadowPolicy(ctx)
	switch {
	case errors.Is(err, parties.ErrNotFound):
		err = unusable("the shadow policy is gone")
	case err == nil && rec.Version < next.head.Shadow:
		err = unusable("the shadow policy is an older one that was put back")
	}
	if spoilt(err) {
		next.unshadowed = err
		return nil
	}
	if err != nil {
		return err
	}
	if rules, err := policy.Parse([]byte(rec.YAML)); rec.YAML != "" && err == nil {
		next.shadow, next.shadowBy = &rules, rec
	}
	return nil
}

// optional turns a record that is not there into an empty one.
func optional[T any](rec T, err error) (T, error) {
	if errors.Is(err, parties.ErrNotFound) {
		err = nil
	}
	return rec, err
}

// tell opens an incident for what cannot be used, once for each cause. Of a record
// that does not fit its MAC the store has told already; a part that is away is none.
func (b *Book) tell(ctx context.Context, cause error) error {
	if errors.Is(cause, parties.ErrTampered) || !spoilt(cause) {
		return nil
	}
	sum := sha256.Sum256([]byte("rulebook/" + cause.Error()))
	in := incident.Incident{
		ID: ident.From("in", sum[:]), Kind: "policy.unusable", Service: "n/a", Reference: "n/a", Cause: "record-changed",
		Content: cause.Error() + "; what was in force before stays in force", At: b.Now().UTC(), State: "open", Version: 1,
	}
	_, err := settle.Write(settle.Aside(ctx), b.Settler, b.Audit, []settle.Effect{incident.Save{Incident: in}}, []audit.Event{{
		Name: "incident.opened", Outcome: "open", Reason: in.Kind, Detail: in,
	}})
	return err
}

// spoilt tells what is wrong with the records from a part that is away.
func spoilt(err error) bool {
	return errors.Is(err, errUnusable) || errors.Is(err, parties.ErrTampered) || errors.Is(err, store.ErrDamaged)
}
