package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mohur/hsm"
)

// Head is what a checkpoint says: the state of the log when it was signed.
//
// Its text follows C2SP tlog-checkpoint: origin, size and base64 root on a line
// each, then one extension line, "time" and the moment of signing. That
// specification advises against extension lines because monitors cannot audit
// them; here the verifier does, and the time bounds from above when the entries
// were written. The text is signed as a C2SP signed-note of type 0x02, with the
// origin as the key's name.
type Head struct {
	Origin string
	Size   uint64
	Root   tlog.Hash
	Time   time.Time // UTC, microseconds
}

// Text returns the text of the checkpoint, as signed.
func (h Head) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\ntime %s\n", h.Origin, h.Size, h.Root, h.Time.UTC().Format(time.RFC3339Nano))
}

var errHead = errors.New("audit: not the text of a checkpoint")

// ParseHead reads what Text writes, and nothing else: one text, one meaning.
func ParseHead(text string) (Head, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 {
		return Head{}, errHead
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || size > maxSize || !validName(lines[0]) {
		return Head{}, errHead
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Head{}, errHead
	}
	at, err := time.Parse(time.RFC3339Nano, strings.TrimPrefix(lines[3], "time "))
	if err != nil || !at.Equal(at.Truncate(time.Microsecond)) {
		return Head{}, errHead
	}
	h := Head{Origin: lines[0], Size: size, Root: root, Time: at.UTC()}
	if h.Text() != text {
		return Head{}, errHead
	}
	return h, nil
}

// Sign has the HSM sign the checkpoint and returns the note.
func (h Head) Sign(ctx context.Context, s Signer) ([]byte, error) {
	pub, err := s.Public(ctx, hsm.AuditSigning)
	if err != nil {
		return nil, err
	}
	key, err := NewVerifier(h.Origin, pub)
	if err != nil {
		return nil, err
	}
	text := h.Text()
	if _, err := ParseHead(text); err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: text}, &noteSigner{Verifier: key, ctx: ctx, signer: s})
}

// OpenCheckpoint returns what a checkpoint says, if one of the keys signed it
// and the key's name is the log's origin. Signatures by other keys, such as
// those of witnesses, are ignored as C2SP signed-note demands.
func OpenCheckpoint(msg []byte, keys ...note.Verifier) (Head, error) {
	n, err := note.Open(msg, note.VerifierList(keys...))
	if err != nil {
		return Head{}, fmt.Errorf("audit: open checkpoint: %w", err)
	}
	h, err := ParseHead(n.Text)
	if err != nil {
		return Head{}, err
	}
	if h.Origin != n.Sigs[0].Name {
		return Head{}, fmt.Errorf("audit: the checkpoint is of %q, its key of %q", h.Origin, n.Sigs[0].Name)
	}
	return h, nil
}

// readHead reads a stored checkpoint without judging its signature, for those
// who only pass it on to somebody who will.
func readHead(msg []byte) (Head, error) {
	var unverified *note.UnverifiedNoteError
	if _, err := note.Open(msg, nil); !errors.As(err, &unverified) {
		return Head{}, fmt.Errorf("%w: a stored checkpoint is no signed note: %w", ErrMismatch, err)
	}
	h, err := ParseHead(unverified.Note.Text)
	if err != nil {
		return Head{}, fmt.Errorf("%w: a stored checkpoint: %w", ErrMismatch, err)
	}
	return h, nil
}
