package api

import (
	"context"
	"reflect"
	"runtime"
	"strings"

	"mohur/problem"
)

// operation says what a route is for and what goes in and out. Which method and
// path it has, and who may call it, says the table of routes alone.
type operation struct {
	id      string // the name of its handler
	tag     string
	summary string
	about   string
	in      taken
	form    bool // the body is multipart
	out     []result
	refuses []problem.Code // beside those that follow from the kind of route
}

// taken is what a handler decodes its body into.
type taken struct {
	body    reflect.Type
	handler string
}

// body says what a handler takes. The handler is named so that the compiler sees
// to it that the two agree.
func body[In any](f func(*exchange, context.Context, In) (reply, error)) taken {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	return taken{body: reflect.TypeFor[In](), handler: name[strings.LastIndexByte(name, '.')+1:]}
}

// result is an answer that is no refusal: one of the bodies, or none.
type result struct {
	status int
	about  string
	kind   string // media type; JSON if empty
	bodies []reflect.Type
}

func gives[T any](status int, about string) result {
	return result{status: status, about: about, bodies: []reflect.Type{reflect.TypeFor[T]()}}
}

func givesText(kind, about string) result { return result{status: 200, about: about, kind: kind} }

func givesNothing(about string) result { return result{status: 204, about: about} }

// The shapes of answers that have no type of their own in the handlers.
type (
	relatedShape struct {
		Origins []string `json:"origins"`
	}
	healthShape struct {
		Status string `json:"status"`
	}
	keySetShape struct {
		Keys []publicKeyShape `json:"keys"`
	}
	publicKeyShape struct {
		KeyType   string `json:"kty"`
		Curve     string `json:"crv"`
		X         string `json:"x"`
		Y         string `json:"y"`
		ID        string `json:"kid"`
		Algorithm string `json:"alg"`
		Use       string `json:"use"`
	}
)

// openTags are the chapters of the document, in order.
var openTags = []openTag{
	{"watch", "Is the server alive and well, and how is its work verified? Open to anybody."},
	{"clients", "The systems that may call, and the transport keys under which seed files come."},
	{"staff", "The bank's own people: who they are, what they may, and what takes two of them (clause 5.3.6)."},
	{"customers", "The people who prove who they are: contract, contacts, PIN, limits."},
	{"tokens", "Seed files, and a token's way from stock to a customer's pocket and out of use again (clause 5.20)."},
	{"authentications", "Logging in, and confirming a payment or an act: challenge, responses, verdict."},
	{"sessions", "What a granted log-in opens."},
	{"transactions", "Payments: the decision, the proof bound to amount and payee, the authorization, the outcome."},
	{"oversight", "Register of incidents, audit log, policy in force."},
}
