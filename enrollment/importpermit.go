package enrollment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/incident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
	"mohur/tokens/pskc"
	"mohur/tokens/seedfile"
)

// permitLife is how long a file in the clear may be sent once a second person has
// allowed it.
const permitLife = 24 * time.Hour

// maxFileName bounds what is kept of a file's name, in bytes.
const maxFileName = 128

// NotPermitted is the error of BeginImport for a file with seeds in the clear outside
// development: a second person has to allow it, and then it is sent again. Nothing
// of the file was kept.
type NotPermitted struct {
	// Asked is the permit to be asked for, as SavePermit writes it once it has the id
	// of its approval.
	Asked tokens.Permit
	// Approval was asked for before, for this very file; "" when none was. While it
	// waits there is no need of another.
	Approval string
}

// Error says what is missing.
func (*NotPermitted) Error() string {
	return "enrollment: the file holds seeds in the clear and nobody has permitted it"
}

// plain finds out whether the seeds of a file lie in the clear. One that names a key
// does not: who has forgotten to name it too is told so.
func (cmd *ImportCommand) plain(c *problem.Check) (bool, error) {
	if cmd.Format != FormatPSKC {
		return true, nil
	}
	start, err := cmd.File.Seek(0, io.SeekCurrent)
	if err != nil {
		return false, err
	}
	head := make([]byte, headSize)
	defer clear(head)
	n, err := io.ReadFull(cmd.File, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	if _, err := cmd.File.Seek(start, io.SeekStart); err != nil {
		return false, err
	}
	_, err = pskc.Validate(context.Background(), bytes.NewReader(head[:n]), pskc.Options{AllowPlain: true})
	var fault *seedfile.FileError
	named := errors.As(err, &fault) && fault.Code == seedfile.CodeNoKey
	c.Unless(!named, "transport_key", "is needed, or a password: the file is encrypted")
	return !named, nil
}

// permitted is what is settled with the beginning of an import of seeds in the clear:
// its permit is used up, an incident is opened, and supervisors and security are told.
// One that goes on where it was cut off needs no other permit.
func (s *Service) permitted(ctx context.Context, cmd *ImportCommand, job tokens.Import) ([]settle.Effect, []audit.Event, error) {
	file := tokens.PlainFile{
		SHA256: cmd.SHA256, Size: cmd.Size, Name: seedfile.Clean(cmd.Name, maxFileName), Format: cmd.Format, Profile: cmd.Profile, Batch: cmd.Batch, Branch: cmd.Branch,
	}
	p, err := s.Store.Permit(ctx, job.ID)
	missing := errors.Is(err, parties.ErrNotFound)
	if err != nil && !missing {
		return nil, nil, problem.Away(err)
	}
	resumed := job.Version > 1
	if resumed || p.State == tokens.PermitUsed || p.State == tokens.PermitDone {
		if !resumed || p.State != tokens.PermitUsed || p.File.Format != cmd.Format {
			return nil, nil, problem.New(problem.Conflict, "this import of seeds in the clear was not begun under a permit, or has ended; give the file another batch")
		}
		cmd.permit = &p
		return nil, nil, nil
	}
	if p.State != tokens.PermitOpen || !s.Now().Before(p.ExpiresAt) {
		missing := &NotPermitted{Asked: tokens.Permit{ID: job.ID, File: file, State: tokens.PermitAsked, Maker: cmd.Caller.ID, Version: p.Version + 1}}
		if p.State == tokens.PermitAsked && p.File.Format == cmd.Format {
			missing.Approval = p.Approval
		}
		return nil, nil, missing
	}
	if p.File.Format != cmd.Format {
		return nil, nil, problem.New(problem.Conflict, "the file is permitted as "+p.File.Format+"; send it with that format")
	}
	p.State, p.Version = tokens.PermitUsed, p.Version+1
	cmd.permit = &p
	in := incident.Incident{
		ID: ident.New("in"), Kind: "import.plain-seeds", Service: "n/a", Reference: job.ID, Cause: "seeds-in-the-clear", At: s.Now().UTC().Truncate(time.Second), State: "open", Version: 1,
		Content: fmt.Sprintf("seeds in the clear are imported: SHA-256 %s, batch %q; asked for by %s, allowed by %s (approval %s), sent by %s", file.SHA256, file.Batch, p.Maker, p.Checker, p.Approval, cmd.Caller.ID),
	}
	effects := []settle.Effect{tokens.SavePermit{Permit: p}, incident.Save{Incident: in}}
	told, err := s.watchers(ctx, "import-plain-seeds")
	if err != nil {
		return nil, nil, err
	}
	return append(effects, told...), []audit.Event{{
		Name: "incident.opened", Outcome: "open", Reason: in.Kind, Caller: cmd.Caller.ID, Request: cmd.Caller.Request, Detail: in,
	}}, nil
}

// watchers are the notices to those of the staff who watch over such things.
func (s *Service) watchers(ctx context.Context, kind string) ([]settle.Effect, error) {
	staff, err := s.Store.Staff(ctx)
	if err != nil {
		return nil, problem.Away(err)
	}
	var out []settle.Effect
	for _, c := range staff {
		if c.State != parties.CustomerActive || !c.Caller().Has(parties.Supervisor, parties.Security) {
			continue
		}
		told, err := s.notices(ctx, c, kind)
		if err != nil {
			return nil, err
		}
		out = append(out, told...)
	}
	return out, nil
}

// done is the permit of an import that has ended, nil effects when there was none or
// when the import may go on.
func (cmd *ImportCommand) done(job tokens.Import) []settle.Effect {
	if cmd.permit == nil || job.State == tokens.ImportFailed && (job.Imported > 0 || job.Cut) {
		return nil
	}
	p := *cmd.permit
	p.State, p.Version = tokens.PermitDone, p.Version+1
	return []settle.Effect{tokens.SavePermit{Permit: p}}
}

// PermitCommand opens the permit of an import once a second person has allowed it.
type PermitCommand struct {
	Caller   parties.Caller // who asked for it
	Import   string
	File     tokens.PlainFile
	Approval string
	Checker  string // id of the second person
}

// PermitImport lets the file be sent once more within 24 hours. What was asked for
// has to be what is allowed.
func (s *Service) PermitImport(ctx context.Context, cmd PermitCommand) (tokens.Permit, error) {
	p, err := s.Store.Permit(ctx, cmd.Import)
	switch {
	case errors.Is(err, parties.ErrNotFound):
		return tokens.Permit{}, problem.New(problem.NotFound, "there is no such import to permit")
	case err != nil:
		return tokens.Permit{}, problem.Away(err)
	case p.State != tokens.PermitAsked || p.Approval != cmd.Approval || p.File != cmd.File || p.Maker != cmd.Caller.ID:
		return tokens.Permit{}, problem.New(problem.Conflict, "this import was asked for again, or permitted, meanwhile")
	}
	p.State, p.Checker, p.ExpiresAt, p.Version = tokens.PermitOpen, cmd.Checker, s.Now().Add(permitLife).UTC(), p.Version+1
	r, err := s.settle(ctx, []settle.Effect{tokens.SavePermit{Permit: p}}, audit.Event{
		Name: "import.permitted", Outcome: string(p.State), Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
		Detail: map[string]any{"import": p.ID, "file": p.File, "approval": p.Approval, "maker": p.Maker, "checker": p.Checker, "expires_at": p.ExpiresAt},
	})
	if err != nil {
		return tokens.Permit{}, err
	}
	if r.Outcome != settle.Done {
		return tokens.Permit{}, errContended
	}
	return p, nil
}
