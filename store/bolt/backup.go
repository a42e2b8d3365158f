package bolt

import (
	"context"
	"fmt"
	"io"
)

// WriteTo writes a copy of the store as it is at this moment, while it goes on
// working. The copy is a store of its own and opens like one. As long as it runs
// it keeps the pages of its moment, so the file grows; a context that ends stops
// it between two pieces.
func (s *Store) WriteTo(ctx context.Context, w io.Writer) (n int64, err error) {
	err = s.view(ctx, func(r reading) error {
		n, err = r.tx.WriteTo(untilDone{ctx, w})
		return err
	})
	if err != nil && ctx.Err() != nil {
		return n, fmt.Errorf("store: the copy is not whole: %w", ctx.Err()) // bbolt does not wrap the writer's error
	}
	return n, err
}

// untilDone writes until its context ends.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u untilDone) Write(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(p)
}
