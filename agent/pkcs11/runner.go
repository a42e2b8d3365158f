package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// ChildArgument is the only argument of a child process. The program that uses
// this package calls Child when it is started with it.
const ChildArgument = "pkcs11-child"

// DefaultDeadline is how long an operation may take. A slow card needs 2 s to sign.
const DefaultDeadline = 25 * time.Second

// Runner starts the children. Its zero value starts the running program again.
// It may be used by several goroutines.
type Runner struct {
	Executable string        // "": the running program
	Deadline   time.Duration // 0: DefaultDeadline
	Env        []string      // "": that of the running program
}

// request is what a child is told; its PIN follows behind it.
type request struct {
	Op        string `json:"op"`
	Marker    string `json:"marker"`      // stands before the response
	Deadline  int64  `json:"deadline_ms"` // a child whose parent is gone ends by itself
	Module    string `json:"module,omitempty"`
	Reader    string `json:"reader,omitempty"`
	ID        []byte `json:"id,omitempty"`
	Hash      []byte `json:"hash,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	Digest    []byte `json:"digest,omitempty"`
	LastTry   bool   `json:"last_try,omitempty"`
	Serial    string `json:"serial,omitempty"`
	Label     string `json:"label,omitempty"`
	Type      string `json:"type,omitempty"`
	Renew     bool   `json:"renew,omitempty"`
	DER       []byte `json:"der,omitempty"`
	Split     int    `json:"split,omitempty"` // where, behind the PIN, a second secret begins
}

// response is what it answers.
type response struct {
	Failure   *Failure `json:"failure,omitempty"`
	Tokens    []Token  `json:"tokens,omitempty"`
	Signature []byte   `json:"signature,omitempty"`
	Tries     int      `json:"tries,omitempty"`
	Key       *Key     `json:"key,omitempty"`

	Attestation [][]byte `json:"attestation,omitempty"`
}

// The operations.
const (
	opList  = "list"
	opSign  = "sign"
	opTries = "tries"

	opMake    = "make"
	opSignKey = "sign-key"
	opStore   = "store"
	opPIN     = "pin"
	opAttest  = "attest"
)

// The sizes beyond which a message is no message.
const (
	maxRequest  = 32 << 10
	maxPIN      = 128
	maxResponse = 2 << 20
)

// List returns the tokens a module sees and the certificates on them. Every error
// is a *Failure, or that of ctx.
func (r Runner) List(ctx context.Context, module string) ([]Token, error) {
	answer, err := r.run(ctx, request{Op: opList, Module: module}, nil)
	return answer.Tokens, err
}

// Sign signs a digest. ES* signatures are r and s side by side, as RFC 7518 has
// them. The PIN is not kept, and its caller clears it. Errors are as with List.
func (r Runner) Sign(ctx context.Context, s Signature) ([]byte, error) {
	answer, err := r.run(ctx, request{
		Op: opSign, Module: s.Module, Reader: s.Reader, ID: s.ID, Hash: s.Hash[:], Algorithm: s.Algorithm, Digest: s.Digest, LastTry: s.LastTry,
	}, s.PIN)
	if err == nil && len(answer.Signature) == 0 {
		return nil, &Failure{Kind: Device, Detail: "there is no signature in the answer"}
	}
	return answer.Signature, err
}

// Tries asks the PIV card in a reader of PC/SC how many wrong PINs it still
// takes, without trying one. Errors are as with List.
func (r Runner) Tries(ctx context.Context, reader string) (int, error) {
	answer, err := r.run(ctx, request{Op: opTries, Reader: reader}, nil)
	return answer.Tries, err
}

func (r Runner) run(ctx context.Context, q request, pin []byte) (response, error) {
	deadline := r.Deadline
	if deadline == 0 {
		deadline = DefaultDeadline
	}
	// The child ends by itself only when nobody is there to end it.
	q.Marker, q.Deadline = rand.Text(), (deadline + 5*time.Second).Milliseconds()
	message, err := frame(q, pin)
	if err != nil {
		return response{}, &Failure{Kind: Device, Detail: err.Error()}
	}
	defer clear(message)
	path := r.Executable
	if path == "" {
		if path, err = os.Executable(); err != nil {
			return response{}, &Failure{Kind: Device, Detail: err.Error()}
		}
	}
	timed, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	cmd := exec.CommandContext(timed, path, ChildArgument)
	cmd.Env = r.Env
	cmd.Stdin = bytes.NewReader(message)
	out := &bounded{most: maxResponse}
	cmd.Stdout, cmd.Stderr = out, io.Discard
	cmd.WaitDelay = time.Second
	alone(cmd)
	err = runAlone(cmd)
	answer, ok := read(out.Bytes(), q.Marker)
	switch {
	case ctx.Err() != nil:
		return response{}, ctx.Err()
	case timed.Err() != nil:
		return response{}, &Failure{Kind: Timeout, Detail: fmt.Sprintf("no answer within %s", deadline)}
	case !ok && err != nil:
		return response{}, &Failure{Kind: Crashed, Detail: err.Error()}
	case !ok:
		return response{}, &Failure{Kind: Crashed, Detail: "it ended without an answer"}
	case answer.Failure != nil:
		return response{}, answer.Failure
	}
	return answer, nil
}

// frame writes length and request, then length and PIN.
func frame(q request, pin []byte) ([]byte, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if len(text) > maxRequest || len(pin) > maxPIN {
		return nil, errors.New("the request is too long")
	}
	// Its size is known, so that no shorter copy with the PIN stays behind.
	message := make([]byte, 0, 4+len(text)+2+len(pin))
	message = binary.BigEndian.AppendUint32(message, uint32(len(text)))
	message = append(message, text...)
	message = binary.BigEndian.AppendUint16(message, uint16(len(pin)))
	return append(message, pin...), nil
}

// unframe reads what frame wrote.
func unframe(in io.Reader) (q request, pin []byte, err error) {
	var size uint32
	if err := binary.Read(in, binary.BigEndian, &size); err != nil || size > maxRequest {
		return q, nil, errors.New("this is no request")
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(in, text); err != nil {
		return q, nil, err
	}
	if err := json.Unmarshal(text, &q); err != nil {
		return q, nil, err
	}
	var length uint16
	if err := binary.Read(in, binary.BigEndian, &length); err != nil || length > maxPIN {
		return q, nil, errors.New("this is no request")
	}
	pin = make([]byte, length)
	_, err = io.ReadFull(in, pin)
	return q, pin, err
}

// read finds the response behind its marker. A module may have written what it
// likes before it.
func read(out []byte, marker string) (a response, ok bool) {
	at := bytes.LastIndex(out, []byte(marker))
	if at < 0 {
		return a, false
	}
	return a, json.Unmarshal(out[at+len(marker):], &a) == nil
}

// bounded keeps what is written up to most bytes and takes the rest without a
// word, so that a module that talks without end cannot fill the memory.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.most - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
