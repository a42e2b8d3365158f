// Package store holds what the engines below it have in common: the errors a
// caller may tell apart, whichever engine a bank runs. The interfaces are not
// here: each is declared by the package that uses it. store/bolt is the
// embedded engine; store/storetest is the suite every engine passes.
package store

import (
	"errors"

	"mohur/problem"
)

var (
	// ErrBusy says that more writes wait than the engine takes. Nothing was
	// changed.
	ErrBusy = errors.New("store: too many writes are waiting")
	// ErrClosed says that the store has been closed. Nothing was changed.
	ErrClosed = errors.New("store: closed")
	// ErrOutcomeUnknown says that the write may have happened and may not. The
	// caller refuses; what was to be consumed counts as consumed.
	ErrOutcomeUnknown = errors.New("store: it is not known whether the write happened")
	// ErrDamaged says that stored bytes are not what the store writes. Nothing
	// is guessed from them.
	ErrDamaged = errors.New("store: the stored data is damaged")
	// ErrUnknownEffect says that a command holds an effect the engine does not
	// know. Nothing was changed.
	ErrUnknownEffect = errors.New("store: unknown effect")
	// ErrNoEntry says that a command has no audit entry: a change without
	// evidence does not exist. Nothing was changed.
	ErrNoEntry = errors.New("store: a command needs an audit entry")
)

// ErrCursor says that a cursor is none that the store gave for this list. It is
// the one fault here that a caller of the API makes, so it is a problem of his.
var ErrCursor error = &problem.Error{
	Code:   problem.Invalid,
	Detail: "the cursor is not one this server gave for this list",
	Fields: []problem.Field{{Field: "cursor", Message: "is not one this server gave for this list"}},
}
