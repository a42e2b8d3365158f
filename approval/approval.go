// Package approval lets an act take two people: the maker asks for it, the checker
// decides. It keeps the request as it was asked for, sealed, and says what a
// checker proves by what: the hash of the stored request.
//
// It guarantees that an approval is decided once, by somebody else than its maker
// and than the person it is about, before it expires; that the decision and the
// act are one write (settle.Along), so that the act happens exactly once or not at
// all, also across a crash; and that a record somebody edited decides nothing.
package approval

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"mohur/audit"
	"mohur/canonical"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/seal"
	"mohur/settle"
)

// State is where an approval stands.
type State string

// The states of an approval. Waiting is the only one that changes.
const (
	Waiting  State = "waiting"
	Executed State = "executed" // approved, and the act is done: one write
	Failed   State = "failed"   // approved, and the act was not possible any more
	Rejected State = "rejected"
	Expired  State = "expired" // nobody decided in time; as it is told, never stored
)

// States lists all states.
func States() []State { return []State{Waiting, Executed, Failed, Rejected, Expired} }

// Request is the act as it was asked for.
type Request struct {
	Act   string            `json:"act"`            // method and path of the route
	Path  map[string]string `json:"path,omitempty"` // what stands in the path
	Body  json.RawMessage   `json:"body,omitempty"`
	About string            `json:"about,omitempty"` // the member of staff it is about, who does not check it
	// Lifts is, of a resumption, what was suspended when it was asked for. It is not
	// carried out on anything else.
	Lifts []parties.Suspended `json:"lifts,omitempty"`
}

// Approval is one act that waits for its second person, or waited.
type Approval struct {
	ID        string    `json:"id"`
	Act       string    `json:"act"`
	About     string    `json:"about,omitempty"`
	Sealed    []byte    `json:"sealed"` // the Request, canonical, under the bank's key at Place
	SHA256    []byte    `json:"sha256"` // of the canonical request with id and maker
	Maker     Maker     `json:"maker"`
	MadeAt    time.Time `json:"made_at"`
	ExpiresAt time.Time `json:"expires_at"`
	State     State     `json:"state"`
	Checker   string    `json:"checker,omitempty"`
	DecidedAt time.Time `json:"decided_at,omitzero"`
	Reason    string    `json:"reason,omitempty"` // of a rejection or failure
	Version   uint64    `json:"version"`
	MAC       []byte    `json:"mac,omitempty"`
}

// Maker is who asked for an act. What he may is looked up again when it is done.
type Maker struct {
	Kind  string         `json:"kind"`
	ID    string         `json:"id"`
	Name  string         `json:"name"`
	Roles []parties.Role `json:"roles"` // as they were
}

// Caller is the maker as he called.
func (m Maker) Caller() parties.Caller {
	return parties.Caller{Kind: m.Kind, ID: m.ID, Name: m.Name, Roles: m.Roles}
}

// Place is where an approval's sealed request belongs.
func Place(id string) string { return "approval/request/" + id }

// Save writes the approval if the stored one has the version before it.
type Save struct{ Approval Approval }

// EffectKey names the record.
func (s Save) EffectKey() string { return "approval/" + s.Approval.ID }

// Store is what this package reads. A missing record is parties.ErrNotFound.
type Store interface {
	Approval(ctx context.Context, id string) (Approval, error)
	// Approvals lists them, newest first; cursor is the one of the page before.
	Approvals(ctx context.Context, cursor string, limit int) ([]Approval, string, error)
}

// DefaultLife is how long an approval waits unless the configuration says else.
const DefaultLife = 24 * time.Hour

// Service keeps approvals.
type Service struct {
	Store   Store
	Settler settle.Store
	Keys    *seal.Keyring
	Audit   *audit.Drafter
	Life    time.Duration // how long one waits; zero: DefaultLife
	Now     func() time.Time
	// Alone lets a system that has every role decide, also what it asked for itself:
	// in development only.
	Alone bool
}

// Ask stores a request that waits for its second person, and in the same write what
// else keeps it in mind.
func (s *Service) Ask(ctx context.Context, by parties.Caller, r Request, also ...func(Approval) settle.Effect) (Approval, error) {
	now, life := s.Now().UTC(), s.Life
	if life == 0 {
		life = DefaultLife
	}
	a := Approval{
		ID: ident.New("ap"), Act: r.Act, About: r.About, MadeAt: now, ExpiresAt: now.Add(life), State: Waiting, Version: 1,
		Maker: Maker{Kind: by.Kind, ID: by.ID, Name: by.Name, Roles: by.Roles},
	}
	text, err := canonical.JSON(r)
	if err != nil {
		return Approval{}, &problem.Error{Code: problem.Invalid, Detail: "the body has no canonical form (RFC 8785)", Err: err}
	}
	if a.SHA256, err = a.sum(text); err != nil {
		return Approval{}, err
	}
	if a.Sealed, err = s.Keys.Seal(ctx, s.Audit.Bank, Place(a.ID), text); err != nil {
		return Approval{}, problem.Away(err)
	}
	effects := []settle.Effect{Save{a}}
	for _, f := range also {
		effects = append(effects, f(a))
	}
	done, err := settle.Write(ctx, s.Settler, s.Audit, effects, []audit.Event{a.event(by, "approval.asked", "")})
	if err != nil {
		return Approval{}, err
	}
	if done.Outcome != settle.Done {
		return Approval{}, Overtaken()
	}
	return a, nil
}

// sum is the hash a checker proves: of the request, of whose it is, and of which.
func (a Approval) sum(request []byte) ([]byte, error) {
	text, err := canonical.JSON(map[string]any{
		"v": 1, "typ": "approval", "approval": a.ID, "maker": a.Maker.ID, "exp": a.ExpiresAt.Unix(), "request": json.RawMessage(request),
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// Hash is the SHA-256 as it is told and proven, base64url without padding.
func (a Approval) Hash() string { return base64.RawURLEncoding.EncodeToString(a.SHA256) }

// Data is what the checker's proof is for: the canonical data of an action
// "approval".
func (a Approval) Data() ([]byte, error) {
	return canonical.JSON(map[string]any{"approval": a.ID, "sha256": a.Hash()})
}

// Get returns an approval as it stands now.
func (s *Service) Get(ctx context.Context, id string) (Approval, error) {
	a, err := s.Store.Approval(ctx, id)
	if errors.Is(err, parties.ErrNotFound) {
		return Approval{}, problem.New(problem.NotFound, "there is no such approval")
	}
	if err != nil {
		return Approval{}, problem.Away(err)
	}
	return s.now(a), nil
}

// List returns a page of approvals as they stand now, newest first.
func (s *Service) List(ctx context.Context, cursor string, limit int) ([]Approval, string, error) {
	all, next, err := s.Store.Approvals(ctx, cursor, limit)
	if err != nil {
		return nil, "", problem.Away(err)
	}
	for i := range all {
		all[i] = s.now(all[i])
	}
	return all, next, nil
}

func (s *Service) now(a Approval) Approval {
	if a.State == Waiting && !s.Now().Before(a.ExpiresAt) {
		a.State = Expired
	}
	return a
}

// Request opens the stored request. One that does not have its hash is none.
func (s *Service) Request(ctx context.Context, a Approval) (Request, error) {
	text, err := s.Keys.Open(ctx, s.Audit.Bank, Place(a.ID), a.Sealed)
	if err != nil {
		return Request{}, problem.Away(err)
	}
	sum, err := a.sum(text)
	if err != nil || string(sum) != string(a.SHA256) {
		return Request{}, problem.Away(errors.New("approval: the request does not have its hash"))
	}
	var r Request
	if err := json.Unmarshal(text, &r); err != nil {
		return Request{}, problem.Away(err)
	}
	return r, nil
}

// ToDecide returns an approval that this checker may decide now, and its request.
func (s *Service) ToDecide(ctx context.Context, checker parties.Caller, id string) (Approval, Request, error) {
	a, err := s.Get(ctx, id)
	if err != nil {
		return Approval{}, Request{}, err
	}
	alone := s.Alone && checker.Kind != "staff" && !slices.ContainsFunc(parties.Roles(), func(r parties.Role) bool { return !checker.Has(r) })
	switch {
	case checker.Kind != "staff" && !alone:
		return Approval{}, Request{}, problem.New(problem.Forbidden, "an approval is decided by a person who is logged in, never by a system")
	case a.Maker.ID == checker.ID && !alone:
		return Approval{}, Request{}, problem.New(problem.Forbidden, "nobody decides what he asked for himself")
	case a.About == checker.ID:
		return Approval{}, Request{}, problem.New(problem.Forbidden, "nobody decides what is about himself")
	case a.State == Expired:
		return Approval{}, Request{}, problem.New(problem.Expired, "nobody decided in time; ask for it anew")
	case a.State != Waiting:
		return Approval{}, Request{}, problem.New(problem.Conflict, "it is decided: "+string(a.State))
	}
	r, err := s.Request(ctx, a)
	return a, r, err
}

// Decided is an approval after the checker's decision, with what is settled for
// it: along with the act, or alone where there is none.
func (s *Service) Decided(a Approval, checker parties.Caller, to State, reason string) (Approval, []settle.Effect, []audit.Event) {
	a.State, a.Checker, a.DecidedAt, a.Reason, a.Version = to, checker.ID, s.Now().UTC(), reason, a.Version+1
	return a, []settle.Effect{Save{a}}, []audit.Event{a.event(checker, "approval."+string(to), reason)}
}

// Settle writes a decision that no act goes along with.
func (s *Service) Settle(ctx context.Context, effects []settle.Effect, events []audit.Event) error {
	r, err := settle.Write(ctx, s.Settler, s.Audit, effects, events)
	if err != nil {
		return err
	}
	if r.Outcome != settle.Done {
		return Overtaken()
	}
	return nil
}

// Overtaken is the refusal of a decision that somebody else was faster with.
func Overtaken() error {
	return problem.New(problem.Conflict, "it was decided or changed by somebody else meanwhile; look again")
}

func (a Approval) event(by parties.Caller, name, reason string) audit.Event {
	return audit.Event{
		Name: name, Outcome: string(a.State), Caller: by.ID, Request: by.Request,
		Detail: map[string]any{
			"approval": a.ID, "act": a.Act, "about": a.About, "sha256": a.Hash(), "maker": a.Maker.ID, "maker_name": a.Maker.Name,
			"checker": a.Checker, "reason": reason, "source": by.Source,
		},
	}
}
