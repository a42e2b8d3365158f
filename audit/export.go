package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// ExportOptions says what to export.
type ExportOptions struct {
	From uint64 // first entry; above 0 it must be covered by a checkpoint
	Key  string // verifier key (VerifierString), written into the first line for people
}

// Export writes the log from opt.From to its present end in the format of
// format.md: one JSON object a line, first what this is, then the entries in
// order, each with the leaf hash that the stored tree holds for it, and each
// checkpoint right after the last entry it covers.
//
// Export judges nothing. What it finds damaged it writes as it is: the place
// that says so is Verify, which reads the same stream whether it comes from a
// file or from a live server.
func Export(ctx context.Context, w io.Writer, s Store, opt ExportOptions) error {
	end, err := present(ctx, s)
	if err != nil {
		return err
	}
	x := &exporter{ctx: ctx, w: bufio.NewWriterSize(w, 64<<10), store: s, seq: opt.From}
	if err := x.preamble(opt); err != nil {
		return err
	}
	if err := x.entries(end); err != nil {
		return err
	}
	return x.w.Flush()
}

// present returns where the log ends now. A checkpoint signed before the tail
// is read must have its entries: where the tail has been cut, the export goes
// on to that checkpoint and so shows what is missing.
func present(ctx context.Context, s Store) (uint64, error) {
	signed := uint64(0)
	msg, err := s.LastCheckpoint(ctx)
	if err != nil {
		return 0, err
	}
	if msg != nil {
		head, err := readHead(msg)
		if err != nil {
			return 0, err
		}
		signed = head.Size
	}
	tail, err := s.Tail(ctx)
	return max(tail, signed), err
}

type exporter struct {
	ctx   context.Context
	w     *bufio.Writer
	store Store
	seq   uint64 // the next entry to write
	buf   []byte
}

func (x *exporter) write(l interface{ append([]byte) []byte }) error {
	x.buf = l.append(x.buf[:0])
	_, err := x.w.Write(x.buf)
	return err
}

func (x *exporter) preamble(opt ExportOptions) error {
	origin, _, _ := strings.Cut(opt.Key, "+")
	p := preamble{Version: ExportVersion, Origin: origin, Key: opt.Key, From: opt.From}
	if opt.From > 0 {
		t, err := loadTree(x.ctx, x.store, opt.From)
		if errors.Is(err, ErrNoHash) {
			return fmt.Errorf("%w: an export cannot start at %d: %w", ErrNotCovered, opt.From, err)
		}
		if err != nil {
			return err
		}
		p.Edge = t.edge
	}
	return x.write(p)
}

// entries writes what lies below last, and every checkpoint in its place.
func (x *exporter) entries(last uint64) error {
	for {
		msg, end, err := x.nextCheckpoint()
		if err != nil {
			return err
		}
		if msg == nil || end > last {
			return x.upTo(last)
		}
		if err := x.upTo(end); err != nil {
			return err
		}
		// Set even where entries were missing, so that the loop ends.
		x.seq = end
		if err := x.write(checkpointLine{string(msg)}); err != nil {
			return err
		}
	}
}

func (x *exporter) nextCheckpoint() (msg []byte, size uint64, err error) {
	msg, err = x.store.CheckpointFor(x.ctx, x.seq+1)
	if err != nil || msg == nil {
		return nil, 0, err
	}
	head, err := readHead(msg)
	if err != nil {
		return nil, 0, err
	}
	if head.Size <= x.seq {
		return nil, 0, fmt.Errorf("%w: asked for a checkpoint of more than %d entries, got %d", ErrMismatch, x.seq, head.Size)
	}
	return msg, head.Size, nil
}

// upTo writes the stored entries below end.
func (x *exporter) upTo(end uint64) error {
	for x.seq < end {
		batch, err := x.store.Entries(x.ctx, x.seq, int(min(end-x.seq, readBatch)))
		if err != nil {
			return err
		}
		if len(batch) == 0 || batch[0].Seq >= end {
			return nil
		}
		leaves, err := x.leaves(batch)
		if err != nil {
			return err
		}
		for i, e := range batch {
			if e.Seq >= end {
				break
			}
			l := entryLine{Seq: e.Seq, Header: string(e.Header), Leaf: leaves[i], Salt: e.Salt, Sealed: e.Sealed}
			if err := x.write(l); err != nil {
				return err
			}
		}
		x.seq = max(x.seq, batch[len(batch)-1].Seq) + 1
	}
	return nil
}

// leaves returns the leaf hashes of the stored tree, which were taken when the
// entries were young and betray by themselves which one was changed since. For
// entries not covered yet, and where hashes have been lost, they are computed.
func (x *exporter) leaves(batch []Entry) ([]tlog.Hash, error) {
	at := make([]int64, len(batch))
	for i, e := range batch {
		if e.Seq > maxSize {
			return nil, fmt.Errorf("%w: an entry %d", ErrMismatch, e.Seq)
		}
		at[i] = tlog.StoredHashIndex(0, int64(e.Seq))
	}
	stored, err := readHashes(x.ctx, x.store, at)
	if err == nil || !errors.Is(err, ErrNoHash) {
		return stored, err
	}
	leaves := make([]tlog.Hash, len(batch))
	for i, e := range batch {
		leaves[i] = LeafHash(e.Header)
	}
	return leaves, nil
}
