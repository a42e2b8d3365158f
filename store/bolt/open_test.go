package bolt

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"mohur/audit"
	"mohur/seal"
	"mohur/settle"
	"mohur/store"
)

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bank.db")
	s := openTest(t, Options{Path: path})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	mustSettle(t, s, testCommand("a", 1))
	made, err := s.BankKey(t.Context(), func() (seal.Key, error) { return seal.Key{Person: "bank", Wrapped: []byte{1}}, nil })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for what, err := range map[string]error{
		"read":  s.Check(t.Context()),
		"write": func() error { _, err := s.Settle(t.Context(), testCommand("a", 2)); return err }(),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", what, err)
		}
	}

	s = openTest(t, Options{Path: path, MustExist: true})
	mustSettle(t, s, testCommand("a", 2))
	key, err := s.BankKey(t.Context(), func() (seal.Key, error) { return seal.Key{}, errors.New("made again") })
	if err != nil || key.Person != made.Person || string(key.Wrapped) != string(made.Wrapped) {
		t.Errorf("bank key %+v, %v; want %+v", key, err, made)
	}
	if events := wholeLog(t, s); len(events) != 2 {
		t.Errorf("log %q", events)
	}
}

// TestCloseAnswers: what was accepted is written and answered before Close
// returns, under load too.
func TestCloseAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bank.db")
	s := openTest(t, Options{Path: path})
	const writers = 32
	acks := make(chan []ack, writers)
	for i := range writers {
		go func() {
			var mine []ack
			id := fmt.Sprint("w", i)
			for version := uint64(1); ; version++ {
				a := ack{id: id, version: version}
				c := testCommand(id, version)
				c.Entries = append(c.Entries, testDraft("second."+a.event()))
				r, err := s.Settle(t.Context(), c)
				if err != nil {
					if !errors.Is(err, store.ErrClosed) {
						t.Errorf("during Close: %v", err)
					}
					acks <- mine
					return
				}
				a.seq = r.Seq
				mine = append(mine, a)
			}
		}()
	}
	time.Sleep(50 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var all []ack
	for range writers {
		all = append(all, <-acks...)
	}
	checkAcks(t, path, all)
	if s = openTest(t, Options{Path: path}); len(wholeLog(t, s)) != 2*len(all) {
		t.Errorf("%d entries for %d acknowledged commands", len(wholeLog(t, s)), len(all))
	}
}

// childHolds keeps a store open until its input ends.
func childHolds(t *testing.T, path string) {
	if _, err := Open(Options{Path: path, Node: "n1"}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	os.Stdin.Read(make([]byte, 1))
}

// TestHeld: a second opener, in this process or another, is told who has the
// file.
func TestHeld(t *testing.T) {
	t.Run("same process", func(t *testing.T) {
		s := openTest(t, Options{})
		refusedOpen(t, s.options, "held by a running server")
		mustSettle(t, s, testCommand("a", 1))
	})
	t.Run("another process", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "bank.db")
		cmd := child(t, "hold", path)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "held"; {
		}
		refusedOpen(t, Options{Path: path, Node: "n1"}, "held by a running server")
		in.Close()
		cmd.Wait()
		openTest(t, Options{Path: path})
	})
}

func refusedOpen(t *testing.T, o Options, words string) error {
	t.Helper()
	s, err := Open(o)
	if err == nil {
		s.Close()
		t.Fatalf("opened, want an error with %q", words)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("%v; want an error with %q", err, words)
	}
	return err
}

// TestRefused: what is not this server's store, or not of this version, or not
// there, is refused in words.
func TestRefused(t *testing.T) {
	refusedOpen(t, Options{Node: "n1"}, "needs a path")
	refusedOpen(t, Options{Path: "x"}, "needs a path")
	missing := filepath.Join(t.TempDir(), "bank.db")
	if err := refusedOpen(t, Options{Path: missing, Node: "n1", MustExist: true}, "no such file"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the file has been made")
	}
	if err := os.WriteFile(missing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refusedOpen(t, Options{Path: missing, Node: "n1"}, "the file is empty")

	for name, c := range map[string]struct {
		edit  func(*bbolt.Tx) error
		words string
	}{
		"newer schema": {func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte(metaSchema), binary.BigEndian.AppendUint32(nil, schema+1))
		}, "schema 2, written by another version"},
		"no schema":       {func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte(metaSchema)) }, "no schema version"},
		"a part missing":  {func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("session")) }, `the part "session" is missing`},
		"another's file":  {func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("meta")) }, "not a store of this server"},
		"of another node": {func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte(metaNode), []byte("n2")) }, `belongs to node "n2"`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bank.db")
			editFile(t, path, c.edit)
			refusedOpen(t, Options{Path: path, Node: "n1"}, c.words)
		})
	}
}

// editFile makes a store and edits it with bbolt alone.
func editFile(t *testing.T, path string, edit func(*bbolt.Tx) error) {
	t.Helper()
	s, err := Open(Options{Path: path, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(edit); err != nil {
		t.Fatal(err)
	}
}

// TestWriteTo: a copy made under load is a whole store of some moment, and one
// that nobody waits for any more ends.
func TestWriteTo(t *testing.T) {
	s := openTest(t, Options{})
	stop := make(chan bool)
	written := make(chan uint64)
	go func() {
		for version := uint64(1); ; version++ {
			select {
			case <-stop:
				written <- version - 1
				return
			default:
			}
			if _, err := s.Settle(t.Context(), testCommand("a", version)); err != nil {
				t.Error(err)
			}
		}
	}()
	time.Sleep(20 * time.Millisecond)
	path := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.WriteTo(t.Context(), f)
	if info, _ := f.Stat(); err != nil || n == 0 || info.Size() != n {
		t.Fatalf("%d bytes, file %d, %v", n, info.Size(), err)
	}
	close(stop)
	last := <-written
	f.Close()

	ctx, leave := context.WithCancel(t.Context())
	if n, err := s.WriteTo(ctx, writerFunc(func(p []byte) (int, error) { leave(); return len(p), nil })); !errors.Is(err, ctx.Err()) {
		t.Errorf("left after the first piece: %d bytes, %v", n, err)
	}
	c := openTest(t, Options{Path: path, MustExist: true})
	rows, err := c.Hot(t.Context(), "a")
	if err != nil || rows[0].Hot.Version == 0 || rows[0].Hot.Version > last || uint64(len(wholeLog(t, c))) != rows[0].Hot.Version {
		t.Errorf("the copy has %+v and %d entries, %v; %d were written", rows, len(wholeLog(t, c)), err, last)
	}
	mustSettle(t, c, settle.Command{Entries: []audit.Draft{testDraft("after")}})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
