package main

import (
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
type importOptions struct{ format, transportKey, batch, branch, profile string }

func (p *program) tokenImportCommand() *cobra.Command {
	var o importOptions
	cmd := p.jsonFlag(p.configFlag(&cobra.Command{
		Use:   "import FILE",
		Short: "import a manufacturer's seed file",
		Long: `Imports the tokens of a PSKC file (RFC 6030) into stock. The seeds are decrypted
inside the HSM by the transport key, which comes in beforehand with
` + "`mohur keys import-transport NAME`" + `; a file in the clear is taken in development only.

A file that is refused leaves nothing behind. A record that is refused is named
with its reason, and the others are imported; a file may be imported again.`,
		Example: `  mohur token import batch-2026-11.xml --transport-key acme --batch 2026-11
  mohur token import demo.xml --json`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.tokenImport(cmd.Context(), args[0], o) },
	}))
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "auto", "the `FORMAT` of the file: pskc or auto")
	f.StringVar(&o.transportKey, "transport-key", "", "the `NAME` of the transport key in the HSM")
	f.StringVar(&o.batch, "batch", "", "the `NAME` of the batch, to find its tokens by")
	f.StringVar(&o.branch, "branch", "", "the `BRANCH` whose stock it is")
	f.StringVar(&o.profile, "profile", "", "the device `PROFILE`: oath (default), or oath-pin for devices that ask a PIN")
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
	return p.withPeople(ctx, func(cl *client) error {
		job, err := cl.sendImport(ctx, file, o)
		if err != nil {
			return err
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
		for _, r := range refused {
			p.sayf("  record %d, serial %s, key %s: %s", r.Index, r.Serial, r.KeyID, r.Reason)
		}
	}
	if job.State != "completed" {
		return errors.New("the import failed: " + job.Error)
	}
	return nil
}
