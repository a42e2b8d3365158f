package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mohur/parties"
)

// maxSocketPath leaves room below the 108 bytes the system allows.
const maxSocketPath = 100

// checkSocketPath refuses a path that the system would cut off.
func checkSocketPath(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("the path of the socket has %d bytes, %d are possible: %s; set socket to a shorter one", len(path), maxSocketPath, path)
	}
	return nil
}

// errRunning says that another server answers at the socket.
var errRunning = errors.New("a server is running")

// listenSocket opens the command line's socket. A socket that a server left
// behind is replaced; one that is answered is not.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	if err := checkSocketPath(path); err != nil {
		return nil, err
	}
	if err := clearSocket(path); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// The socket has its mode before it has its name: no umask is involved,
		// and there is no moment at which others could connect.
		var inner error
		err := c.Control(func(fd uintptr) { inner = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, inner)
	}}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("the socket cannot be opened: %w", err)
	}
	return peerListener{l.(*net.UnixListener)}, nil
}

// clearSocket removes a socket nobody answers at.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket; move it away", path)
	case answered(path):
		return fmt.Errorf("%w already at %s; stop it first", errRunning, path)
	}
	return os.Remove(path)
}

// answered says whether a server listens at the path.
func answered(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return errors.Is(err, syscall.EAGAIN) // its queue is full: there is one
	}
	conn.Close()
	return true
}

// peerListener accepts connections of this user and of root only. The mode of
// the socket says the same; this also holds where a directory was copied
// carelessly.
type peerListener struct{ *net.UnixListener }

// Accept returns the next connection of somebody who may.
func (l peerListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(conn)
		if err == nil && admitted(uid, os.Geteuid()) {
			return peerConn{conn, uid}, nil
		}
		conn.Close()
	}
}

func admitted(uid uint32, own int) bool { return uid == 0 || int64(uid) == int64(own) }

// peerConn remembers who is at the other end.
type peerConn struct {
	*net.UnixConn
	uid uint32
}

// Read wipes the buffer it reads into. net/http hands its buffers from one
// connection to the next, and waits with one for the next request: without this,
// the key of a custodian would stay in it behind whatever shorter came after.
func (c peerConn) Read(p []byte) (int, error) {
	clear(p)
	return c.UnixConn.Read(p)
}

// peerUID asks the kernel who has connected.
func peerUID(conn *net.UnixConn) (uint32, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) { cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, inner); err != nil {
		return 0, err
	}
	return cred.Uid, nil
}

type peerKey struct{}

// withPeer is the ConnContext of the socket's server.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	if p, ok := conn.(peerConn); ok {
		return context.WithValue(ctx, peerKey{}, p.uid)
	}
	return ctx
}

// hostCaller is who speaks over the socket: a user of this machine, with the
// roles that running the server takes and none that touches a customer. In
// development he has all of them.
func hostCaller(r *http.Request, development bool) (parties.Caller, bool) {
	uid, ok := r.Context().Value(peerKey{}).(uint32)
	if !ok {
		return parties.Caller{}, false
	}
	return localCaller(uid, development), true
}

func localCaller(uid uint32, development bool) parties.Caller {
	name := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	caller := parties.Caller{
		Kind: "host", ID: "host:" + name, Name: name, Channels: parties.Channels(), Source: "local",
		Roles: []parties.Role{parties.Admin, parties.Custodian, parties.Auditor},
	}
	if development {
		caller.Roles, caller.Development = parties.Roles(), true
	}
	return caller
}
