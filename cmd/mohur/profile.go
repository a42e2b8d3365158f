package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"time"

	"mohur/parties"
	"mohur/rate"
)

// profilePath is on the socket only: GET /local/profile/KIND. The kinds are those
// of runtime/pprof: heap, allocs, goroutine, and cpu. They name functions and
// count; what the functions held is in none of them. net/http/pprof has more, a
// trace and stacks with their arguments, and puts them where every handler of the
// process can be found, so it is not used.
const profilePath = "/local/profile/"

// A profile of the processor lasts cpuProfile, unless it is told otherwise.
const (
	cpuProfile     = 10 * time.Second
	longestProfile = time.Minute
)

// serveProfile tells an administrator of this machine where the server's memory
// and time go: ?gc=1 collects garbage first, ?debug=1 gives text in place of the
// form of `go tool pprof`, ?seconds=N is how long the processor is watched.
func (s *server) serveProfile(w http.ResponseWriter, r *http.Request) {
	by, ok := hostCaller(r, s.config.Development)
	if !ok {
		http.Error(w, "the socket does not say who is calling", http.StatusUnauthorized)
		return
	}
	s.profile(by, w, r)
}

func (s *server) profile(by parties.Caller, w http.ResponseWriter, r *http.Request) {
	if !by.Has(parties.Admin) {
		http.Error(w, "profiles are for administrators", http.StatusForbidden)
		return
	}
	p, err := readProfile(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	s.logger.InfoContext(r.Context(), "a profile is taken", "kind", p.kind, "by", by.ID)
	out, err := p.take(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if p.debug == 1 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	_, _ = w.Write(out) // who left is not told
}

// profile is what was asked for.
type profile struct {
	kind    string
	debug   int
	collect bool
	watch   time.Duration
}

func readProfile(r *http.Request) (profile, error) {
	p := profile{kind: r.PathValue("kind"), watch: cpuProfile}
	if !slices.Contains([]string{"heap", "allocs", "goroutine", "cpu"}, p.kind) {
		return p, fmt.Errorf("there is no profile %q; there are heap, allocs, goroutine and cpu", p.kind)
	}
	for name, values := range r.URL.Query() {
		n, err := strconv.Atoi(values[0])
		most := 1
		if name == "seconds" {
			most = int(longestProfile / time.Second)
		}
		if err != nil || n < 0 || n > most || len(values) > 1 {
			return p, fmt.Errorf("%s needs to be a number from 0 to %d, once", name, most)
		}
		switch {
		case name == "seconds" && p.kind == "cpu" && n > 0:
			p.watch = time.Duration(n) * time.Second
		case name == "debug" && p.kind != "cpu":
			p.debug = n
		case name == "gc" && p.kind != "cpu":
			p.collect = n == 1
		default:
			return p, fmt.Errorf("%s is not for a profile of this kind; heap, allocs and goroutine take debug and gc, cpu takes seconds (1 to 60)", name)
		}
	}
	return p, nil
}

// take makes the profile. It fails when the processor is being watched already.
func (p profile) take(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	if p.kind == "cpu" {
		if err := pprof.StartCPUProfile(&out); err != nil {
			return nil, fmt.Errorf("%w; wait for it to end", err)
		}
		rate.Rest(ctx, p.watch)
		pprof.StopCPUProfile()
		return out.Bytes(), nil
	}
	if p.collect {
		runtime.GC()
	}
	err := pprof.Lookup(p.kind).WriteTo(&out, p.debug)
	return out.Bytes(), err
}
