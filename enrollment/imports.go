package enrollment

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mohur/audit"
	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// ImportCommand brings a manufacturer's seed file in.
type ImportCommand struct {
	Caller       parties.Caller
	File         io.ReadSeeker
	Format       string // pskc or auto
	TransportKey string // name of a key in the HSM; "" for a plain file, in development only
	Profile      string
	Batch        string
	Branch       string
}

// OCRASuite is the one OCRA suite of today; a key of another is rejected.
const OCRASuite = "OCRA-1:HOTP-SHA256-8:C-QN08"

// importChunk is how many keys are settled in one write.
const importChunk = 200

// BeginImport checks the command and records the import as running. RunImport
// does the work; between the two a caller may be told the id.
func (s *Service) BeginImport(ctx context.Context, cmd *ImportCommand) (tokens.Import, error) {
	cmd.Profile = orDefault(cmd.Profile, tokens.DefaultProfile)
	_, known := tokens.ProfileOf(cmd.Profile)
	var c problem.Check
	c.Unless(cmd.Format == "pskc" || cmd.Format == "auto", "format", "needs to be pskc or auto; the other formats are not read yet")
	c.Unless(known, "profile", "there is no device profile of that name")
	c.Unless(cmd.TransportKey != "" || s.Development, "transport_key", "is needed: seeds in the clear are taken in development only")
	c.Unless(len(cmd.Batch) <= 64 && len(cmd.Branch) <= 64, "batch", "batch and branch have at most 64 bytes")
	if err := s.checkTransport(ctx, cmd.TransportKey, &c); err != nil {
		return tokens.Import{}, err
	}
	if err := c.Err(); err != nil {
		return tokens.Import{}, err
	}
	job := tokens.Import{
		ID: ident.New("im"), State: tokens.ImportRunning, Format: "pskc", Batch: cmd.Batch, Branch: cmd.Branch,
		By: cmd.Caller.ID, CreatedAt: s.Now().UTC(), Version: 1,
	}
	return job, s.saveImport(ctx, cmd.Caller, job, "import.begun")
}

// checkTransport looks for the key before the file is read, so that a slip in its
// name is told at once.
func (s *Service) checkTransport(ctx context.Context, name string, c *problem.Check) error {
	if name == "" {
		return nil
	}
	keys, err := s.HSM.Keys(ctx)
	if err != nil {
		return problem.Away(err)
	}
	has := slices.ContainsFunc(keys, func(k hsm.KeyInfo) bool { return k.Key == hsm.Transport(name) })
	c.Unless(has, "transport_key", noTransport)
	return nil
}

const noTransport = "there is no transport key of that name in the HSM; bring it in with mohur keys import-transport"

// RunImport reads the file: first all of it, so that a file that is refused
// leaves nothing behind, then key by key.
func (s *Service) RunImport(ctx context.Context, cmd ImportCommand, job tokens.Import) (tokens.Import, error) {
	run := &importRun{service: s, ctx: ctx, cmd: cmd, job: job}
	opt := pskc.Options{AllowPlain: cmd.TransportKey == "" && s.Development, Now: s.Now(), Checked: run.checked}
	if cmd.TransportKey != "" {
		opt.Decrypter = transport{s.HSM, hsm.Transport(cmd.TransportKey)}
	}
	sum, err := pskc.Read(ctx, cmd.File, opt, run.take, run.reject)
	if err == nil {
		err = run.flush()
	}
	job = run.job
	job.State, job.EndedAt, job.Version = tokens.ImportCompleted, s.Now().UTC(), job.Version+1
	job.Total = max(job.Total, sum.Keys)
	if sum.SHA256 != [32]byte{} {
		job.SHA256 = hex.EncodeToString(sum.SHA256[:])
	}
	name := "import.completed"
	if err != nil {
		job.State, job.Error, name = tokens.ImportFailed, importError(err), "import.failed"
	}
	// The end is recorded even when the caller has gone.
	return job, s.saveImport(context.WithoutCancel(ctx), cmd.Caller, job, name)
}

// importError is what a person is told of a failed import.
func importError(err error) string {
	var f *pskc.FileError
	var p *problem.Error
	switch {
	case errors.As(err, &f):
		return f.Error()
	case hsm.ClassOf(err) == hsm.ClassInput:
		return noTransport // it was deleted meanwhile
	case errors.As(err, &p):
		return p.Detail
	}
	return "a part of the service was away; import the file again, what is in already is reported as there"
}

// FailUnfinished marks imports that a stop of the server cut off.
func (s *Service) FailUnfinished(ctx context.Context) error {
	open, err := s.Store.UnfinishedImports(ctx)
	if err != nil {
		return err
	}
	for _, job := range open {
		job.State, job.EndedAt, job.Version = tokens.ImportFailed, s.Now().UTC(), job.Version+1
		job.Error = "the server was stopped during the import; import the file again, what is in already is reported as there"
		if err := s.saveImport(ctx, parties.Caller{ID: "server"}, job, "import.failed"); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) saveImport(ctx context.Context, by parties.Caller, job tokens.Import, name string) error {
	r, err := s.settle(ctx, []settle.Effect{tokens.SaveImport{Import: job}}, audit.Event{
		Name: name, Outcome: string(job.State), Caller: by.ID, Request: by.Request,
		Detail: map[string]any{
			"import": job.ID, "batch": job.Batch, "total": job.Total, "imported": job.Imported, "rejected": job.Rejected,
			"sha256": job.SHA256, "error": job.Error,
		},
	})
	if err == nil && r.Outcome != settle.Done {
		err = problem.Away(fmt.Errorf("enrollment: the record of import %s is %s", job.ID, r.Outcome))
	}
	return err
}

// transport is one transport key of the HSM as the parser sees it.
type transport struct {
	hsm hsm.Module
	key hsm.Key
}

func (t transport) DecryptCBC(ctx context.Context, iv, ciphertext []byte) ([]byte, error) {
	return t.hsm.DecryptCBC(ctx, t.key, iv, ciphertext)
}

// importRun is one pass over a file: keys are gathered into chunks, each chunk
// is one write.
type importRun struct {
	service *Service
	ctx     context.Context
	cmd     ImportCommand
	job     tokens.Import
	chunk   []arrival
}

// arrival is one key of the chunk.
type arrival struct {
	key pskc.Key // without its secret
	add tokens.AddCredential
}

func (r *importRun) checked(sum pskc.Summary) { r.job.Total = sum.Keys }

func (r *importRun) reject(x pskc.Rejection) { r.refuse(x.Index, x.Serial, x.KeyID, x.Reason) }

func (r *importRun) refuse(index int, serial, keyID, reason string) {
	r.job.Rejected++
	if len(r.job.Rejections) < tokens.MaxRejections {
		r.job.Rejections = append(r.job.Rejections, tokens.Rejection{Index: index, Serial: serial, KeyID: keyID, Reason: reason})
	}
}

// take wraps one seed at once; the plain bytes live no longer than this call.
func (r *importRun) take(k pskc.Key) error {
	if reason := r.unfit(k); reason != "" {
		r.refuse(k.Index, k.Serial, k.KeyID, reason)
		return nil
	}
	wrapped, err := r.service.HSM.WrapSeed(r.ctx, k.Secret)
	switch {
	case err != nil && hsm.ClassOf(err) == hsm.ClassInput:
		r.refuse(k.Index, k.Serial, k.KeyID, "the HSM does not take this seed: it is all zeros or of an impossible length")
		return nil
	case err != nil:
		return err
	}
	k.Secret = nil
	c := tokens.Credential{
		ID: ident.New("cr"), Kind: tokens.Kind(k.Algorithm), Label: orDefault(k.FriendlyName, k.Model), KeyID: k.KeyID,
		Hash: k.Hash, Digits: k.Digits, Step: int(k.Step / time.Second), Suite: k.Suite, Seed: wrapped,
		Pseudonym: ident.New("p"), CreatedAt: r.service.Now().UTC(),
	}
	hot := settle.Hot{ID: c.ID, Counter: k.Counter, Drift: int8(max(-3, min(3, k.Drift))), State: settle.HotInert, Version: 1}
	if hot, err = hot.Sign(r.ctx, r.service.HSM); err != nil {
		return err
	}
	r.chunk = append(r.chunk, arrival{key: k, add: tokens.AddCredential{Credential: c, Manufacturer: k.Manufacturer, Serial: k.Serial, Hot: hot}})
	if len(r.chunk) >= importChunk {
		return r.flush()
	}
	return nil
}

// unfit says why a key that the file format allows cannot be used here.
func (r *importRun) unfit(k pskc.Key) string {
	switch {
	case k.Algorithm == pskc.OCRA && k.Suite != OCRASuite:
		return "the OCRA suite is not one this server uses (" + OCRASuite + ")"
	case k.Algorithm == pskc.TOTP && k.Step != 30*time.Second && k.Step != time.Minute:
		return "the time step is neither 30 nor 60 seconds"
	case k.Uses != 0:
		return "the key may be used a limited number of times, which this server does not count yet"
	case !k.Start.IsZero() && r.service.Now().Before(k.Start):
		return "the key must not be used before its start date"
	case !k.Expiry.IsZero():
		return "the key has an expiry date, which this server does not watch yet"
	}
	if k.Algorithm == pskc.OCRA {
		if _, err := otp.ParseSuite(k.Suite); err != nil {
			return "the OCRA suite cannot be read"
		}
	}
	return ""
}

// flush settles the chunk. When the store knows one of its keys already, that
// one is rejected and the rest is settled without it.
func (r *importRun) flush() error {
	for stale := 0; len(r.chunk) > 0; {
		effects, err := r.effects()
		if err != nil {
			return err
		}
		if len(r.chunk) == 0 {
			return nil
		}
		done, err := r.service.settle(r.ctx, effects, r.event())
		if err != nil {
			return err
		}
		switch done.Outcome {
		case settle.Done:
			r.job.Imported += len(r.chunk)
			r.job.Version++
			r.chunk = r.chunk[:0]
		case settle.Exists:
			if !r.drop(done.Effect) {
				return problem.New(problem.Conflict, "the import met a record that was there already")
			}
		default: // a token moved meanwhile: read it again
			if stale++; stale > maxTries {
				return errContended
			}
		}
	}
	return nil
}

// drop rejects the arrival an effect belongs to.
func (r *importRun) drop(e settle.Effect) bool {
	add, ok := e.(tokens.AddCredential)
	if !ok {
		return false
	}
	i := slices.IndexFunc(r.chunk, func(a arrival) bool { return a.add.Credential.ID == add.Credential.ID })
	if i < 0 {
		return false
	}
	k := r.chunk[i].key
	r.refuse(k.Index, k.Serial, k.KeyID, "a token with this manufacturer, serial and key id is there already")
	r.chunk = slices.Delete(r.chunk, i, i+1)
	return true
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
