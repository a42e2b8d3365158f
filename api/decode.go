package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/problem"
)

const (
	bodyLimit  = 64 << 10
	policyRoom = 1 << 20 // a policy of 256 KiB, escaped as JSON text
	depthLimit = 32
)

// readJSON returns the body of a request that says it is JSON. What says
// nothing, or something else, is not guessed at.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if err := checkJSON(r.Header); err != nil {
		return nil, err
	}
	return readBody(w, r, limit)
}

func checkJSON(h http.Header) error {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset := strings.ToLower(params["charset"])
	if err != nil || kind != "application/json" || (charset != "" && charset != "utf-8") {
		return problem.New(problem.UnsupportedMedia, "the body needs to be application/json")
	}
	if coding := h.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return problem.New(problem.UnsupportedMedia, "the body must not be compressed")
	}
	return nil
}

// readBody reads at most limit bytes. A longer body is refused as soon as that
// is known, by its announced length if it has one.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return nil, readFault(err)
	}
	return body, nil
}

// readFault says why a body could not be read to its end.
func readFault(err error) error {
	var most *http.MaxBytesError
	if errors.As(err, &most) {
		return tooLarge(most.Limit)
	}
	return &problem.Error{Code: problem.Invalid, Detail: "the body broke off or came too slowly", Err: err}
}

func tooLarge(limit int64) error {
	if limit >= 1<<20 {
		return problem.New(problem.TooLarge, "the body has more than "+quantity(limit>>20)+" MB")
	}
	return problem.New(problem.TooLarge, "the body has more than "+quantity(limit>>10)+" KB")
}

// strict makes the decoder take only what we mean: no unknown member, no name
// twice, names in their exact case, UTF-8 only, nothing after the value (these
// are its defaults but for the first), and no null, which would read as a
// member that is not there. What is opaque to us may hold null.
var strict = json.JoinOptions(
	json.RejectUnknownMembers(true),
	json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, v any) error {
		if _, opaque := v.(*jsontext.Value); !opaque && d.PeekKind() == 'n' {
			return errNull
		}
		return errors.ErrUnsupported // decode it as usual
	})),
)

// decode reads a body into a request type, or says in an Invalid problem which
// member is wrong. It never repeats a value: it may be a secret.
func decode[In any](body []byte) (In, error) {
	var in In
	if err := checkDepth(body); err != nil {
		return in, err
	}
	if err := unmarshal(body, &in); err != nil {
		var none In
		return none, decodeFault(err)
	}
	return in, nil
}

// unmarshal is json.Unmarshal with a decoder of its own. Those that the package
// keeps remember the last short strings they have read for whoever comes next: a
// PIN would stay in memory for as long as anybody is served.
func unmarshal(body []byte, into any) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), strict)
	err := json.UnmarshalDecode(d, into)
	if errors.Is(err, io.EOF) {
		return &jsontext.SyntacticError{Err: io.ErrUnexpectedEOF}
	}
	if err != nil {
		return err
	}
	end := d.InputOffset()
	switch _, err := d.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return &jsontext.SyntacticError{ByteOffset: end, Err: errors.New("a second value")}
}

// checkDepth refuses a text that nests deeper than any request of ours, before
// anything recurses into it. Brackets inside strings do not count.
func checkDepth(body []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > depthLimit {
				return invalid("body", "nests deeper than "+quantity(depthLimit)+" levels")
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
