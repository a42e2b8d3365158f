package audittest

import (
	"bytes"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"mohur/audit"
)

// Erase removes salt and body of an entry.
func (m *Memory) Erase(seq uint64) {
	m.Tamper(func(entries []audit.Entry) []audit.Entry {
		for i := range entries {
			if entries[i].Seq == seq {
				entries[i].Salt, entries[i].Sealed = nil, nil
			}
		}
		return entries
	})
}

// Tamper replaces the entries behind the log's back; the tail stays.
func (m *Memory) Tamper(change func([]audit.Entry) []audit.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = change(m.entries)
}

// Cut sets the tail back to n and removes the entries from there on.
func (m *Memory) Cut(n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = slices.DeleteFunc(m.entries, func(e audit.Entry) bool { return e.Seq >= n })
	m.tail = n
}

// CutCheckpoints removes the checkpoints of more than n entries, and their
// hashes if hashes is set.
func (m *Memory) CutCheckpoints(n uint64, hashes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkpoints = slices.DeleteFunc(m.checkpoints, func(c signed) bool { return c.size > n })
	if hashes {
		m.hashes = m.hashes[:tlog.StoredHashCount(int64(m.last()))]
	}
}

// CutHashes removes the tree's hashes from index n on.
func (m *Memory) CutHashes(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hashes = m.hashes[:n]
}

// TamperHash replaces a stored hash of the tree.
func (m *Memory) TamperHash(index int64, h tlog.Hash) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hashes[index] = h
}

// TamperCheckpoint changes every stored checkpoint.
func (m *Memory) TamperCheckpoint(change func(size uint64, note []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, c := range m.checkpoints {
		m.checkpoints[i].note = change(c.size, bytes.Clone(c.note))
	}
}
