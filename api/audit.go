package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"mohur/audit"
	"mohur/problem"
)

// entryOut is an entry of the audit log. HeaderText are the exact bytes that the
// leaf hash covers; what it says of its sealed body, nobody reads here.
type entryOut struct {
	Seq        uint64         `json:"seq"`
	Header     jsontext.Value `json:"header,omitzero"`
	HeaderText string         `json:"header_text"`
	Erased     bool           `json:"erased"`
}

func entryOf(e audit.Entry) entryOut {
	out := entryOut{Seq: e.Seq, HeaderText: strings.ToValidUTF8(string(e.Header), "\uFFFD"), Erased: len(e.Sealed) == 0}
	if v := jsontext.Value(e.Header); v.IsValid() {
		out.Header = v // one that is not is left to be seen as it is
	}
	return out
}

// listEntries lists entries in the order of the log. The cursor is the sequence
// to go on from, "" at the present end.
func (x *exchange) listEntries(ctx context.Context) (reply, error) {
	f := x.filter()
	from, limit := f.number("from"), f.limit()
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	items, err := x.server.Log.Store.Entries(ctx, from, limit+1)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	next := ""
	if len(items) > limit {
		next, items = strconv.FormatUint(items[limit].Seq, 10), items[:limit]
	}
	return ok(pageOf(items, next, entryOf))
}

type checkpointOut struct {
	Checkpoint string    `json:"checkpoint"` // the signed note
	Origin     string    `json:"origin"`
	Size       uint64    `json:"size"`
	Root       string    `json:"root"` // base64
	Time       time.Time `json:"time"`
	Verifier   string    `json:"verifier"` // the key to check it with: take it from elsewhere
}

// getCheckpoint returns the last checkpoint.
func (x *exchange) getCheckpoint(ctx context.Context) (reply, error) {
	msg, err := x.server.Log.Store.LastCheckpoint(ctx)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	if msg == nil {
		return reply{}, problem.New(problem.NotFound, "there is no checkpoint yet")
	}
	head, err := headOf(msg)
	if err != nil {
		return reply{}, err
	}
	return ok(checkpointOut{
		Checkpoint: string(msg), Origin: head.Origin, Size: head.Size, Root: head.Root.String(), Time: head.Time, Verifier: x.server.Log.Verifier,
	})
}

// headOf reads what a stored checkpoint says. Whether its signature is right is
// for those to judge who have the key from elsewhere.
func headOf(msg []byte) (audit.Head, error) {
	text, _, _ := strings.Cut(string(msg), "\n\n")
	return audit.ParseHead(text + "\n")
}

// getProof proves that an entry is in the log, to somebody who trusts only the
// public key.
func (x *exchange) getProof(ctx context.Context) (reply, error) {
	f := x.filter()
	f.check.Unless(f.text("index") != "", "index", "is needed")
	index, size := f.number("index"), f.number("size")
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	p, err := audit.ProveInclusion(ctx, x.server.Log.Store, index, size)
	if errors.Is(err, audit.ErrNotCovered) {
		return reply{}, problem.New(problem.NotFound, "no checkpoint covers this yet")
	}
	if err != nil {
		return reply{}, problem.Away(err)
	}
	return ok(p)
}

// exportAudit streams the log as audit.Verify reads it. It has no deadline: it
// takes as long as the log is; the client's patience ends it.
func (x *exchange) exportAudit(ctx context.Context) (reply, error) {
	f := x.filter()
	from := f.number("from")
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	log := x.server.Log
	return reply{status: http.StatusOK, kind: "application/x-ndjson", stream: func(ctx context.Context, w io.Writer) error {
		err := audit.Export(ctx, w, log.Store, audit.ExportOptions{From: from, Key: log.Verifier})
		if errors.Is(err, audit.ErrNotCovered) {
			return problem.New(problem.NotFound, "no checkpoint covers the beginning asked for")
		}
		if err != nil {
			return problem.Away(err)
		}
		return nil
	}}, nil
}
