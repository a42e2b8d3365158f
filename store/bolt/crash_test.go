package bolt

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/audit"
	"mohur/settle"
)

// The environment of a child process: which of the bodies below it runs, and on
// which file.
const (
	childBody = "MOHUR_BOLT_CHILD"
	childPath = "MOHUR_BOLT_PATH"
)

// TestChild is the child process of other tests.
func TestChild(t *testing.T) {
	body, ok := map[string]func(*testing.T, string){
		"write": childWrites, "full": childDiskFull, "hold": childHolds,
	}[os.Getenv(childBody)]
	if !ok {
		t.Skip("runs as the child process of other tests")
	}
	body(t, os.Getenv(childPath))
}

func child(t *testing.T, body, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childBody+"="+body, childPath+"="+path)
	return cmd
}

// ack is what a child says it was told by the store.
type ack struct {
	id           string
	version, seq uint64
}

func (a ack) event() string { return fmt.Sprintf("%s.v%d", a.id, a.version) }

// childWrites swaps rows as fast as it can and says of each when it was
// acknowledged. It never ends by itself.
func childWrites(t *testing.T, path string) {
	s, err := Open(Options{Path: path, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			id := fmt.Sprint("w", i)
			rows, err := s.Hot(t.Context(), id)
			for version := uint64(0); err == nil; {
				version = max(version, rows[0].Hot.Version) + 1
				err = writeAndTell(t, s, ack{id: id, version: version})
			}
			t.Error(err)
		})
	}
	all.Wait()
}

func writeAndTell(t *testing.T, s *Store, a ack) error {
	d := testDraft(a.event())
	r, err := s.Settle(t.Context(), settle.Command{
		Effects: []settle.Effect{settle.SwapHot{Hot: settle.Hot{ID: a.id, State: settle.HotLive, Version: a.version}}},
		Entries: []audit.Draft{d, testDraft("second." + a.event())},
	})
	if err != nil || r.Outcome != settle.Done {
		return fmt.Errorf("%s: %s, %w", a.event(), r.Outcome, err)
	}
	// One write each: a line is there as a whole or not at all.
	_, err = fmt.Fprintf(os.Stdout, "ack %s %d %d\n", a.id, a.version, r.Seq)
	return err
}

func testDraft(event string) audit.Draft {
	salt, sealed := bytes.Repeat([]byte{7}, 32), []byte(event)
	return audit.Draft{
		Header: audit.Header{V: audit.FormatVersion, Time: time.Unix(1e9, 0).UTC(), Event: event, Outcome: "done", Body: audit.Commitment(salt, sealed)},
		Salt:   salt, Sealed: sealed,
	}
}

// TestKilled: a process is killed in the midst of writing, again and again.
// Whatever it had been told is on the disk, and the log has no gap.
func TestKilled(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	path := filepath.Join(t.TempDir(), "bank.db")
	var acks []ack
	for range rounds {
		more := killedChild(t, path, time.Duration(20+rand.IntN(150))*time.Millisecond)
		if len(more) == 0 {
			t.Error("killed before anything was acknowledged: this round shows nothing")
		}
		acks = append(acks, more...)
		checkAcks(t, path, acks)
	}
	t.Logf("%d acknowledged writes, %d kills", len(acks), rounds)
}

// killedChild runs a writing child, kills it some time after its first
// acknowledgement, and returns those it had told of.
func killedChild(t *testing.T, path string, after time.Duration) (acks []ack) {
	t.Helper()
	cmd := child(t, "write", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		a, ok := parseAck(lines.Text())
		if ok && len(acks) == 0 {
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
		if ok {
			acks = append(acks, a)
		} else if strings.Contains(lines.Text(), "crash_test.go") {
			t.Error("child:", lines.Text())
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the child ended with %v, not by the kill", err)
	}
	return acks
}

func parseAck(line string) (a ack, ok bool) {
	n, err := fmt.Sscanf(line, "ack %s %d %d", &a.id, &a.version, &a.seq)
	return a, n == 3 && err == nil
}

// checkAcks opens the store and expects everything acknowledged in it.
func checkAcks(t *testing.T, path string, acks []ack) {
	t.Helper()
	s, err := Open(Options{Path: path, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	events := wholeLog(t, s)
	for _, a := range acks {
		if a.seq+1 >= uint64(len(events)) || events[a.seq] != a.event() || events[a.seq+1] != "second."+a.event() {
			t.Errorf("acknowledged, and not in its place in the log: %+v", a)
		}
		rows, err := s.Hot(t.Context(), a.id)
		if err != nil || rows[0].Hot.Version < a.version || rows[0].Indexed != rows[0].Hot.Version {
			t.Errorf("acknowledged %+v, found %+v, %v", a, rows, err)
		}
	}
}

// wholeLog returns the events of the log and expects it to be without a gap.
func wholeLog(t *testing.T, s *Store) (events []string) {
	t.Helper()
	for {
		page, err := s.Entries(t.Context(), uint64(len(events)), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			h, err := audit.ParseHeader(e.Header)
			if err != nil || e.Seq != uint64(len(events)) || h.Seq != e.Seq || h.Node != "n1" {
				t.Fatalf("place %d: entry %d, header %+v, %v", len(events), e.Seq, h, err)
			}
			events = append(events, h.Event)
		}
		if len(page) == 0 {
			return events
		}
	}
}
