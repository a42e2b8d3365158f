package api

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"mohur/approval"
	"mohur/enrollment"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// maxImports is how many seed files are taken or read at once: each may hold
// a quarter of a gigabyte of the disk.
const maxImports = 4

// imports are the seed files under way. They outlive the requests that brought
// them, not the server.
type imports struct {
	base   context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	running int
	idle    *sync.Cond
}

func newImports() *imports {
	i := &imports{}
	i.base, i.cancel = context.WithCancel(context.Background())
	i.idle = sync.NewCond(&i.mu)
	return i
}

// enter takes a place, or says why there is none.
func (i *imports) enter() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.closed:
		return problem.New(problem.Unavailable, "the server is being stopped; nothing was changed, try again")
	case i.running >= maxImports:
		return busy("other imports are under way; try again", 30*time.Second)
	}
	i.running++
	return nil
}

func (i *imports) leave() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.running--
	i.idle.Broadcast()
}

// wait lets nobody in any more and returns when the last one is out. When ctx
// ends first, those inside are told to end.
func (i *imports) wait(ctx context.Context) {
	defer context.AfterFunc(ctx, i.cancel)()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	for i.running > 0 {
		i.idle.Wait()
	}
}

type importOut struct {
	ID        string     `json:"id"`
	State     string     `json:"state"`
	Format    string     `json:"format"`
	SHA256    string     `json:"sha256,omitzero"` // of the file, hex
	Batch     string     `json:"batch,omitzero"`
	Branch    string     `json:"branch,omitzero"`
	Total     int        `json:"total"`
	Imported  int        `json:"imported"`
	Rejected  int        `json:"rejected"`
	Error     string     `json:"error,omitzero"`
	Warnings  []string   `json:"warnings,omitempty"`
	By        string     `json:"by"`
	CreatedAt time.Time  `json:"created_at"`
	EndedAt   *time.Time `json:"ended_at,omitzero"`
}

func importOf(j tokens.Import) importOut {
	out := importOut{
		ID: j.ID, State: string(j.State), Format: j.Format, SHA256: j.SHA256, Batch: j.Batch, Branch: j.Branch, Total: j.Total,
		Imported: j.Imported, Rejected: j.Rejected, Error: j.Error, Warnings: j.Warnings, By: j.By, CreatedAt: j.CreatedAt.UTC(),
	}
	if !j.EndedAt.IsZero() {
		at := j.EndedAt.UTC()
		out.EndedAt = &at
	}
	return out
}

// postImport takes a seed file and answers as soon as it is here; it is read
// afterwards, and its record tells how far.
func (x *exchange) postImport(ctx context.Context) (out reply, err error) {
	if err := x.server.imports.enter(); err != nil {
		return reply{}, err
	}
	handed := false
	defer func() {
		if !handed {
			x.server.imports.leave()
		}
	}()
	up, err := x.upload()
	if err != nil {
		return reply{}, err
	}
	defer func() {
		if !handed {
			x.server.letGo(up)
		}
	}()
	return x.once(ctx, up.canonical(), func(ctx context.Context) (out reply, err error) {
		out, handed, err = x.beginImport(ctx, up)
		return out, err
	})
}

// letGo lets an upload go. A file in the clear that could not be overwritten is told.
func (s *Server) letGo(up *upload) {
	if err := up.close(); err != nil {
		s.Logger.Error("a seed file in the spool could not be overwritten", "error", err)
	}
}

// beginImport records an import and has it run, unless it has to wait for a second
// person: handed says that the upload is the import's.
func (x *exchange) beginImport(ctx context.Context, up *upload) (out reply, handed bool, err error) {
	cmd := enrollment.ImportCommand{
		Caller: x.by, File: up.file, SHA256: up.sha256, Name: up.name, Size: up.size, Format: up.fields["format"], TransportKey: up.fields["transport_key"], Password: up.password,
		Profile: up.fields["profile"], Batch: up.fields["batch"], Branch: up.fields["branch"],
	}
	ctx, cancel := context.WithTimeout(ctx, x.server.waits.answer)
	defer cancel()
	job, err := x.server.Enrollment.BeginImport(ctx, &cmd)
	var missing *enrollment.NotPermitted
	if errors.As(err, &missing) {
		out, err := x.askPermit(ctx, missing)
		return out, false, err
	}
	if err != nil {
		return reply{}, false, err
	}
	go x.server.runImport(cmd, job, up)
	told := importOf(job)
	told.SHA256 = up.sha256
	out, err = accepted(told)
	return out, true, err
}

// permitIn is what waits for a second person of a file with seeds in the clear: its
// name, not its bytes.
type permitIn struct {
	Import string           `json:"import"`
	File   tokens.PlainFile `json:"file"`
}

// askPermit asks for a second person, once for a file.
func (x *exchange) askPermit(ctx context.Context, missing *enrollment.NotPermitted) (reply, error) {
	if missing.Approval != "" {
		switch a, err := x.server.Approvals.Get(ctx, missing.Approval); {
		case err == nil && a.State == approval.Waiting:
			return waiting(a)
		case err != nil && !problem.Is(err, problem.NotFound): // one of long ago is not kept
			return reply{}, err
		}
	}
	body, err := json.Marshal(permitIn{missing.Asked.ID, missing.Asked.File}, json.Deterministic(true))
	if err != nil {
		return reply{}, &problem.Error{Code: problem.Internal, Err: err}
	}
	a, err := x.server.Approvals.Ask(ctx, x.by, approval.Request{Act: x.route.method + " " + x.route.path, Body: body}, func(a approval.Approval) settle.Effect {
		missing.Asked.Approval = a.ID
		return tokens.SavePermit{Permit: missing.Asked}
	})
	if err != nil {
		return reply{}, err
	}
	return waiting(a)
}

type permitOut struct {
	Import    string    `json:"import"`
	ExpiresAt time.Time `json:"expires_at"`
}

// permitImport lets a file with seeds in the clear be sent once more.
func (x *exchange) permitImport(ctx context.Context, in permitIn) (reply, error) {
	p, err := x.server.Enrollment.PermitImport(ctx, enrollment.PermitCommand{Caller: x.by, Import: in.Import, File: in.File, Approval: x.approval, Checker: x.checker})
	if err != nil {
		return reply{}, err
	}
	return ok(permitOut{p.ID, p.ExpiresAt})
}

// runImport reads the file in. Nothing that goes wrong in it may take the server
// along; a record it leaves as running is told as failed at the next start.
func (s *Server) runImport(cmd enrollment.ImportCommand, job tokens.Import, up *upload) {
	s.metrics.imports.Inc()
	defer func() {
		if cause := recover(); cause != nil {
			s.Logger.Error("panic in an import", "import", job.ID, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
		}
		s.letGo(up)
		s.metrics.imports.Dec()
		s.imports.leave()
	}()
	ctx := s.imports.base
	end, err := s.Enrollment.RunImport(ctx, cmd, job)
	if encrypted := cmd.TransportKey != "" || cmd.Password != nil; err == nil && encrypted && end.State == tokens.ImportCompleted {
		up.wipe = false // a key opened it: nothing in it is in the clear
	}
	if err != nil {
		s.Logger.ErrorContext(ctx, "the end of an import could not be recorded", "import", job.ID, "error", err)
		return
	}
	s.Logger.InfoContext(ctx, "import ended", "import", job.ID, "state", string(end.State),
		"total", end.Total, "imported", end.Imported, "rejected", end.Rejected)
}

// importByID reads the record of an import.
func (x *exchange) importByID(ctx context.Context) (tokens.Import, error) {
	j, err := x.server.Store.Import(ctx, x.id("id"))
	return j, recordFault(err, "import")
}

// recordFault maps the error of one record read from the store.
func recordFault(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case isMissing(err):
		return problem.New(problem.NotFound, "there is no such "+what)
	}
	return problem.Away(err)
}

// getImport tells how far an import is.
func (x *exchange) getImport(ctx context.Context) (reply, error) {
	j, err := x.importByID(ctx)
	if err != nil {
		return reply{}, err
	}
	return ok(importOf(j))
}

// listRejected lists the keys an import did not take, in the order of the file.
func (x *exchange) listRejected(ctx context.Context) (reply, error) {
	f := x.filter()
	limit, from := f.limit(), f.number("cursor")
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	j, err := x.importByID(ctx)
	if err != nil {
		return reply{}, err
	}
	all := j.Rejections
	all = all[min(from, uint64(len(all))):]
	next := ""
	if len(all) > limit {
		all, next = all[:limit], strconv.FormatUint(from+uint64(limit), 10)
	}
	return ok(pageOf(all, next, func(r tokens.Rejection) tokens.Rejection { return r }))
}
