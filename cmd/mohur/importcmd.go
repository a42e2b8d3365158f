package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

// importOptions is what `mohur token import` is told: the fields of the form.
type importOptions struct {
	format, transportKey, batch, branch, profile string

	passwordFile string
	password     []byte
}

func (p *program) tokenImportCommand() *cobra.Command {
	var o importOptions
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use:   "import FILE",
		Short: "import a manufacturer's seed file",
		Long: `Imports the tokens of a seed file into stock: PSKC (RFC 6030), OATH CSV, the log of
the YubiKey Personalization Tool or SafeNet XML. The seeds of a PSKC file are
decrypted inside the HSM by the transport key, which comes in beforehand with
` + "`mohur keys import-transport NAME`" + `, or by a password; seeds in the clear are taken in
development, and elsewhere once a supervisor has allowed it: the file waits, without
its content, and is sent again afterwards. A list of serials brings in devices
without seeds, such as FIDO2 keys: serial, manufacturer, model.

A file that is refused leaves nothing behind. A record that is refused is named
with its reason, and the others are imported. An import that was cut off is gone
on with when the same file is imported again with the same batch.`,
		Example: `  mohur token import batch-2026-11.xml --transport-key acme --batch 2026-11
  mohur token import batch-2026-12.xml --password-file - --profile feitian-c200
  mohur token import keys.csv --format serials --profile fido2-key --batch 2026-13
  mohur token import demo.csv --format oath-csv --json`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.tokenImport(cmd.Context(), args[0], o) },
	}))
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "auto", "the `FORMAT` of the file: pskc, oath-csv, yubico-csv, safenet-xml, serials or auto")
	f.StringVar(&o.transportKey, "transport-key", "", "the `NAME` of the transport key in the HSM")
	f.StringVar(&o.passwordFile, "password-file", "", "the `FILE` with the password of a PSKC file; - asks for it, or reads a line of the standard input")
	f.StringVar(&o.batch, "batch", "", "the `NAME` of the batch, to find its tokens by")
	f.StringVar(&o.branch, "branch", "", "the `BRANCH` whose stock it is")
	f.StringVar(&o.profile, "profile", "", "the device `PROFILE`: oath (default), or that of the model")
	return cmd
}

// importView is an import as the API tells it.
type importView struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Total    int    `json:"total"`
	Imported int    `json:"imported"`
	Rejected int    `json:"rejected"`
	Error    string `json:"error,omitempty"`

	Warnings []string `json:"warnings,omitempty"`

	Approval *waitingView `json:"approval,omitempty"` // it waits, and is no import yet
}

// rejectedView is a record that was not imported.
type rejectedView struct {
	Index  int    `json:"index"`
	Serial string `json:"serial"`
	KeyID  string `json:"key_id"`
	Reason string `json:"reason"`
}

func (p *program) tokenImport(ctx context.Context, path string, o importOptions) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if o.password, err = p.importPassword(ctx, o.passwordFile); err != nil {
		return err
	}
	defer clear(o.password)
	return p.withPeople(ctx, func(cl *client) error {
		job, err := cl.sendImport(ctx, file, o)
		if err != nil {
			return err
		}
		if job.Approval != nil {
			return p.tellPermit(*job.Approval)
		}
		if job, err = p.follow(ctx, cl, job); err != nil {
			return err
		}
		refused, err := cl.rejections(ctx, job)
		if err != nil {
			return err
		}
		return p.tellImport(job, refused)
	})
}

// maxPassword is the longest password of a file, in bytes.
const maxPassword = 256

// importPassword reads the password of a file: from a file, or from the person at
// the terminal, who does not see it.
func (p *program) importPassword(ctx context.Context, path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	typed, _ := p.in.(*os.File)
	var line []byte
	var err error
	switch in := p.in; {
	case path == "-" && typed != nil && isTerminal(typed):
		fmt.Fprint(p.err, "The password of the file (it is not shown): ")
		line, err = p.readLine(ctx, typed, true)
	default:
		if path != "-" {
			file, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			defer file.Close()
			in = file
		}
		line, err = io.ReadAll(io.LimitReader(in, maxPassword+2))
	}
	if err != nil {
		return nil, err
	}
	line = bytes.TrimRight(line, "\r\n")
	if len(line) == 0 || len(line) > maxPassword || bytes.ContainsAny(line, "\r\n") {
		clear(line)
		return nil, fmt.Errorf("the password needs to be one line of 1 to %d bytes", maxPassword)
	}
	return line, nil
}

// form is how a seed file is sent: the fields, then the file.
func (o importOptions) form(w *multipart.Writer, file io.Reader, name string) error {
	for _, f := range []struct{ name, value string }{
		{"format", o.format}, {"transport_key", o.transportKey}, {"batch", o.batch}, {"branch", o.branch}, {"profile", o.profile},
	} {
		if f.value == "" {
			continue
		}
		if err := w.WriteField(f.name, f.value); err != nil {
			return err
		}
	}
	if o.password != nil {
		part, err := w.CreateFormField("password")
		if err != nil {
			return err
		}
		if _, err := part.Write(o.password); err != nil {
			return err
		}
	}
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, file); err != nil {
		return err
	}
	return w.Close()
}

// sendImport sends the file as it is read: it may be large.
func (c *client) sendImport(ctx context.Context, file *os.File, o importOptions) (job importView, err error) {
	body, sent := io.Pipe()
	w := multipart.NewWriter(sent)
	go func() { sent.CloseWithError(o.form(w, file, filepath.Base(file.Name()))) }()
	resp, err := c.send(ctx, http.MethodPost, "/v1/token-imports", w.FormDataContentType(), body)
	body.Close()
	if err != nil {
		return job, err
	}
	defer resp.Body.Close()
	return job, json.NewDecoder(resp.Body).Decode(&job)
}

const pollEvery = 150 * time.Millisecond

// follow watches a running import until its end, with a bar for who looks.
func (p *program) follow(ctx context.Context, cl *client, job importView) (importView, error) {
	show := func(importView) {}
	if isTerminal(p.err) {
		bar := progressbar.NewOptions(max(job.Total, 1), progressbar.OptionSetWriter(p.err), progressbar.OptionSetDescription("importing"),
			progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
		show = func(job importView) { draw(bar, job) }
	}
	for job.State == "running" {
		select {
		case <-ctx.Done():
			return job, fmt.Errorf("the import %s goes on in the server: %w", job.ID, ctx.Err())
		case <-time.After(pollEvery):
		}
		if err := cl.call(ctx, http.MethodGet, "/v1/token-imports/"+job.ID, nil, &job); err != nil {
			return job, err
		}
		show(job)
	}
	return job, nil
}

// draw moves the bar. One that cannot be drawn hinders nobody.
func draw(bar *progressbar.ProgressBar, job importView) {
	if job.State != "running" {
		_ = bar.Finish()
	} else if job.Total > 0 {
		bar.ChangeMax(job.Total)
		_ = bar.Set(job.Imported + job.Rejected)
	}
}

// rejections returns the records that were refused, as many as the API names.
func (c *client) rejections(ctx context.Context, job importView) ([]rejectedView, error) {
	all := []rejectedView{}
	if job.Rejected == 0 {
		return all, nil
	}
	for cursor := ""; ; {
		var page struct {
			Items []rejectedView `json:"items"`
			Next  string         `json:"next_cursor"`
		}
		if err := c.call(ctx, http.MethodGet, "/v1/token-imports/"+job.ID+"/rejected?limit=200"+cursor, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		cursor = "&cursor=" + page.Next
	}
}

// tellPermit says what comes next for a file in the clear.
func (p *program) tellPermit(waits waitingView) error {
	if p.json {
		return p.print(map[string]waitingView{"approval": waits})
	}
	p.sayf("waits for a supervisor: approval %s, until %s", waits.ID, waits.ExpiresAt.Format(time.RFC3339))
	p.notef("The file holds seeds in the clear, and nothing of it was kept. When the supervisor has approved it, run the same command again, within 24 hours: it is imported once.")
	return nil
}

func (p *program) tellImport(job importView, refused []rejectedView) error {
	if p.json {
		if err := p.print(struct {
			importView
			Rejections []rejectedView `json:"rejections"`
		}{job, refused}); err != nil {
			return err
		}
	} else {
		p.sayf("%s: %d of %s imported, %d rejected", job.State, job.Imported, count(job.Total, "key"), job.Rejected)
		for _, w := range job.Warnings {
			p.sayf("  note: %s", w)
		}
		for _, r := range refused {
			p.sayf("  record %d, serial %s, key %s: %s", r.Index, r.Serial, r.KeyID, r.Reason)
		}
	}
	if job.State != "completed" {
		return errors.New("the import failed: " + job.Error)
	}
	return nil
}
