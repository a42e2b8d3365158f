package api

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/problem"
)

// errNull says that a member is null.
var errNull = errors.New("null")

// invalid is the refusal of one member.
func invalid(field, message string) *problem.Error {
	return &problem.Error{
		Code: problem.Invalid, Detail: "the request has members that cannot be accepted",
		Fields: []problem.Field{{Field: field, Message: message}},
	}
}

// decodeFault says what a decoder stumbled over, in words of our own: its own
// would repeat parts of the body.
func decodeFault(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return syntaxFault(syntax)
	}
	var meaning *json.SemanticError
	if errors.As(err, &meaning) {
		return invalid(member(meaning.JSONPointer), meaningFault(meaning))
	}
	return problem.New(problem.Invalid, "the body cannot be read")
}

func syntaxFault(e *jsontext.SyntacticError) error {
	if errors.Is(e.Err, jsontext.ErrDuplicateName) {
		return invalid(member(e.JSONPointer), "is there twice")
	}
	at := "is not JSON in UTF-8 (RFC 8259), seen at byte " + strconv.FormatInt(e.ByteOffset, 10)
	return &problem.Error{
		Code: problem.Invalid, Detail: "the body " + at,
		Fields: []problem.Field{{Field: member(e.JSONPointer), Message: at}},
	}
}

func meaningFault(e *json.SemanticError) string {
	switch {
	case errors.Is(e.Err, json.ErrUnknownName):
		return "is not a member of this request"
	case errors.Is(e.Err, errNull):
		return "must not be null; leave it out instead"
	case e.GoType == nil:
		return "cannot be read"
	}
	return "needs to be " + wanted(e.GoType)
}

// wanted names the JSON type that a Go type is read from.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "of another type"
}

// maxMember bounds a path that is told back, in bytes.
const maxMember = 100

// member writes a JSON pointer as the contract writes paths: payer.name,
// responses.0.method. Names come from outside; what is not printable is not
// told back.
func member(p jsontext.Pointer) string {
	var names []string
	for name := range p.Tokens() {
		names = append(names, name)
	}
	path := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(names, "."))
	if path == "" {
		return "body"
	}
	if len(path) > maxMember {
		path = strings.ToValidUTF8(path[:maxMember], "") + "…"
	}
	return path
}

func quantity(n int64) string { return strconv.FormatInt(n, 10) }
