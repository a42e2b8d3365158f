package agent

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/agent/dialog"
)

// ProtocolVersion is the version of the Web eID application whose native protocol
// this is. The extension reads it before it asks for anything.
const ProtocolVersion = "2.9.0"

// The commands of the protocol.
const (
	Authenticate          = "authenticate"
	GetSigningCertificate = "get-signing-certificate"
	Sign                  = "sign"
	Quit                  = "quit"
)

// The codes of web-eid.js that an application answers with.
const (
	CodeCancelled = "ERR_WEBEID_USER_CANCELLED"
	CodeTimeout   = "ERR_WEBEID_USER_TIMEOUT"
	CodeArgument  = "ERR_WEBEID_NATIVE_INVALID_ARGUMENT"
	CodeFatal     = "ERR_WEBEID_NATIVE_FATAL"
)

// Error is a refusal as the page gets it. The message is English, for developers;
// the customer was told in the dialog.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func fatalf(format string, args ...any) error {
	return &Error{CodeFatal, fmt.Sprintf(format, args...)}
}

func argumentf(format string, args ...any) error {
	return &Error{CodeArgument, fmt.Sprintf(format, args...)}
}

// refusal makes an Error of any other.
func refusal(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, dialog.ErrCancelled):
		return &Error{CodeCancelled, "User cancelled"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Error{CodeTimeout, "the customer did not answer in time"}
	}
	return &Error{CodeFatal, err.Error()}
}

// Request is one command with its arguments.
type Request struct {
	Command   string         `json:"command"`
	Arguments jsontext.Value `json:"arguments"`
}

// maxMessage is the longest message the extension sends, in bytes.
const maxMessage = 8192

// parseRequest reads a message. Members that it does not know are those of a newer
// extension and are passed over; a member twice is an error.
func parseRequest(text []byte) (Request, error) {
	var q Request
	if len(text) > maxMessage {
		return q, argumentf("the message is longer than %d bytes", maxMessage)
	}
	if err := json.Unmarshal(text, &q); err != nil {
		return q, argumentf("the message is not JSON: %v", err)
	}
	if !slices.Contains([]string{Authenticate, GetSigningCertificate, Sign, Quit}, q.Command) {
		return q, argumentf("there is no command %q", clip(q.Command))
	}
	if q.Command != Quit && q.Arguments.Kind() != '{' {
		return q, argumentf("the arguments are no object")
	}
	return q, nil
}

func clip(s string) string { return s[:min(len(s), 64)] }

// arguments are those of all commands.
type arguments struct {
	Nonce        string `json:"challengeNonce"`
	Origin       string `json:"origin"`
	Language     string `json:"lang"`
	Hash         string `json:"hash"`
	HashFunction string `json:"hashFunction"`
	Certificate  string `json:"certificate"`
}

var languageTag = regexp.MustCompile(`^[A-Za-z0-9_.-]{0,35}$`)

// ask is a request that was understood.
type ask struct {
	command     string
	origin      string
	language    string
	nonce       string // as the page has it: the card signs its base64 text
	sum         []byte // hash of the text
	hash        crypto.Hash
	certificate []byte // DER
}

func (q Request) parse() (ask, error) {
	var args arguments
	if err := json.Unmarshal(q.Arguments, &args); err != nil {
		return ask{}, argumentf("the arguments cannot be read: %v", err)
	}
	a := ask{command: q.Command, origin: args.Origin, language: args.Language}
	if err := checkOrigin(args.Origin); err != nil || len(args.Origin) > 255 {
		return ask{}, argumentf("origin is not in <scheme>://<host>[:<port>] format, or not https")
	}
	if !languageTag.MatchString(args.Language) {
		return ask{}, argumentf("lang is no language")
	}
	switch q.Command {
	case Authenticate:
		sum, err := base64Strict(args.Nonce)
		if err != nil || len(sum) != crypto.SHA256.Size() {
			return ask{}, argumentf("challengeNonce is not the base64 of 32 bytes")
		}
		a.nonce, a.sum, a.hash = args.Nonce, sum, crypto.SHA256
	case Sign:
		var err error
		if a.hash = hashNamed(args.HashFunction); a.hash == 0 {
			return ask{}, argumentf("hashFunction needs to be SHA-256, SHA-384 or SHA-512")
		}
		if a.sum, err = base64Strict(args.Hash); err != nil || len(a.sum) != a.hash.Size() {
			return ask{}, argumentf("hash is not the base64 of a %s", args.HashFunction)
		}
		if a.certificate, err = base64Strict(args.Certificate); err != nil || len(a.certificate) == 0 {
			return ask{}, argumentf("certificate is not base64")
		}
	}
	return a, nil
}

// base64Strict takes the one form of base64 that every text has (RFC 4648 section 4).
func base64Strict(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("a line break")
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

func hashNamed(name string) crypto.Hash {
	return map[string]crypto.Hash{"SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}[name]
}
