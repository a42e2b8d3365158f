package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// files checks the modes of what holds or guards secrets.
func (x *examination) files() {
	c := x.config
	if info, err := os.Stat(c.Dir); err == nil && info.Mode().Perm()&0o077 != 0 {
		x.bad(doubt, "directory", "chmod 0700 "+c.Dir, "%s has mode %04o; others can look into it", c.Dir, info.Mode().Perm())
	}
	secrets := []struct{ name, path string }{{"hsm.pin_file", c.HSM.PINFile}}
	if !c.PlainHTTP {
		secrets = append(secrets, struct{ name, path string }{"tls.key", c.TLS.Key})
	}
	if c.Development {
		secrets = append(secrets, struct{ name, path string }{adminKeyFile, filepath.Join(c.Dir, adminKeyFile)})
	}
	for _, f := range secrets {
		if err := private(f.path); err != nil {
			x.bad(failing, f.name, "make it readable by the server's user alone", "%v", err)
			continue
		}
		x.ok(f.name, "%s is private", f.path)
	}
	if err := checkSocketPath(c.Socket); err != nil {
		x.bad(failing, "socket", "set socket to a shorter path", "%v", err)
	}
}

// soon is when a certificate should be renewed.
const soon = 30 * 24 * time.Hour

func (x *examination) certificate() {
	c := x.config
	if c.PlainHTTP {
		x.bad(doubt, "tls", "set plain_http to false", "the API is served without TLS, on this machine only")
		return
	}
	if _, err := c.serverTLS(); err != nil {
		x.bad(failing, "tls", "put certificate and key where tls.cert and tls.key say", "%v", err)
		return
	}
	cert, err := readCertificate(c.TLS.Cert)
	if err != nil {
		x.bad(failing, "tls", "put a PEM certificate there", "%v", err)
		return
	}
	until, now := cert.NotAfter.Format(time.DateOnly), time.Now()
	switch {
	case now.Before(cert.NotBefore):
		x.bad(failing, "tls", "check the clock, or wait", "the certificate is valid from %s", cert.NotBefore.Format(time.RFC3339))
	case now.After(cert.NotAfter):
		x.bad(failing, "tls", "renew it", "the certificate ended on %s", until)
	case now.Add(soon).After(cert.NotAfter):
		x.bad(doubt, "tls", "renew it", "the certificate ends on %s", until)
	default:
		x.ok("tls", "the certificate is valid until %s", until)
	}
}

func readCertificate(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return x509.ParseCertificate(block.Bytes)
}

// clock compares the time with what the machine itself has written: time-based
// codes and every limit in time hang on it.
func (x *examination) clock() {
	now := time.Now()
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case now.Year() < 2025:
		x.bad(failing, "clock", "set the clock", "the clock says %s", now.Format(time.RFC3339))
	case newest(x.config).After(now.Add(time.Minute)):
		x.bad(failing, "clock", "set the clock, and keep it right with NTP", "the clock says %s, and the store was written after that", now.Format(time.RFC3339))
	case err == nil && state == unix.TIME_ERROR:
		x.bad(doubt, "clock", "run an NTP client such as chrony", "the clock is not synchronised; time-based codes depend on it")
	default:
		x.ok("clock", "%s", now.Format(time.RFC3339))
	}
}

func newest(c *Config) time.Time {
	info, err := os.Stat(c.Store.Path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// enough is the free space below which an import or a backup may fail.
const enough = 1 << 30

func (x *examination) disk() {
	dir := filepath.Dir(x.config.Store.Path)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		x.bad(failing, "disk", "set store.path to a directory that is there", "%s: %v", dir, err)
		return
	}
	free := st.Bavail * uint64(st.Bsize)
	switch {
	case free < enough/16:
		x.bad(failing, "disk", "make room: the server ends when it cannot write", "%d MiB are free in %s", free>>20, dir)
	case free < enough:
		x.bad(doubt, "disk", "make room", "%d MiB are free in %s", free>>20, dir)
	default:
		x.ok("disk", "%d GiB are free in %s", free>>30, dir)
	}
}
