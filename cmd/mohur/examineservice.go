package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"syscall"
)

// service asks the running server how HSM, store and log are; where none runs
// it opens them.
func (x *examination) service(ctx context.Context) {
	cl, err := running(x.config)
	switch {
	case err == nil:
		x.ok("server", "one is running at %s", x.config.Socket)
		x.memory(ctx, cl)
		x.asked(ctx, cl)
		x.inForce(ctx, cl)
		return
	case errors.Is(err, os.ErrPermission):
		x.bad(failing, "server", "run this as the server's user or as root", "%v", err)
		return
	}
	x.ok("server", "none is running; HSM and store are opened here")
	if _, err := os.Stat(x.config.Store.Path); errors.Is(err, fs.ErrNotExist) {
		x.bad(failing, "store", "make an installation with `mohur init`, or restore a backup", "%s is not there", x.config.Store.Path)
		return
	}
	x.opened(ctx)
}

// memory is whether the running server overwrites what it frees.
func (x *examination) memory(ctx context.Context, cl *client) {
	var l listening
	if err := cl.call(ctx, http.MethodGet, addressPath, nil, &l); err != nil {
		x.bad(failing, "memory", "see its log", "the server does not say how it was started: %v", err)
		return
	}
	if l.ClearsMemory {
		x.ok("memory", "the server overwrites what it frees")
		return
	}
	x.bad(doubt, "memory", "start it with "+settingsText()+", and without setuid or setcap on its file",
		"the server does not overwrite what it frees; a dump of it may hold secrets of before")
}

func (x *examination) opened(ctx context.Context) {
	e, err := openEngine(ctx, x.config, engineOptions{logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		x.bad(failing, "hsm and store", remedy(err), "%v", err)
		return
	}
	x.ok("store", "%s opens", x.config.Store.Path)
	if keys, err := e.hsm.Keys(ctx); err != nil {
		x.bad(failing, "hsm", "see the HSM's own log", "%v", err)
	} else {
		x.ok("hsm", "the token %q answers, with %s", x.config.HSM.TokenLabel, count(len(keys), "key"))
	}
	if err := e.close(); err != nil {
		x.bad(failing, "audit", "keep a copy of the store, then run `mohur audit verify`", "%v", err)
		return
	}
	x.ok("audit", "the log goes on from its last checkpoint")
}

// remedy says what usually helps.
func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "check the paths in the configuration"
	case errors.Is(err, syscall.EACCES):
		return "run this as the server's user"
	case isPINRefused(err):
		return "put the right PIN into hsm.pin_file; every try with a wrong one brings the HSM nearer to locking"
	}
	return "see the error; the configuration names module, token and store"
}

// asked is what the running server says of its parts.
func (x *examination) asked(ctx context.Context, cl *client) {
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cl.base+"/readyz", nil)
	if err != nil {
		x.bad(failing, "server", "", "%v", err)
		return
	}
	resp, err := cl.http.Do(req)
	if err != nil {
		x.bad(failing, "server", "see its log; start it again", "it does not answer: %v", err)
		return
	}
	defer resp.Body.Close()
	var ready struct {
		HSM, Store, Audit bool
		StopList          bool `json:"stop_list"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&ready); err != nil {
		x.bad(failing, "server", "see its log", "its answer cannot be read: %v", err)
		return
	}
	for _, part := range []struct {
		name string
		well bool
	}{{"hsm", ready.HSM}, {"store", ready.Store}, {"audit", ready.Audit}, {"stop_list", ready.StopList}} {
		if part.well {
			x.ok(part.name, "the server says that all is well")
		} else {
			x.bad(failing, part.name, "the server's log says why", "the server says that it is not well")
		}
	}
}
