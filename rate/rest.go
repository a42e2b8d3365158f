package rate

import (
	"context"
	"time"
)

// Rest waits for d, or until the caller has gone; not at all if d is past. It is
// how answers leave at their floor of time.
func Rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
