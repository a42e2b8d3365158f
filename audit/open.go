package audit

import (
	"context"
	"errors"
	"fmt"

	"mohur/seal"
)

// ErrCommitment says that the salt or the sealed body of an entry is not the
// one its header was written for.
var ErrCommitment = errors.New("audit: the body is not the one the header commits to")

// Open returns the body of an entry for somebody who may read it, after
// checking that it is the body the header commits to. It returns
// seal.ErrErased if the body, its salt or the person's key has been erased.
//
// A person without a key may still have entries, sealed by Draft under the
// bank's key; what that key does not open was the person's, and is gone.
func (d *Drafter) Open(ctx context.Context, p Person, e Entry) ([]byte, error) {
	h, err := ParseHeader(e.Header)
	if err != nil {
		return nil, err
	}
	if len(e.Salt) == 0 || len(e.Sealed) == 0 {
		return nil, seal.ErrErased
	}
	if Commitment(e.Salt, e.Sealed) != h.Body {
		return nil, fmt.Errorf("%w: entry %d", ErrCommitment, e.Seq)
	}
	if len(p.Key.Wrapped) > 0 {
		return d.Keys.Open(ctx, p.Key, bodyPlace, e.Sealed)
	}
	body, err := d.Keys.Open(ctx, d.Bank, bodyPlace, e.Sealed)
	if errors.Is(err, seal.ErrOpen) && p.Pseudonym != "" {
		return nil, seal.ErrErased
	}
	return body, err
}
