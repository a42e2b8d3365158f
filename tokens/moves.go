package tokens

import (
	"fmt"
	"slices"
	"time"
)

// Move is a named step of a token's life.
type Move string

// The moves of the contract.
const (
	Reserve  Move = "reserve"
	Assign   Move = "assign"
	Ship     Move = "ship"
	Deliver  Move = "deliver"
	Activate Move = "activate"
	Suspend  Move = "suspend"
	Resume   Move = "resume"
	Revoke   Move = "revoke"
	Return   Move = "return"
	Wipe     Move = "wipe"
	Destroy  Move = "destroy"
	Restock  Move = "restock"
	Expire   Move = "expire"
)

// live are the states a token can be revoked from.
var live = []State{InStock, Reserved, Assigned, Shipped, Delivered, Active, Suspended, Expired}

// legal is the whole table of legal moves: from which states, to which.
var legal = map[Move]struct {
	from []State
	to   State
}{
	Reserve:  {[]State{InStock}, Reserved},
	Assign:   {[]State{InStock, Reserved}, Assigned},
	Ship:     {[]State{Assigned}, Shipped},
	Deliver:  {[]State{Assigned, Shipped}, Delivered},
	Activate: {[]State{Delivered}, Active},
	Suspend:  {[]State{Active}, Suspended},
	Resume:   {[]State{Suspended}, Active},
	Revoke:   {live, Revoked},
	Return:   {[]State{Revoked}, Returned},
	Wipe:     {[]State{Returned}, Wiped},
	Destroy:  {[]State{Returned}, Destroyed},
	Restock:  {[]State{Wiped}, InStock},
	Expire:   {[]State{Active}, Expired},
}

// Moves lists all moves.
func Moves() []Move {
	return []Move{Reserve, Assign, Ship, Deliver, Activate, Suspend, Resume, Revoke, Return, Wipe, Destroy, Restock, Expire}
}

// MoveError says that a move is not legal from a state.
type MoveError struct {
	Move Move
	From State
}

func (e *MoveError) Error() string {
	return fmt.Sprintf("a token that is %s cannot be moved by %q; that needs one of %v", e.From, e.Move, legal[e.Move].from)
}

// Apply returns the token after the move, with its history and next version, or
// a *MoveError. The token given is not changed.
func (t Token) Apply(m Move, at time.Time, reason, by string) (Token, error) {
	rule, ok := legal[m]
	if !ok || !slices.Contains(rule.from, t.State) {
		return Token{}, &MoveError{Move: m, From: t.State}
	}
	t.History = append(slices.Clone(t.History), Change{At: at.UTC(), From: t.State, To: rule.to, Move: m, Reason: reason, By: by})
	t.State = rule.to
	t.Version++
	return t, nil
}
