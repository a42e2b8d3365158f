package pskc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mohur/tokens/seedfile"
	"mohur/tokens/strictxml"
)

// Options says what a file may be. The zero value takes no file with a seed in
// the clear and has no transport key, and so reads nothing: protection is the
// caller's choice to make.
type Options struct {
	// Decrypter is the transport key. A caller who names one expects an
	// encrypted file, and gets no other: what is in the clear may have been put
	// in the place of the file that was sent.
	Decrypter Decrypter
	// Password opens a file under PBKDF2 (section 6.2), and no other. The caller
	// clears it. Never with a Decrypter.
	Password []byte
	// AllowPlain takes a file that carries its seeds in the clear (section 4.2,
	// PlainValue). Never with a Decrypter or a Password, never in a file
	// that names a key.
	AllowPlain bool
	// MaxBytes bounds the file, MaxKeys its key packages; 0 means the default.
	MaxBytes int64
	MaxKeys  int
	// Now is the time against which keys are expired; zero means the present.
	Now time.Time
	// Checked, if not nil, is called once the whole file has been found sound
	// and before the first key is given out: the total is known then.
	Checked func(seedfile.Summary)
}

// Read reads the file twice from where r stands: first the structure and the
// MACs of all of it, and only if all is sound again to give the keys out, one
// by one and in order, each with its MAC checked once more. each gets every good key, whose
// Secret is cleared when it returns; reject (may be nil) gets every other key package.
//
// A *seedfile.FileError means that the file was refused and nothing was given out, with
// one exception: seedfile.CodeChanged, and any other code if the file was written to
// between the two passes. An error of each or of the Decrypter ends the reading and is
// returned wrapped; an error of r as well. The Summary counts what was done up to then.
func Read(ctx context.Context, r io.ReadSeeker, opt Options, each func(Key) error, reject func(seedfile.Rejection)) (seedfile.Summary, error) {
	keys := &keyring{password: opt.Password}
	return seedfile.Twice(ctx, r,
		func(ctx context.Context) (seedfile.Summary, error) { return check(ctx, r, opt, keys) },
		func(ctx context.Context) (seedfile.Summary, error) {
			return newPass(r, opt, keys, each, reject).run(ctx)
		}, opt.Checked)
}

// Validate makes the first pass of Read alone: structure, bounds, protection
// and every MAC, and where there is none that every seed opens. No record is
// judged, so Delivered and Rejected stay 0.
func Validate(ctx context.Context, r io.Reader, opt Options) (seedfile.Summary, error) {
	return check(ctx, r, opt, &keyring{password: opt.Password})
}

func check(ctx context.Context, r io.Reader, opt Options, keys *keyring) (seedfile.Summary, error) {
	sum, err := newPass(r, opt, keys, nil, nil).run(ctx)
	if err != nil {
		return seedfile.Summary{}, err
	}
	return sum, nil
}

// pass is one way through a file. Without delivery it only checks.
type pass struct {
	*strictxml.Walker
	in       *seedfile.Input
	opt      Options
	keys     *keyring
	delivery *seedfile.Delivery
	prot     protection
	rec      record // the one at hand
	sum      seedfile.Summary
}

func newPass(r io.Reader, opt Options, keys *keyring, each func(Key) error, reject func(seedfile.Rejection)) *pass {
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = seedfile.DefaultMaxBytes
	}
	if opt.MaxKeys <= 0 {
		opt.MaxKeys = seedfile.DefaultMaxKeys
	}
	if opt.Now.IsZero() {
		opt.Now = time.Now()
	}
	in := seedfile.NewInput(r, opt.MaxBytes)
	p := &pass{Walker: strictxml.New(in), in: in, opt: opt, keys: keys}
	if each != nil {
		p.delivery = seedfile.NewDelivery(each, reject, &p.sum)
	}
	return p
}

func (p *pass) run(ctx context.Context) (seedfile.Summary, error) {
	defer p.Close()
	err := p.file(ctx)
	p.sum.Bytes, p.sum.SHA256 = p.in.Total(), p.in.Sum()
	var refused *seedfile.FileError
	if err != nil && !errors.As(err, &refused) {
		err = fmt.Errorf("pskc: %w", err)
	}
	return p.sum, err
}
