package enrollment

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"time"

	"mohur/audit"
	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
	"mohur/tokens/seedfile"
)

// ImportCommand brings a manufacturer's seed file in.
type ImportCommand struct {
	Caller       parties.Caller
	File         io.ReadSeeker
	SHA256       string // of the file, hex; "" has it computed
	Name         string // the file's own, for people; may be empty
	Size         int64  // in bytes, for people
	Format       string // one of the formats, or auto
	TransportKey string // name of a key in the HSM
	Password     []byte // of a PSKC file under PBKDF2; cleared by RunImport, kept nowhere
	Profile      string
	Batch        string
	Branch       string

	refusal error     // why the format was not recognised: the job fails with it
	key     transport // that of TransportKey
	inClear bool      // the seeds lie in the clear, and it is not development
	permit  *tokens.Permit
}

// OCRASuite is the suite devices are ordered with unless there is a reason.
const OCRASuite = "OCRA-1:HOTP-SHA256-8:C-QN08"

// maxRepeats is how often one file may be imported into one batch.
const maxRepeats = 1000

// BeginImport checks the command and records the import as running. RunImport
// does the work; between the two a caller may be told the id.
//
// An import of the same file with the same profile, batch and branch that was cut off
// is taken up again under its id. A file with seeds in the clear outside development is
// *NotPermitted until a second person has allowed it.
func (s *Service) BeginImport(ctx context.Context, cmd *ImportCommand) (tokens.Import, error) {
	cmd.Profile = orDefault(cmd.Profile, tokens.DefaultProfile)
	_, known := tokens.ProfileOf(cmd.Profile)
	var c problem.Check
	c.Unless(known, "profile", "there is no device profile of that name")
	c.Unless(len(cmd.Batch) <= 64 && len(cmd.Branch) <= 64, "batch", "batch and branch have at most 64 bytes")
	if err := s.checkFormat(cmd, &c); err != nil {
		return tokens.Import{}, err
	}
	if err := s.checkTransport(ctx, cmd, &c); err != nil {
		return tokens.Import{}, err
	}
	if err := c.Err(); err != nil {
		return tokens.Import{}, err
	}
	if cmd.SHA256 == "" {
		if err := cmd.digest(); err != nil {
			return tokens.Import{}, problem.Away(err)
		}
	}
	job, name, err := s.openImport(ctx, cmd)
	if err != nil {
		return tokens.Import{}, err
	}
	var more []settle.Effect
	var events []audit.Event
	if cmd.inClear {
		if more, events, err = s.permitted(ctx, cmd, job); err != nil {
			return tokens.Import{}, err
		}
	}
	done, err := s.saveImport(ctx, cmd.Caller, job, name, more, events...)
	if err == nil && done != settle.Done {
		err = problem.New(problem.Conflict, "this file was sent twice at once; look at the other import")
	}
	return job, err
}

// digest names the file by its SHA-256, from where the reader stands.
func (cmd *ImportCommand) digest() error {
	start, err := cmd.File.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, cmd.File); err != nil {
		return err
	}
	cmd.SHA256 = hex.EncodeToString(sum.Sum(nil))
	_, err = cmd.File.Seek(start, io.SeekStart)
	return err
}

// openImport is the record the import goes under, and the event that tells of it. An
// import is named after what is imported, so that the second one finds the first:
// one that is running is left alone, one that was cut off is gone on with, and after
// one that ended there is a next.
func (s *Service) openImport(ctx context.Context, cmd *ImportCommand) (tokens.Import, string, error) {
	for n := range maxRepeats {
		id := cmd.id(n)
		job, err := s.Store.Import(ctx, id)
		switch {
		case errors.Is(err, parties.ErrNotFound):
			return tokens.Import{
				ID: id, State: tokens.ImportRunning, Format: cmd.Format, SHA256: cmd.SHA256, Batch: cmd.Batch, Branch: cmd.Branch,
				By: cmd.Caller.ID, CreatedAt: s.Now().UTC(), Version: 1,
			}, "import.begun", nil
		case err != nil:
			return tokens.Import{}, "", problem.Away(err)
		case job.State == tokens.ImportRunning:
			return tokens.Import{}, "", problem.New(problem.Conflict, "this file is being imported already, as "+id)
		case job.State == tokens.ImportFailed && (job.Imported > 0 || job.Cut):
			job.Cut = false
			job.State, job.Error, job.Rejected, job.Rejections, job.EndedAt = tokens.ImportRunning, "", 0, nil, time.Time{}
			job.Version++
			return job, "import.resumed", nil
		}
	}
	return tokens.Import{}, "", problem.New(problem.Conflict, "this file was imported too often; give it another batch")
}

// id names the nth import of this file with this profile, batch and branch.
func (cmd *ImportCommand) id(n int) string {
	sum := sha256.New()
	for _, part := range []string{"import", cmd.SHA256, cmd.Profile, cmd.Batch, cmd.Branch} {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		sum.Write([]byte(part))
	}
	sum.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return ident.From("im", sum.Sum(nil))
}

// RunImport reads the file: first all of it, so that a file that is refused
// leaves nothing behind, then key by key.
func (s *Service) RunImport(ctx context.Context, cmd ImportCommand, job tokens.Import) (tokens.Import, error) {
	defer clear(cmd.Password)
	profile, _ := tokens.ProfileOf(cmd.Profile) // BeginImport has looked
	run := &importRun{service: s, ctx: ctx, cmd: cmd, profile: profile, job: job, before: job.Imported, devices: map[device]*holder{}}
	sum, err := s.readImport(ctx, cmd, run)
	if err == nil {
		err = run.flush()
	}
	if err == nil && hex.EncodeToString(sum.SHA256[:]) != job.SHA256 {
		err = &seedfile.FileError{Code: seedfile.CodeChanged, Detail: "the file changed while it was read"}
	}
	name := "import.completed"
	job = run.ended(sum, err == nil)
	job.State, job.EndedAt = tokens.ImportCompleted, s.Now().UTC()
	if err != nil {
		job.State, job.Error, name = tokens.ImportFailed, importError(err), "import.failed"
		var refused *seedfile.FileError
		job.Cut = !errors.As(err, &refused)
	}
	// The end is recorded even when the caller has gone.
	return s.endImport(context.WithoutCancel(ctx), cmd.Caller, job, name, append(s.probing(cmd, cmd.key, err), cmd.done(job)...)...)
}

// endImport writes the end of an import. A write before it whose outcome was never
// told may have raised the version of the record, and what is in with it.
func (s *Service) endImport(ctx context.Context, by parties.Caller, job tokens.Import, name string, more ...settle.Effect) (tokens.Import, error) {
	for range maxTries {
		job.Version++
		done, err := s.saveImport(ctx, by, job, name, more)
		if err != nil || done == settle.Done {
			return job, err
		}
		stored, err := s.Store.Import(ctx, job.ID)
		if err != nil {
			return job, problem.Away(err)
		}
		job.Version = stored.Version
		if job.State == tokens.ImportFailed {
			job.Imported = max(job.Imported, stored.Imported)
		}
	}
	return job, errContended
}

// importError is what a person is told of a failed import.
func importError(err error) string {
	var f *seedfile.FileError
	var p *problem.Error
	switch {
	case errors.As(err, &f):
		return f.Error()
	case hsm.ClassOf(err) == hsm.ClassInput:
		return noTransport // it was deleted meanwhile
	case errors.As(err, &p) && p.Code != problem.Unavailable:
		return p.Detail
	}
	return "a part of the service was away; " + importAgain
}

const importAgain = "import the file again, with the same batch, branch and profile: it is gone on with where it stopped"

// FailUnfinished marks imports that a stop of the server cut off.
func (s *Service) FailUnfinished(ctx context.Context) error {
	open, err := s.Store.UnfinishedImports(ctx)
	if err != nil {
		return err
	}
	for _, job := range open {
		job.State, job.Cut, job.EndedAt = tokens.ImportFailed, true, s.Now().UTC()
		job.Error = "the server was stopped during the import; " + importAgain
		if _, err := s.endImport(ctx, parties.Caller{ID: "server"}, job, "import.failed"); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) saveImport(ctx context.Context, by parties.Caller, job tokens.Import, name string, more []settle.Effect, events ...audit.Event) (settle.Outcome, error) {
	r, err := s.settle(ctx, append(slices.Clone(more), tokens.SaveImport{Import: job}), append([]audit.Event{{
		Name: name, Outcome: string(job.State), Caller: by.ID, Request: by.Request,
		Detail: map[string]any{
			"import": job.ID, "format": job.Format, "batch": job.Batch, "total": job.Total, "imported": job.Imported, "rejected": job.Rejected,
			"sha256": job.SHA256, "error": job.Error, "warnings": job.Warnings,
		},
	}}, events...)...)
	return r.Outcome, err
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
