package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"mohur/audit"
	"mohur/hsm"
	"mohur/hsm/pkcs11"
	"mohur/parties"
	"mohur/risk/policy"
	"mohur/settle"
)

// Files of an installation whose names are not settings.
const (
	adminKeyFile = "admin.key"     // development only
	verifierFile = "audit.pub"     // the key by which anybody verifies the log
	softHSMConf  = "softhsm2.conf" // development only
	softHSMPIN   = "hsm.pin"       // development only
	softHSMStore = "tokens"        // development only
	softHSMLabel = "mohur"
	// A software token waits for the disk like everything else on the machine.
	softHSMTimeout = 5 * time.Second

	adminClient = "admin"
	adminLife   = 24 * time.Hour // outside development: long enough to make the others
)

// developmentHSM points the configuration at the software token that install
// will make.
func (c *Config) developmentHSM() error {
	module, err := pkcs11.FindSoftHSM()
	if err != nil {
		return err
	}
	c.HSM.Module, c.HSM.TokenLabel, c.HSM.PINFile, c.HSM.SoftHSMConf = module, softHSMLabel, softHSMPIN, softHSMConf
	c.HSM.CallTimeout = softHSMTimeout
	return nil
}

// install makes everything in a directory beside dir and gives it its name when
// it is whole. Whoever finds dir finds an installation that works.
func (p *program) install(ctx context.Context, c *Config, dir string) (made installation, err error) {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return made, err
	}
	if err := p.clearStaging(parent); err != nil {
		return made, err
	}
	staging, release, err := makeStaging(parent)
	if err != nil {
		return made, err
	}
	defer release()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(staging))
		}
	}()
	if err := provision(ctx, c, staging); err != nil {
		return made, err
	}
	key, err := firstClient(ctx, filepath.Join(staging, configName))
	if err != nil {
		return made, err
	}
	if c.Development {
		if err := writeNew(filepath.Join(staging, adminKeyFile), []byte(key+"\n")); err != nil {
			return made, err
		}
		if err := moveSoftHSM(staging, dir); err != nil {
			return made, err
		}
	}
	if err := unix.Rename(staging, dir); err != nil { // os.Rename refuses a directory that is there, even an empty one
		return made, fmt.Errorf("%s could not get its name: %w", dir, err)
	}
	return installation{Config: filepath.Join(dir, configName), URL: c.URL, AdminKey: key}, syncDir(parent)
}

// provision makes the keys, the certificate and the configuration.
func provision(ctx context.Context, c *Config, staging string) error {
	if c.Development {
		if _, err := pkcs11.InitSoftHSM(staging, softHSMLabel); err != nil {
			return fmt.Errorf("the software token: %w", err)
		}
		if err := makeCertificate(filepath.Join(staging, c.TLS.Cert), filepath.Join(staging, c.TLS.Key), time.Now()); err != nil {
			return fmt.Errorf("the certificate: %w", err)
		}
	}
	if c.Policy != "" {
		if err := writeNew(filepath.Join(staging, c.Policy), policy.Recommended().Source); err != nil {
			return err
		}
	}
	file := filepath.Join(staging, configName)
	text := c.document(c.File)
	if err := writeNew(file, text); err != nil {
		return err
	}
	staged, err := parseConfig(file, text)
	if err != nil {
		return err
	}
	token, err := staged.token(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return err
	}
	if _, err := pkcs11.Provision(ctx, token); err != nil {
		return fmt.Errorf("the keys in the HSM: %w", err)
	}
	return nil
}

// firstClient opens the new store, records its beginning and makes the client
// that makes all others.
func firstClient(ctx context.Context, file string) (key string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	c, err := parseConfig(file, text)
	if err != nil {
		return "", err
	}
	e, err := openEngine(ctx, c, engineOptions{create: true, logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := writeVerifier(ctx, e, filepath.Join(c.Dir, verifierFile)); err != nil {
		return "", err
	}
	by := localCaller(ownUID(), c.Development)
	if err := e.note(ctx, by, "server.initialised", map[string]any{"version": version, "development": c.Development, "url": c.URL}); err != nil {
		return "", err
	}
	cmd := parties.CreateClientCommand{Caller: by, Name: adminClient, Roles: []parties.Role{parties.Admin}, Life: adminLife, First: true}
	if c.Development {
		cmd.Roles, cmd.Life, cmd.Endless, cmd.First = parties.Roles(), 0, true, false
	}
	_, key, err = e.parties.CreateClient(ctx, cmd)
	return key, err
}

// note writes an audit entry about the server itself.
func (e *engine) note(ctx context.Context, by parties.Caller, event string, detail map[string]any) error {
	_, err := settle.Write(ctx, e.records, e.audit, nil, []audit.Event{{Name: event, Outcome: "done", Caller: by.ID, Detail: detail}})
	return err
}

// writeVerifier writes what an auditor needs to verify the log, and nothing else.
func writeVerifier(ctx context.Context, e *engine, path string) error {
	text, err := e.verifier(ctx)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text+"\n"), 0o644)
}

func (e *engine) verifier(ctx context.Context) (string, error) {
	pub, err := e.hsm.Public(ctx, hsm.AuditSigning)
	if err != nil {
		return "", err
	}
	return audit.VerifierString(e.config.Audit.Origin, pub)
}

// moveSoftHSM makes the token's configuration name the directory it will be in:
// SoftHSM knows absolute paths only.
func moveSoftHSM(staging, dir string) error {
	path := filepath.Join(staging, softHSMConf)
	text := "directories.tokendir = " + filepath.Join(dir, softHSMStore) + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.Remove(path); err != nil {
		return err
	}
	return writeNew(path, []byte(text))
}

// syncDir makes a rename in the directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
