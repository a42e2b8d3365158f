package audittest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"mohur/audit"
)

// Memory is an audit.Store in memory, with the means of an attacker who can
// write to the disk. The zero value is an empty log.
type Memory struct {
	Node string // stamped into headers

	mu          sync.Mutex
	entries     []audit.Entry
	tail        uint64
	hashes      []tlog.Hash
	checkpoints []signed
	failing     map[string]error
}

type signed struct {
	size uint64
	note []byte
}

// FailOn makes the named method return err, until it is called with nil. A
// method named with a trailing "*" ("AppendCheckpoint*") does its work and then
// returns err: the write whose outcome is unknown.
func (m *Memory) FailOn(method string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing == nil {
		m.failing = make(map[string]error)
	}
	m.failing[method] = err
}

// Append writes the drafts as one.
func (m *Memory) Append(drafts ...audit.Draft) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing["Append"]; err != nil {
		return err
	}
	var fresh []audit.Entry
	for i, d := range drafts {
		e, err := d.Stamp(m.Node, m.tail+uint64(i))
		if err != nil {
			return err
		}
		fresh = append(fresh, clone(e))
	}
	m.entries = append(m.entries, fresh...)
	m.tail += uint64(len(fresh))
	return nil
}

// Tail implements audit.Store.
func (m *Memory) Tail(ctx context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tail, m.fails(ctx, "Tail")
}

// Entries implements audit.Store.
func (m *Memory) Entries(ctx context.Context, from uint64, limit int) ([]audit.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails(ctx, "Entries"); err != nil {
		return nil, err
	}
	// An untouched log has entry n at index n; a tampered one is searched.
	at := int(min(from, uint64(len(m.entries))))
	if at < len(m.entries) && m.entries[at].Seq != from {
		at = max(0, slices.IndexFunc(m.entries, func(e audit.Entry) bool { return e.Seq >= from }))
	}
	var out []audit.Entry
	for _, e := range m.entries[at:] {
		if len(out) >= limit {
			break
		}
		if e.Seq >= from {
			out = append(out, clone(e))
		}
	}
	return out, nil
}

// Hashes implements audit.Store.
func (m *Memory) Hashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails(ctx, "Hashes"); err != nil {
		return nil, err
	}
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at < 0 || at >= int64(len(m.hashes)) {
			return nil, fmt.Errorf("%w: %d", audit.ErrNoHash, at)
		}
		out[i] = m.hashes[at]
	}
	return out, nil
}

// AppendCheckpoint implements audit.Store.
func (m *Memory) AppendCheckpoint(ctx context.Context, c audit.Checkpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails(ctx, "AppendCheckpoint"); err != nil {
		return err
	}
	if err := c.Follows(m.last(), m.tail); err != nil {
		return err
	}
	m.hashes = append(m.hashes[:c.FirstHash()], c.Hashes...)
	m.checkpoints = append(m.checkpoints, signed{c.Size, bytes.Clone(c.Note)})
	return m.failing["AppendCheckpoint*"]
}

// LastCheckpoint implements audit.Store.
func (m *Memory) LastCheckpoint(ctx context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.checkpoints) == 0 {
		return nil, m.fails(ctx, "LastCheckpoint")
	}
	return bytes.Clone(m.checkpoints[len(m.checkpoints)-1].note), m.fails(ctx, "LastCheckpoint")
}

// CheckpointFor implements audit.Store.
func (m *Memory) CheckpointFor(ctx context.Context, size uint64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.checkpoints {
		if c.size >= size {
			return bytes.Clone(c.note), m.fails(ctx, "CheckpointFor")
		}
	}
	return nil, m.fails(ctx, "CheckpointFor")
}

func (m *Memory) fails(ctx context.Context, method string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.failing[method]
}

func (m *Memory) last() uint64 {
	if len(m.checkpoints) == 0 {
		return 0
	}
	return m.checkpoints[len(m.checkpoints)-1].size
}

func clone(e audit.Entry) audit.Entry {
	e.Header, e.Salt, e.Sealed = bytes.Clone(e.Header), bytes.Clone(e.Salt), bytes.Clone(e.Sealed)
	return e
}
