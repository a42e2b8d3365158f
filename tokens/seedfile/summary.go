package seedfile

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
)

// Defaults for the bounds of a file.
const (
	DefaultMaxBytes = 256 << 20
	DefaultMaxKeys  = 200_000
)

// Summary describes a file.
type Summary struct {
	Keys            int // records, good or not
	Delivered       int
	Rejected        int
	Bare            bool // it holds no seeds
	Encrypted       bool
	Unauthenticated bool   // encrypted under a public key, without a MAC
	KeyName         string // what the file calls its key (RFC 6030 section 6.1); for people
	Signed          bool   // it carries a signature (RFC 6030 section 8), which is not verified
	Extensions      int    // extensions that were passed over (RFC 6030 section 12)
	Bytes           int64
	SHA256          [sha256.Size]byte // of the whole file, to name it in the audit log
}

// Warnings says in words what a person who imports the file should know.
func (s Summary) Warnings() []string {
	var w []string
	if !s.Encrypted && !s.Bare {
		w = append(w, "the seeds are in the clear: everybody who had this file can compute the codes")
	}
	if s.Unauthenticated {
		w = append(w, "the file has no MAC: whoever has the public key can have made it")
	}
	if s.Signed {
		w = append(w, "the file carries a signature, which was not verified")
	}
	if s.Extensions > 0 {
		w = append(w, fmt.Sprintf("%d extensions were passed over", s.Extensions))
	}
	return w
}

// Twice reads the file two times from where r stands: check goes through all of
// it, and only if all is sound give reads it again to give the keys out. checked
// (may be nil) is called in between: the total is known then. A file that was
// written to between the two passes is refused at the latest at its end.
func Twice(ctx context.Context, r io.ReadSeeker, check, give func(context.Context) (Summary, error), checked func(Summary)) (Summary, error) {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return Summary{}, err
	}
	first, err := check(ctx)
	if err != nil {
		return Summary{}, err
	}
	if checked != nil {
		checked(first)
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return Summary{}, err
	}
	sum, err := give(ctx)
	if err == nil && sum.SHA256 != first.SHA256 {
		err = &FileError{Code: CodeChanged, Detail: "the file changed while it was read"}
	}
	return sum, err
}
