package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) auditExportCommand() *cobra.Command {
	var out string
	cmd := p.configFlag(&cobra.Command{
		Use: "export", Short: "export the audit log, to be verified elsewhere",
		Long: `Writes the whole log, one JSON object a line. The bodies stay sealed: an export tells
nobody who did what, and proves that nothing was changed.`,
		Example: "  mohur audit export -o log.jsonl",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withHost(cmd.Context(), func(cl *client) error {
				return cl.export(cmd.Context(), func(r io.Reader) error { return p.save(out, r) })
			})
		},
	})
	cmd.Flags().StringVarP(&out, "output", "o", "", "the `FILE` to write (default standard output)")
	return cmd
}

func (p *program) auditCheckpointCommand() *cobra.Command {
	var out string
	cmd := p.configFlag(&cobra.Command{
		Use: "checkpoint", Short: "print the last signed checkpoint, to be kept elsewhere",
		Long: `Prints the last checkpoint. Kept on another machine, it proves later that nothing
below it was cut off: give it to ` + "`mohur audit verify --checkpoint`" + `.`,
		Example: "  mohur audit checkpoint -o checkpoint.txt",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withHost(cmd.Context(), func(cl *client) error {
				var last struct {
					Checkpoint string `json:"checkpoint"`
				}
				if err := cl.call(cmd.Context(), http.MethodGet, "/v1/audit/checkpoint", nil, &last); err != nil {
					return err
				}
				return p.save(out, strings.NewReader(last.Checkpoint))
			})
		},
	})
	cmd.Flags().StringVarP(&out, "output", "o", "", "the `FILE` to write (default standard output)")
	return cmd
}

// export streams the log to f.
func (c *client) export(ctx context.Context, f func(io.Reader) error) error {
	resp, err := c.send(ctx, http.MethodGet, "/v1/audit/export", "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return f(resp.Body)
}

// save writes a stream to a new file, or to standard output.
func (p *program) save(path string, r io.Reader) error {
	if path == "" {
		_, err := io.Copy(p.out, r)
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
