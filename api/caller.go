package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"mohur/parties"
	"mohur/problem"
)

// APIKeys identifies the caller by "Authorization: Bearer": a client by its key
// (mk_…), a member of staff by the access token of his session. Whatever is wrong
// with either, the answer is the same 401.
func (s *Server) APIKeys(ctx context.Context, r *http.Request) (parties.Caller, error) {
	key, ok := bearer(r.Header)
	if !ok {
		return parties.Caller{}, problem.New(problem.Unauthorized, "the API key is missing")
	}
	if _, is := parties.KeyClient(key); is || strings.Count(key, ".") != 2 {
		return s.Parties.Authenticate(ctx, key)
	}
	by, err := s.Authn.StaffCaller(ctx, key)
	if problem.Is(err, problem.Unauthorized) {
		return parties.Caller{}, problem.New(problem.Unauthorized, "the API key is missing, wrong or expired")
	}
	return by, err
}

// maxBearer bounds a bearer token, in bytes; an API key has about 75, an access
// token about 700.
const maxBearer = 2048

// bearer returns the token of the one Authorization header (RFC 6750 section
// 2.1). Two headers are none: nobody could say whose request it is.
func bearer(h http.Header) (string, bool) {
	all := h.Values("Authorization")
	if len(all) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(all[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxBearer {
		return "", false
	}
	for i := range len(token) {
		if !bearerByte(token[i]) {
			return "", false
		}
	}
	return token, true
}

// bearerByte is a character of an API key or a JWS; RFC 6750 allows a few more.
func bearerByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

// admit finds out who calls and whether his roles may call this route. A route
// that is not open and names no role admits nobody.
func (x *exchange) admit(ctx context.Context, t *trace, identify Identify) error {
	if x.route.open {
		x.by.Request, x.by.Source = t.request, source(x.r)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, x.server.waits.answer)
	defer cancel()
	by, err := x.identify(ctx, identify)
	if err != nil {
		return x.server.strange(x.r, err)
	}
	if by.ID == "" {
		return problem.New(problem.Unauthorized, "the caller has no name")
	}
	t.caller = by.ID
	if wait := x.server.callers.Take(by.ID, x.server.Now()); wait > 0 {
		return &problem.Error{Code: problem.TooMany, Detail: "too many requests of this caller; come back later", RetryAfter: wait, Limit: "caller"}
	}
	by.Request = t.request
	if by.Source == "" {
		by.Source = source(x.r)
	}
	if !by.Has(x.route.roles...) {
		return problem.New(problem.Forbidden, "the roles of this caller do not allow it")
	}
	x.by = by
	return nil
}

// strange refuses whoever is not known, at the pace of his address: beyond it he is
// told to come back later. Who has a good key has been let in before: nobody behind
// the same address keeps him out.
func (s *Server) strange(r *http.Request, err error) error {
	if !problem.Is(err, problem.Unauthorized) {
		return err
	}
	if wait := s.strangers.Take(neighbourhood(r), s.Now()); wait > 0 {
		return &problem.Error{Code: problem.TooMany, Detail: "too many requests without a good key from this address; come back later", RetryAfter: wait, Limit: "strangers"}
	}
	return err
}

// neighbourhood is the address of a peer, or the network of it that one host has to
// itself: a /64 of IPv6 (RFC 4291 section 2.5.1).
func neighbourhood(r *http.Request) string {
	host := source(r)
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	bits := 64
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		bits = 32
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return host
	}
	return network.String()
}

// source is the address the connection comes from: a signal, never a proof.
// What headers say of it is not believed.
func source(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "host"
	}
	return host
}
