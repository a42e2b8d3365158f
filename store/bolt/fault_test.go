package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"mohur/audit"
	"mohur/parties"
	"mohur/settle"
	"mohur/store"
)

var errDisk = errors.New("input/output error")

func testCommand(id string, version uint64) settle.Command {
	return settle.Command{
		Effects: []settle.Effect{settle.SwapHot{Hot: settle.Hot{ID: id, State: settle.HotLive, Version: version}}},
		Entries: []audit.Draft{testDraft(fmt.Sprintf("%s.v%d", id, version))},
	}
}

func mustSettle(t *testing.T, s *Store, c settle.Command) {
	t.Helper()
	if r, err := s.Settle(t.Context(), c); err != nil || r.Outcome != settle.Done {
		t.Fatal(r.Outcome, err)
	}
}

// TestCommitFails: the disk does not confirm. Nobody is told of success, those
// who wait included, the owner is told once, and nothing works any more.
func TestCommitFails(t *testing.T) {
	for name, commit := range map[string]func(*bbolt.Tx) error{
		"before anything was written": func(tx *bbolt.Tx) error { tx.Rollback(); return errDisk },
		"after all was written":       func(tx *bbolt.Tx) error { tx.Commit(); return errDisk },
		"with a panic":                func(*bbolt.Tx) error { panic(errDisk) },
	} {
		t.Run(name, func(t *testing.T) { testCommitFails(t, commit) })
	}
}

func testCommitFails(t *testing.T, commit func(*bbolt.Tx) error) {
	fatal := make(chan error, 2)
	s := openTest(t, Options{Fatal: func(err error) { fatal <- err }})
	mustSettle(t, s, testCommand("a", 1))
	entered, release := make(chan bool), make(chan bool)
	s.commit = func(tx *bbolt.Tx) error {
		entered <- true
		<-release
		return commit(tx)
	}
	answers := make(chan error, 20)
	write := func(id string) {
		_, err := s.Settle(t.Context(), testCommand(id, 1))
		answers <- err
	}
	go write("first")
	<-entered
	for i := range 19 {
		go write(fmt.Sprint("waiting", i))
	}
	for len(s.queue) < 19 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	for range 20 {
		if err := <-answers; err == nil {
			t.Error("a write that was not confirmed was acknowledged")
		}
	}
	if err := <-fatal; !errors.Is(err, store.ErrOutcomeUnknown) || !strings.Contains(err.Error(), errDisk.Error()) {
		t.Errorf("Fatal was told %v", err)
	}
	if _, err := s.Settle(t.Context(), testCommand("b", 1)); err == nil {
		t.Error("a write after the fault")
	}
	if _, err := s.Hot(t.Context(), "a"); err == nil || errors.Is(err, parties.ErrNotFound) {
		t.Errorf("a read after the fault: %v", err)
	}
	if err := s.Check(t.Context()); err == nil {
		t.Error("ready after the fault")
	}
	if len(fatal) > 0 {
		t.Error("Fatal was told twice")
	}
}

// TestAnswersWaitForDisk: no writer is answered and no reader told of a write
// before the disk has confirmed it.
func TestAnswersWaitForDisk(t *testing.T) {
	s := openTest(t, Options{})
	mustSettle(t, s, testCommand("a", 1))
	written, gate := make(chan bool), make(chan bool)
	release := sync.OnceFunc(func() { close(gate) })
	defer release()
	s.commit = func(tx *bbolt.Tx) error {
		err := tx.Commit()
		written <- true
		<-gate // from here on the disk has confirmed
		return err
	}
	done := make(chan string, 2)
	go func() {
		r, err := s.Settle(t.Context(), testCommand("a", 2))
		done <- fmt.Sprintf("settled %s %v", r.Outcome, err)
	}()
	<-written
	go func() {
		rows, err := s.Hot(t.Context(), "a")
		done <- fmt.Sprintf("read %d %v", rows[0].Hot.Version, err)
	}()
	select {
	case early := <-done:
		t.Fatalf("before the disk has confirmed: %s", early)
	case <-time.After(100 * time.Millisecond):
	}
	release()
	got := map[string]bool{<-done: true, <-done: true}
	if !got["settled done <nil>"] || !got["read 2 <nil>"] {
		t.Errorf("after the disk has confirmed: %v", got)
	}
}

// TestReaderOfLostWrite: who reads a write that the disk then does not confirm
// is told nothing of it.
func TestReaderOfLostWrite(t *testing.T) {
	s := openTest(t, Options{})
	written, gate := make(chan bool), make(chan bool)
	s.commit = func(tx *bbolt.Tx) error {
		tx.Commit()
		written <- true
		<-gate
		return errDisk
	}
	go s.Settle(t.Context(), testCommand("a", 1))
	<-written
	read := make(chan error)
	go func() {
		_, err := s.Hot(t.Context(), "a")
		read <- err
	}()
	time.Sleep(50 * time.Millisecond) // so that it is waiting by now
	close(gate)
	if err := <-read; err == nil {
		t.Error("a write that was not confirmed was read")
	}
}

// TestOutcomeUnknown: who leaves while his write is on its way is told that
// nobody knows, and the write goes its way.
func TestOutcomeUnknown(t *testing.T) {
	s := openTest(t, Options{})
	ctx, leave := context.WithCancel(t.Context())
	s.commit = func(tx *bbolt.Tx) error {
		leave()
		time.Sleep(20 * time.Millisecond)
		return tx.Commit()
	}
	_, err := s.Settle(ctx, testCommand("a", 1))
	if !errors.Is(err, store.ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want ErrOutcomeUnknown and context.Canceled", err)
	}
	for {
		rows, err := s.Hot(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if rows[0].Found {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// childDiskFull writes until the system refuses to let the file grow, and says
// what it was told and what the store did.
func childDiskFull(t *testing.T, path string) {
	signal.Ignore(syscall.SIGXFSZ)
	fatal := make(chan error, 1)
	s, err := Open(Options{Path: path, Node: "n1", Fatal: func(err error) { fatal <- err }})
	if err != nil {
		t.Fatal(err)
	}
	const limit = 20 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	for version := uint64(1); ; version++ {
		c := testCommand("a", version)
		c.Entries = append(c.Entries, testDraft("second."+c.Entries[0].Header.Event))
		c.Entries[1].Sealed = make([]byte, 200<<10)
		r, err := s.Settle(t.Context(), c)
		if err != nil {
			fmt.Printf("refused %v\n", err)
			break
		}
		fmt.Printf("ack a %d %d\n", version, r.Seq)
	}
	fmt.Printf("fatal %v\n", <-fatal)
	if err := s.Check(t.Context()); err != nil {
		fmt.Printf("stopped %v\n", err)
	}
	os.Exit(0)
}

// TestDiskFull is the same with a file system that really refuses.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bank.db")
	cmd := child(t, "full", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acks []ack
	said := map[string]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if a, ok := parseAck(lines.Text()); ok {
			acks = append(acks, a)
		}
		word, rest, _ := strings.Cut(lines.Text(), " ")
		said[word] = rest
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	for _, word := range []string{"refused", "fatal", "stopped"} {
		if !strings.Contains(said[word], "file too large") {
			t.Errorf("the child said %q of %s", said[word], word)
		}
	}
	if len(acks) < 10 {
		t.Errorf("only %d acknowledged before the disk was full", len(acks))
	}
	checkAcks(t, path, acks)
}
