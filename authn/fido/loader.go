package fido

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Loader keeps the metadata current: from a file or an address, with a copy of
// the last good BLOB on disk. Whatever fails, the last good one stays and grows
// stale, and without any, nothing is trusted. It is safe for concurrent use; its
// fields are set before the first call.
type Loader struct {
	Path string // of a BLOB as a file; or
	URL  string // its address, https only (http for loopback)
	// Cache is the file of the last good BLOB, verified again at every start.
	Cache string
	Trust BLOBTrust
	// Floor is the highest number ever seen, as the caller keeps it where nobody
	// rolls it back. An older BLOB, in the cache or from the source, is refused.
	Floor Number
	// Keep, if not nil, is told the number of a BLOB that is in force now, to be the
	// Floor of the next start. It is called again at every Refresh until it succeeds.
	Keep func(context.Context, Number) error
	// CRLs are files of certificate revocation lists for the signer's chain. For
	// a certificate without one, the list at the address in the certificate is
	// fetched. SkipRevocation takes a BLOB whose signer was checked against none.
	CRLs           []string
	SkipRevocation bool
	Client         *http.Client     // nil: one with a timeout of 30 s
	Now            func() time.Time // nil: the clock

	refreshing sync.Mutex
	kept       Number // by Keep
	current    atomic.Pointer[Metadata]
	last       atomic.Pointer[attempt]
}

type attempt struct {
	at  time.Time
	err error
}

// LoaderState is for the operator and for metrics.
type LoaderState struct {
	Number     Number
	NextUpdate time.Time
	Loaded     bool
	Stale      bool // or nothing loaded
	Problems   []string
	TriedAt    time.Time // zero before the first try
	Err        error     // of the last try
}

// Current returns the metadata in force, or nil.
func (l *Loader) Current() *Metadata { return l.current.Load() }

// State returns what is loaded and how the last try went.
func (l *Loader) State() LoaderState {
	s := LoaderState{Stale: true}
	if m := l.Current(); m != nil {
		s.Number, s.NextUpdate, s.Loaded, s.Problems = m.Number, m.NextUpdate, true, m.Problems
		s.Stale = m.Stale(l.now())
	}
	if a := l.last.Load(); a != nil {
		s.TriedAt, s.Err = a.at, a.err
	}
	return s
}

// Start reads the cached BLOB, if there is one, and then the source. The error
// says what failed; Current may be there all the same.
func (l *Loader) Start(ctx context.Context) error {
	var cached error
	if l.Cache != "" {
		if blob, err := readFile(l.Cache, maxBLOB); err == nil {
			cached = l.take(blob)
		} else if !errors.Is(err, os.ErrNotExist) {
			cached = err
		}
		if cached != nil {
			cached = fmt.Errorf("fido: the cached BLOB %s: %w", l.Cache, cached)
		}
	}
	_, err := l.Refresh(ctx)
	return errors.Join(cached, err)
}

// keep has the number in force kept. The metadata is in force all the same: what it
// revokes must not wait for a store.
func (l *Loader) keep(ctx context.Context) error {
	m := l.Current()
	if l.Keep == nil || m == nil || m.Number == l.kept || m.Number == l.Floor {
		return nil
	}
	if err := l.Keep(ctx, m.Number); err != nil {
		return fmt.Errorf("fido: the number of the BLOB in force could not be kept: %w", err)
	}
	l.kept = m.Number
	return nil
}

// Refresh reads the source and reports whether the metadata changed: then the
// enrolled keys are to be checked again.
func (l *Loader) Refresh(ctx context.Context) (changed bool, err error) {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	defer func() {
		err = errors.Join(err, l.keep(ctx))
		l.last.Store(&attempt{l.now(), err})
	}()

	blob, err := l.read(ctx)
	if err != nil {
		return false, err
	}
	m, err := l.parse(blob)
	if err != nil {
		return false, err
	}
	before := l.Current()
	if before != nil && before.Number == m.Number {
		return false, nil
	}
	if !l.SkipRevocation {
		if err := l.notRevoked(ctx, m.chain); err != nil {
			return false, err
		}
	}
	if l.Cache != "" {
		if err := writeFile(l.Cache, blob); err != nil {
			// In force all the same: what it revokes must not wait for a disk.
			l.current.Store(m)
			return true, fmt.Errorf("fido: the BLOB is in force and could not be cached: %w", err)
		}
	}
	l.current.Store(m)
	return true, nil
}

// take puts a cached BLOB in force. Its signer was checked for revocation when it
// was fetched.
func (l *Loader) take(blob []byte) error {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	m, err := l.parse(blob)
	if err != nil {
		return err
	}
	l.current.Store(m)
	return nil
}

// parse verifies a BLOB against everything seen before.
func (l *Loader) parse(blob []byte) (*Metadata, error) {
	last := l.Floor
	if c := l.Current(); c != nil && c.Number.No >= last.No {
		last = c.Number
	}
	return ParseBLOB(blob, l.Trust, last, l.now())
}

func (l *Loader) read(ctx context.Context) ([]byte, error) {
	switch {
	case l.Path != "" && l.URL != "":
		return nil, errors.New("fido: metadata comes from a path or from a URL, not from both")
	case l.Path != "":
		return readFile(l.Path, maxBLOB)
	case l.URL != "":
		return l.fetch(ctx, l.URL, maxBLOB, false)
	}
	return nil, errors.New("fido: metadata needs a path or a URL")
}

// fetch reads an address. Lists of revoked certificates are signed themselves and
// usually lie at http addresses; everything else is https.
func (l *Loader) fetch(ctx context.Context, address string, most int64, plain bool) ([]byte, error) {
	secure := func(u *url.URL) error {
		ip := net.ParseIP(u.Hostname())
		local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
		if u.Scheme == "https" || u.Scheme == "http" && (plain || local) {
			return nil
		}
		return fmt.Errorf("fido: %q is not an https address", u.Redacted())
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("fido: %w", err)
	}
	if err := secure(u); err != nil {
		return nil, err
	}
	client := http.Client{Timeout: 30 * time.Second}
	if l.Client != nil {
		client = *l.Client
	}
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		return secure(r.URL)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("fido: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fido: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fido: %s answers %s", u.Redacted(), resp.Status)
	}
	return readAll(resp.Body, most)
}

func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("fido: %w", err)
	}
	defer f.Close()
	return readAll(f, most)
}

func readAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("fido: %w", err)
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("fido: more than %d bytes", most)
	}
	return b, nil
}

// writeFile replaces a file as a whole or not at all, durably.
func writeFile(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".blob-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (l *Loader) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}
