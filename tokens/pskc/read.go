package pskc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"
)

// Options says what a file may be. The zero value takes no file with a seed in
// the clear and has no transport key, and so reads nothing: protection is the
// caller's choice to make.
type Options struct {
	// Decrypter is the transport key. A caller who names one expects an
	// encrypted file, and gets no other: what is in the clear may have been put
	// in the place of the file that was sent.
	Decrypter Decrypter
	// AllowPlain takes a file that carries its seeds in the clear (section 4.2,
	// PlainValue). Never with a Decrypter, never in a file that names a key.
	AllowPlain bool
	// MaxBytes bounds the file, MaxKeys its key packages; 0 means the default.
	MaxBytes int64
	MaxKeys  int
	// Now is the time against which keys are expired; zero means the present.
	Now time.Time
	// Checked, if not nil, is called once the whole file has been found sound
	// and before the first key is given out: the total is known then.
	Checked func(Summary)
}

// Defaults for the bounds of Options.
const (
	DefaultMaxBytes = 256 << 20
	DefaultMaxKeys  = 200_000
)

// Summary describes the file.
type Summary struct {
	Keys       int // key packages
	Delivered  int
	Rejected   int
	Encrypted  bool
	KeyName    string // what the file calls its key (section 6.1); for people
	Signed     bool   // it carries a signature (section 8), which is not verified
	Extensions int    // extensions that were passed over (section 12)
	Bytes      int64
	SHA256     [sha256.Size]byte // of the whole file, to name it in the audit log
}

// Warnings says in words what a person who imports the file should know.
func (s Summary) Warnings() []string {
	var w []string
	if !s.Encrypted {
		w = append(w, "the seeds are in the clear: everybody who had this file can compute the codes")
	}
	if s.Signed {
		w = append(w, "the file carries a signature, which was not verified")
	}
	if s.Extensions > 0 {
		w = append(w, fmt.Sprintf("%d extensions were passed over", s.Extensions))
	}
	return w
}

// Read reads the file twice from where r stands: first the structure and the
// MACs of all of it, and only if all is sound again to give the keys out, one
// by one and in order, each with its MAC checked once more. each gets every good key, whose
// Secret is cleared when it returns; reject (may be nil) gets every other key package.
//
// A *FileError means that the file was refused and nothing was given out, with
// one exception: CodeChanged, and any other code if the file was written to
// between the two passes. An error of each or of the Decrypter ends the reading and is
// returned wrapped; an error of r as well. The Summary counts what was done up to then.
func Read(ctx context.Context, r io.ReadSeeker, opt Options, each func(Key) error, reject func(Rejection)) (Summary, error) {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return Summary{}, fmt.Errorf("pskc: %w", err)
	}
	checked, err := Validate(ctx, r, opt)
	if err != nil {
		return Summary{}, err
	}
	if opt.Checked != nil {
		opt.Checked(checked)
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return Summary{}, fmt.Errorf("pskc: %w", err)
	}
	if reject == nil {
		reject = func(Rejection) {}
	}
	sum, err := newPass(r, opt, each, reject).run(ctx)
	if err == nil && sum.SHA256 != checked.SHA256 {
		err = &FileError{Code: CodeChanged, Detail: "the file changed while it was read"}
	}
	return sum, err
}

// Validate makes the first pass of Read alone: structure, bounds, protection
// and every MAC. No seed is decrypted and no record judged, so Delivered and
// Rejected stay 0.
func Validate(ctx context.Context, r io.Reader, opt Options) (Summary, error) {
	sum, err := newPass(r, opt, nil, nil).run(ctx)
	if err != nil {
		return Summary{}, err
	}
	return sum, nil
}

// pass is one way through a file. Without each it only checks.
type pass struct {
	*walker
	opt    Options
	each   func(Key) error
	reject func(Rejection)
	prot   protection
	seen   identities
	sum    Summary
}

func newPass(r io.Reader, opt Options, each func(Key) error, reject func(Rejection)) *pass {
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = DefaultMaxBytes
	}
	if opt.MaxKeys <= 0 {
		opt.MaxKeys = DefaultMaxKeys
	}
	if opt.Now.IsZero() {
		opt.Now = time.Now()
	}
	return &pass{walker: newWalker(newSource(r, opt.MaxBytes)), opt: opt, each: each, reject: reject, seen: newIdentities()}
}

func (p *pass) run(ctx context.Context) (Summary, error) {
	defer p.src.close()
	defer p.wipe()
	err := p.file(ctx)
	p.sum.Bytes = p.src.total
	p.src.digest.Sum(p.sum.SHA256[:0])
	var refused *FileError
	if err != nil && !errors.As(err, &refused) {
		err = fmt.Errorf("pskc: %w", err)
	}
	return p.sum, err
}
