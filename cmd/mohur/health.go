package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"mohur/audit"
)

// health is what the sequencer has told of itself: /readyz asks it.
type health struct {
	logger     *slog.Logger
	checkpoint func(ctx context.Context) error

	mu   sync.Mutex
	last time.Time
	err  error
	over bool // the sequencer has stopped for people

	trying bool
}

// watch makes the sequencer report here.
func watch(s *audit.Sequencer, logger *slog.Logger, also func(audit.Head)) *health {
	h := &health{logger: logger, checkpoint: s.Checkpoint}
	s.OnCheckpoint = func(head audit.Head) {
		h.set(head.Time, nil)
		also(head)
	}
	s.OnError = func(err error) {
		logger.Error("audit checkpoint failed, will be retried", "error", err)
		h.set(time.Time{}, err)
	}
	return h
}

func (h *health) set(at time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	if !at.IsZero() {
		h.last = at
	}
}

// stopped says that no checkpoint will be signed until people have looked.
// Entries are still durable and bound to one another by the tree to come, so the
// server goes on, and says at /readyz that it should not.
func (h *health) stopped(err error) {
	h.logger.Error("the audit log contradicts itself: no checkpoint is signed any more; keep a copy of the store and run `mohur audit verify`", "error", err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.over = err, true
}

// state tells when the last checkpoint was signed and what has kept the
// sequencer from signing since. A fault may be over without a word: with no new
// entries the sequencer has nothing to tell. So one is tried beside, and the next
// question gets its answer; it has no deadline, because a checkpoint that is
// broken off while the store writes it looks like somebody else's.
func (h *health) state() (time.Time, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil && !h.over && !h.trying {
		h.trying = true
		go h.try()
	}
	return h.last, h.err
}

func (h *health) try() {
	err := h.checkpoint(context.Background())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trying = false
	if !h.over {
		h.err = err
	}
}
