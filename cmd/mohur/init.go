package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// initOptions is what `mohur init` is told.
type initOptions struct {
	dir, url, listen            string
	development                 bool
	module, tokenLabel, pinFile string
}

func (p *program) initCommand() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init --dir DIR [--development]",
		Short: "make a new installation: configuration, keys, store, first client",
		Long: `Makes the directory DIR with a documented configuration, the keys in the HSM, an
empty store and the first client, whose API key is printed once. When something
fails, DIR is not made.

With --development it also makes a software token (SoftHSM) in DIR and a
certificate for localhost; the client has every role, its key does not end and is
kept in DIR/admin.key. Without, name the HSM's token; the client has the role
admin and its key ends after 24 hours. The recommended policy is written to
DIR/policy.yaml then and in force: read its first lines before the first payment.`,
		Example: `  mohur init --dir var/dev --development
  mohur init --dir /srv/mohur --url https://auth.bank.example --listen 10.0.0.5:8443 \
    --module /usr/lib/vendor/libpkcs11.so --token-label bank --pin-file /etc/mohur/hsm.pin`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.init(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "the `DIR` to make; it may exist if it is empty")
	f.BoolVar(&o.development, "development", false, "for development: everything in DIR, nothing else needed")
	f.StringVar(&o.url, "url", "", "the `URL` under which clients know the server (development: https://localhost:PORT)")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8443", "`ADDRESS:PORT` to listen on")
	f.StringVar(&o.module, "module", "", "the HSM's PKCS#11 `LIBRARY`")
	f.StringVar(&o.tokenLabel, "token-label", "", "the `LABEL` of the HSM's token")
	f.StringVar(&o.pinFile, "pin-file", "", "a `FILE` with the token's PIN, mode 0600")
	return p.jsonFlag(cmd)
}

func (o *initOptions) check() error {
	if o.dir == "" {
		return usagef("needs --dir DIR")
	}
	if o.development {
		if o.module != "" || o.tokenLabel != "" || o.pinFile != "" {
			return usagef("--development makes a token of its own; leave out --module, --token-label and --pin-file")
		}
		return nil
	}
	if o.module == "" || o.tokenLabel == "" || o.pinFile == "" || o.url == "" {
		return usagef("needs --url, --module, --token-label and --pin-file, or --development")
	}
	return nil
}

// installation is what was made, as `--json` prints it.
type installation struct {
	Config   string `json:"config"`
	URL      string `json:"url"`
	AdminKey string `json:"admin_key"`
}

func (p *program) init(ctx context.Context, o initOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	if err := vacant(dir); err != nil {
		return err
	}
	c, err := o.configuration(dir)
	if err != nil {
		return err
	}
	made, err := p.install(ctx, c, dir)
	if err != nil {
		return fmt.Errorf("nothing was made in %s: %w", dir, err)
	}
	return p.tellInstalled(made, dir, o.development)
}

// vacant refuses a directory that holds anything: keys that are overwritten are
// gone for ever.
func vacant(dir string) error {
	names, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(names) > 0:
		return fmt.Errorf("%s is not empty (it has %s); choose another directory, or remove it if nobody needs its keys", dir, names[0].Name())
	}
	return nil
}

// configuration is the one that will be written, checked as if it had been read.
func (o initOptions) configuration(dir string) (*Config, error) {
	c := defaults()
	c.File, c.Dir = filepath.Join(dir, configName), dir
	c.URL, c.Listen, c.Development = o.url, o.listen, o.development
	c.HSM.Module, c.HSM.TokenLabel, c.HSM.PINFile = o.module, o.tokenLabel, o.pinFile
	if o.development {
		if err := c.developmentHSM(); err != nil {
			return nil, err
		}
		if c.URL == "" {
			c.URL = developmentURL(o.listen)
		}
		c.developmentKeys()
		c.Payment.DecisionBudget = time.Second // the machine does other things, too
	}
	if !o.development {
		c.Policy = policyName
	}
	if c.HSM.PINFile != "" && !o.development {
		abs, err := filepath.Abs(c.HSM.PINFile)
		if err != nil {
			return nil, err
		}
		c.HSM.PINFile = abs
	}
	c.Audit.Origin = origin(c.URL)
	all := &faults{}
	all.add(c.check())
	if err := all.err(c.File); err != nil {
		return nil, err
	}
	return c, checkSocketPath(filepath.Join(dir, c.Socket))
}

func developmentURL(listen string) string {
	if _, port, err := net.SplitHostPort(listen); err == nil && port != "443" {
		return "https://localhost:" + port
	}
	return "https://localhost"
}

func (p *program) tellInstalled(made installation, dir string, development bool) error {
	if p.json {
		return p.print(made)
	}
	p.sayf("made %s", dir)
	p.sayf("  configuration  %s", made.Config)
	p.sayf("  audit key      %s", filepath.Join(dir, verifierFile))
	if !development {
		p.sayf("  policy         %s, the recommended one: the front end has to send what its first lines say", filepath.Join(dir, policyName))
	}
	if development {
		p.sayf("  admin key      %s", filepath.Join(dir, adminKeyFile))
		p.sayf("next: %s serve --config %s", os.Args[0], made.Config)
		return nil
	}
	p.sayf("  admin key      %s", made.AdminKey)
	p.sayf("The admin key is shown once and ends in 24 hours, or with the first log-in of staff: make the clients you need before.")
	p.sayf("Then make the first supervisor with `mohur staff invite ID --role supervisor` (docs/staff.md).")
	p.sayf("Give %s to whoever audits: it is all they need to verify the log.", verifierFile)
	p.sayf("next: put the certificate at %s, run `mohur doctor --config %s`, then `mohur serve`", filepath.Join(dir, "tls"), made.Config)
	return nil
}
