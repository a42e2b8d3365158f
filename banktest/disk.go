package banktest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"mohur/settle"
	"mohur/store/bound"
)

// ErrReadOnly is what a store that cannot write answers.
var ErrReadOnly = errors.New("banktest: the disk takes no writes")

// Disk is the bank's engine on a disk that a test can make read-only.
type Disk struct {
	bound.Engine
	readOnly atomic.Bool
}

// ReadOnly makes every write fail, or none.
func (d *Disk) ReadOnly(is bool) { d.readOnly.Store(is) }

// Settle implements settle.Store.
func (d *Disk) Settle(ctx context.Context, c settle.Command) (settle.Result, error) {
	if d.readOnly.Load() {
		return settle.Result{}, ErrReadOnly
	}
	return d.Engine.Settle(ctx, c)
}

// TouchSession implements authn.Store.
func (d *Disk) TouchSession(ctx context.Context, id string, at time.Time) error {
	if d.readOnly.Load() {
		return ErrReadOnly
	}
	return d.Engine.TouchSession(ctx, id, at)
}

// FirstUse implements authn.Store.
func (d *Disk) FirstUse(ctx context.Context, name string, until time.Time) (bool, error) {
	if d.readOnly.Load() {
		return false, ErrReadOnly
	}
	return d.Engine.FirstUse(ctx, name, until)
}

// Check says whether the disk takes writes.
func (d *Disk) Check(context.Context) error {
	if d.readOnly.Load() {
		return ErrReadOnly
	}
	return nil
}
