package rulebook

import (
	"context"
	"slices"

	"mohur/audit"
	"mohur/settle"
)

// readAtOnce is how many entries of the log are read at once, and many is after how
// many a head is written although there is nothing in it, so that the next start need
// not read them again. Tests set many.
const readAtOnce = 1000

var many uint64 = 10_000

// never sees to it that a store without a head is one in which no policy was ever
// adopted or tried: the audit log would tell of it.
func (b *Book) never(ctx context.Context, next *pages) error {
	read := uint64(0)
	for {
		entries, err := b.Store.Entries(ctx, read, readAtOnce)
		if err != nil {
			return err
		}
		for _, e := range entries {
			h, err := audit.ParseHeader(e.Header)
			if err != nil || e.Seq != read || h.Seq != e.Seq {
				return unusable("there are none, and entry %d of the audit log, which could say whether there should be, is gone or cannot be read", read)
			}
			if slices.Contains([]string{"policy.adopted", "policy.shadow.set", "policy.kept"}, h.Event) {
				return unusable("there are none, and entry %d of the audit log (%s) says that there should be: put the last backup in place", e.Seq, h.Event)
			}
			read++
		}
		if len(entries) == 0 {
			break
		}
	}
	if read < many {
		return nil
	}
	head := Head{Version: 1}
	r, err := settle.Write(ctx, b.Settler, b.Audit, []settle.Effect{SaveHead{head}}, []audit.Event{{
		Name: "policy.kept", Outcome: "none", Policy: b.Base.Version, Detail: map[string]any{"entries": read},
	}})
	if err == nil && r.Outcome == settle.Done {
		next.head, err = b.Store.PolicyHead(ctx)
	}
	return err
}
