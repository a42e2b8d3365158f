package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"mohur/canonical"
	"mohur/problem"
)

const (
	uploadLimit = 256 << 20
	fieldLimit  = 256
	spoolPrefix = "mohur-import-"
)

// upload is a seed file that has come in whole. The file has no name any more:
// it is gone when it is closed, and when the process ends, however that happens.
type upload struct {
	file     *os.File
	name     string // as it was sent
	size     int64
	sha256   string
	wipe     bool   // it is overwritten before it goes, unless it proved to be encrypted
	password []byte // nil: there is none
	fields   map[string]string
}

// close lets the file go and clears the password. What may hold seeds in the clear
// outside development is overwritten first.
func (u *upload) close() error {
	clear(u.password)
	if u.file == nil {
		return nil
	}
	defer u.file.Close()
	if !u.wipe {
		return nil
	}
	return overwrite(u.file)
}

// overwrite puts zeros where a file was, as far as the disk lets it.
func overwrite(f *os.File) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	zeros := make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(size-at, int64(len(zeros)))], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// uploadFields are the parts of an import beside the file.
var uploadFields = []string{"format", "transport_key", passwordField, "profile", "batch", "branch"}

const passwordField = "password"

// upload takes a multipart body. The file goes to the disk as it comes, never
// into memory; everything else is short.
func (x *exchange) upload() (up *upload, err error) {
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, problem.New(problem.UnsupportedMedia, "the body needs to be multipart/form-data")
	}
	if x.r.ContentLength > x.server.uploadLimit {
		return nil, tooLarge(x.server.uploadLimit)
	}
	free := x.readWithin(x.server.waits.upload)
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, x.server.uploadLimit)
	parts, err := x.r.MultipartReader()
	if err != nil {
		return nil, problem.New(problem.UnsupportedMedia, "the body needs to be multipart/form-data with a boundary")
	}
	up = &upload{fields: map[string]string{}, wipe: !x.server.Development}
	defer func() {
		if err == nil {
			return
		}
		x.readWithin(x.server.waits.body) // for the rest, which nobody wants
		x.server.letGo(up)
	}()
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			free()
			return up, up.check()
		}
		if err != nil {
			return up, readFault(err)
		}
		if err := up.take(p, x.server.Spool); err != nil {
			return up, err
		}
	}
}

// take reads one part.
func (u *upload) take(p *multipart.Part, spool string) error {
	name := p.FormName()
	_, seen := u.fields[name]
	switch {
	case seen || name == "file" && u.file != nil:
		return invalid(name, "is there twice")
	case name == "file":
		return u.spool(p, spool)
	case !slices.Contains(uploadFields, name):
		return invalid(told(name, "body"), "is not a member of this request")
	}
	text, err := io.ReadAll(io.LimitReader(p, fieldLimit+1))
	if err != nil {
		return readFault(err)
	}
	if name == passwordField {
		return u.takePassword(text)
	}
	if len(text) > fieldLimit || !utf8.Valid(text) || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalid(name, "needs to be a short text in UTF-8")
	}
	u.fields[name] = string(text)
	return nil
}

// takePassword keeps the password out of the fields, where its SHA-256 stands for it:
// what names a repeat must tell two passwords apart and hold neither.
func (u *upload) takePassword(text []byte) error {
	defer clear(text)
	if len(text) == 0 || len(text) > fieldLimit || !utf8.Valid(text) {
		return invalid(passwordField, fmt.Sprintf("needs 1 to %d bytes in UTF-8", fieldLimit))
	}
	u.password = bytes.Clone(text)
	sum := sha256.Sum256(text)
	u.fields[passwordField] = hex.EncodeToString(sum[:])
	return nil
}

// spool writes the file to the disk. It loses its name at once: a seed file, the
// more so one in the clear, must not outlive its import.
func (u *upload) spool(p *multipart.Part, dir string) error {
	f, err := os.CreateTemp(dir, spoolPrefix+"*") // mode 0600
	if err != nil {
		return problem.Away(err)
	}
	u.file, u.name = f, p.FileName()
	if err := os.Remove(f.Name()); err != nil {
		return problem.Away(err)
	}
	sum := sha256.New()
	to := &spooling{f: f}
	if u.size, err = io.Copy(io.MultiWriter(to, sum), p); err != nil {
		if to.failed != nil {
			return problem.Away(to.failed)
		}
		return readFault(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return problem.Away(err)
	}
	u.sha256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// spooling tells a disk that fails from a body that does.
type spooling struct {
	f      *os.File
	failed error
}

func (s *spooling) Write(b []byte) (int, error) {
	n, err := s.f.Write(b)
	s.failed = err
	return n, err
}

// canonical is what an upload says, for its repeats: the fields, and the file by
// its SHA-256.
func (u *upload) canonical() []byte {
	text, err := canonical.JSON(map[string]any{"file": u.sha256, "fields": u.fields})
	if err != nil {
		panic(err) // texts in UTF-8 have a canonical form
	}
	return text
}

func (u *upload) check() error {
	var c problem.Check
	c.Unless(u.file != nil, "file", "is needed")
	return c.Err()
}

// sweepSpool removes what a crash may have left between the making of a file and
// the loss of its name.
func sweepSpool(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, spoolPrefix+"*"))
	if err != nil {
		return fmt.Errorf("api: the spool: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("api: the spool: %w", err)
		}
	}
	return nil
}
