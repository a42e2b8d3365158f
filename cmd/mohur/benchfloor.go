package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	strict "github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"mohur/audit"
	"mohur/authn"
	"mohur/ident"
	"mohur/parties"
	"mohur/settle"
	"mohur/store/bolt"
)

// floorCommand serves the commit without the checks. It is told of no
// configuration and of no store: it makes one of its own, in a directory that
// did not exist, and removes it. So it can never serve a bank.
func (p *program) floorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "floor-server", Hidden: true,
		Short:   "serve the commit without the checks, to `mohur bench --floor`",
		Example: "  mohur bench --floor",
		Args:    exactly(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.serveFloor(cmd.Context()) },
	}
}

// floorOrder is what the one who measures sends: the seeds of the tokens, and then
// nothing until the floor is to end.
type floorOrder struct {
	Seeds map[string][]byte `json:"seeds"` // by the customer's id
}

// floorReady is what the floor answers.
type floorReady struct {
	Address     string `json:"address"`
	Certificate string `json:"certificate"` // PEM
}

func (p *program) serveFloor(ctx context.Context) (err error) {
	var order floorOrder
	in := json.NewDecoder(p.in)
	if err := in.Decode(&order); err != nil || len(order.Seeds) == 0 {
		return errors.New("this is a part of `mohur bench --floor` and serves nobody else")
	}
	dir, err := os.MkdirTemp("", "mohur-floor-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fatal := make(chan error, 1)
	f, err := newFloor(ctx, dir, order.Seeds, fatal)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.store.Close()) }()
	listener, ready, err := listenFloor(dir)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: f, ReadHeaderTimeout: headerWithin, IdleTimeout: idleFor, ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fatal <- err
		}
	}()
	if err := p.print(ready); err != nil {
		return errors.Join(err, srv.Close())
	}
	go func() {
		_, _ = io.Copy(io.Discard, p.in) // until who measures has no more need of it, or is no more
		cancel()
	}()
	select {
	case <-ctx.Done():
	case err = <-fatal:
	}
	return errors.Join(err, srv.Close())
}

// listenFloor listens as a server for development does, on the same TLS.
func listenFloor(dir string) (net.Listener, floorReady, error) {
	c := defaults()
	c.TLS.Cert, c.TLS.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := makeCertificate(c.TLS.Cert, c.TLS.Key, time.Now()); err != nil {
		return nil, floorReady{}, err
	}
	text, err := os.ReadFile(c.TLS.Cert)
	if err != nil {
		return nil, floorReady{}, err
	}
	settings, err := c.serverTLS()
	if err != nil {
		return nil, floorReady{}, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, floorReady{}, err
	}
	return tls.NewListener(l, settings), floorReady{Address: l.Addr().String(), Certificate: string(text)}, nil
}

// floor is the least that an answer can cost: strict JSON, the hot row, a sealed
// seed, one code, and a durable commit of row, attempt and entry. Nobody is
// asked who he is and nothing is verified but the code.
type floor struct {
	store *bolt.Store
	box   cipher.AEAD
	seeds map[string][]byte // sealed, by the credential
}

func newFloor(ctx context.Context, dir string, seeds map[string][]byte, fatal chan<- error) (*floor, error) {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	f := &floor{seeds: map[string][]byte{}}
	if f.box, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, err
	}
	f.store, err = bolt.Open(bolt.Options{
		Path: filepath.Join(dir, "floor.db"), Node: "floor", Fatal: func(err error) { fatal <- err },
	})
	if err != nil {
		return nil, err
	}
	cmd := settle.Command{Entries: []audit.Draft{f.entry("token.imported", "done")}}
	for id, seed := range seeds {
		f.seeds[id] = f.box.Seal(nil, nil, seed, []byte(id))
		cmd.Effects = append(cmd.Effects, settle.SwapHot{Hot: settle.Hot{ID: id, State: settle.HotLive, Version: 1}})
	}
	r, err := f.store.Settle(ctx, cmd)
	if err == nil && r.Outcome != settle.Done {
		err = fmt.Errorf("the rows of the floor: %s", r.Outcome)
	}
	if err != nil {
		return nil, errors.Join(err, f.store.Close())
	}
	return f, nil
}

// entry is an audit entry of the usual size.
func (f *floor) entry(event, outcome string) audit.Draft {
	salt := make([]byte, 32)
	rand.Read(salt)
	body := encoded(map[string]string{
		"attempt": ident.New("at"), "customer": "C-00001", "purpose": "login", "channel": "internet", "client": ident.New("cl"),
		"source": "198.18.0.1", "answers": "1", "acr": "strong",
	})
	sealed := f.box.Seal(nil, nil, body, salt)
	return audit.Draft{Salt: salt, Sealed: sealed, Header: audit.Header{
		V: audit.FormatVersion, Time: time.Now().UTC().Truncate(time.Microsecond), Event: event, Outcome: outcome,
		Subject: ident.New("su"), Credential: ident.New("ps"), Caller: ident.New("cl"), Request: ident.New("rq"),
		Body: audit.Commitment(salt, sealed),
	}}
}

type floorAnswer struct {
	Credential string `json:"credential"`
	Code       string `json:"code"`
}

type floorVerdict struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// ServeHTTP judges one code.
func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verdict, err := f.judge(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encoded(verdict)) // whoever has gone reads nothing
}

func (f *floor) judge(w http.ResponseWriter, r *http.Request) (v floorVerdict, err error) {
	const most = 64 << 10
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return v, err
	}
	var in floorAnswer
	if err := strict.Unmarshal(body, &in, strict.RejectUnknownMembers(true)); err != nil {
		return v, err
	}
	rows, err := f.store.Hot(r.Context(), in.Credential)
	if err != nil {
		return v, err
	}
	hot := rows[0].Hot
	seed, err := f.box.Open(nil, nil, f.seeds[in.Credential], []byte(in.Credential))
	if err != nil {
		return v, err
	}
	want := truncated(sha1.New, seed, binary.BigEndian.AppendUint64(nil, hot.Counter), 6)
	if subtle.ConstantTimeCompare([]byte(want), []byte(in.Code)) != 1 {
		return v, errors.New("the code is wrong")
	}
	hot = hot.Next()
	hot.Counter++
	a := grantedAttempt(in.Credential)
	result, err := f.store.Settle(r.Context(), settle.Command{
		Effects: []settle.Effect{settle.SwapHot{Hot: hot}, authn.SaveAttempt{Attempt: a}},
		Entries: []audit.Draft{f.entry("authentication.answered", string(a.State))},
	})
	if err == nil && result.Outcome != settle.Done {
		err = fmt.Errorf("the commit is %s", result.Outcome)
	}
	return floorVerdict{ID: a.ID, State: string(a.State)}, err
}

// grantedAttempt is a record as a log-in leaves it.
func grantedAttempt(credential string) authn.Attempt {
	now, sum := time.Now().UTC(), make([]byte, 32)
	rand.Read(sum)
	return authn.Attempt{
		ID: ident.New("at"), Customer: "C-00001", Client: ident.New("cl"), Channel: parties.Internet, Purpose: authn.Login,
		ACR: authn.Strong, Shown: "none", AMR: []string{"otp", "mfa"},
		Offers: []authn.Offer{{Method: authn.OTP, Credentials: []authn.Offered{{ID: credential, Kind: "hotp", Label: "••••0001"}}}},
		Ways:   [][]authn.Method{{authn.OTP}}, Text: make([]byte, 300), SHA256: sum, Answers: 1, State: authn.Granted, Granted: ident.New("se"),
		CreatedAt: now, ExpiresAt: now.Add(5 * time.Minute), Version: 1, MAC: make([]byte, 32),
	}
}
