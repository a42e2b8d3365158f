package bolt

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// LetGo takes the pages of the file out of the process's memory that reads have
// brought there, up to the whole file. They stay in the system's cache, which gives
// them up when somebody needs the room; the process would keep what it has read
// once for as long as it lives, and count as big as its store.
func (s *Store) LetGo(ctx context.Context) error {
	return s.view(ctx, func(r reading) error {
		// Within a transaction the mapping stays where it is, and holds every page
		// that the transaction could see. It is shared and read-only: a page that is
		// wanted again is the one in the cache.
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, r.tx.DB().Info().Data, uintptr(r.tx.Size()), unix.MADV_DONTNEED)
		if errno != 0 {
			return fmt.Errorf("store: the pages of the file stay in memory: %w", errno)
		}
		return nil
	})
}
