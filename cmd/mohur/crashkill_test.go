package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestClause5_3_2_KilledUnderLoad: the server is killed in the midst of its work,
// twenty times. Whatever it had acknowledged is in the store and in the log, the
// log is proved from outside, and no code that was accepted is accepted again
// (attack 08: whoever has read a code on its way gains nothing by killing the
// server).
func TestClause5_3_2_KilledUnderLoad(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	dir := crashDir(t)
	p := launch(t, dir)
	people := customers(t, p, 2)
	all := make([][]grant, len(people))
	for round := range rounds {
		more := load(t, p, people, round, time.Duration(150+rand.IntN(250))*time.Millisecond)
		p = launch(t, dir)
		for i, s := range people {
			s.drive(p)
			all[i] = append(all[i], more[i]...)
			afterwards(t, s, more[i], all[i])
		}
	}
	p.kill()
	log := proved(t, dir)
	n, paid := 0, 0
	for _, grants := range all {
		n += len(grants)
		for _, g := range grants {
			want := `\"event\":\"session.opened\"`
			if g.payment != "" {
				paid++
				want = `\"event\":\"authentication.answered\",\"outcome\":\"granted\"`
			}
			if log.count(g.request, want) != 1 {
				t.Errorf("acknowledged, and the log does not tell of it: %+v", g)
			}
		}
	}
	if got := log.count(`\"event\":\"transaction.approved\"`); got < paid {
		t.Errorf("%d payments were acknowledged, and the log tells of %d", paid, got)
	}
	if n < 2*rounds || paid == 0 {
		t.Errorf("only %d grants, %d of them payments, in %d rounds: this shows little", n, paid, rounds)
	}
	t.Logf("%d kills, %d acknowledged grants, %d of them payments", rounds, n, paid)
	// The rows and the log agree as well, to the last version.
	if code, out := runs(t, dir, "store", "check"); code != exitOK {
		t.Errorf("store check: %d\n%s", code, out)
	}
}

// load has everybody log in and pay as fast as they can and kills the server a
// while after the first grant. It returns what was acknowledged to each.
func load(t *testing.T, p *process, people []*story, round int, after time.Duration) [][]grant {
	t.Helper()
	grants := make([][]grant, len(people))
	var first sync.Once
	var kill, all sync.WaitGroup
	kill.Add(1)
	for i, s := range people {
		all.Go(func() {
			for n := 0; !p.over(); n++ {
				s.told = nil
				g, err := s.logsIn(context.Background())
				if n%2 == 0 && err == nil {
					grants[i] = append(grants[i], g)
					g, err = s.pays(context.Background(), fmt.Sprintf("%d-%d-%d", round, i, n))
				}
				if err != nil {
					return // the server is gone
				}
				grants[i] = append(grants[i], g)
				first.Do(func() {
					time.AfterFunc(after, func() { defer kill.Done(); p.kill() })
				})
			}
		})
	}
	all.Wait()
	first.Do(func() {
		t.Errorf("round %d: nothing was granted:\n%s", round, p.stderr)
		p.kill()
		kill.Done()
	})
	kill.Wait()
	return grants
}

// afterwards: after a restart what was granted stands, codes of before are dead,
// and the customer is served as ever.
func afterwards(t *testing.T, s *story, last, all []grant) {
	t.Helper()
	ctx := t.Context()
	for _, g := range last {
		if err := s.stands(ctx, g); err != nil {
			t.Errorf("acknowledged before the kill: %v", err)
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].session == "" {
			continue
		}
		id, err := s.pinThen(ctx, s.pin)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.refuse(ctx, id, "otp", all[i].code); err != nil {
			t.Errorf("a code accepted before the kill: %v", err)
		}
		break // each costs a failure, and the last one is the likeliest to be lost
	}
	if _, err := s.logsIn(ctx); err != nil {
		t.Errorf("a log-in after the restart: %v", err)
	}
}

// evidence is an export of the log, line by line.
type evidence []string

// proved exports the log and has it verified with the public key alone.
func proved(t *testing.T, dir string) evidence {
	t.Helper()
	export := filepath.Join(t.TempDir(), "log.jsonl")
	if code, out := runs(t, dir, "audit", "export", "-o", export); code != exitOK {
		t.Fatalf("audit export: %s", out)
	}
	if code, out := runs(t, dir, "audit", "verify", export); code != exitOK || !strings.Contains(out, "in order") {
		t.Errorf("audit verify: %d\n%s", code, out)
	}
	text, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// count counts the entries that hold all the words.
func (e evidence) count(words ...string) (n int) {
	for _, line := range e {
		found := line != ""
		for _, w := range words {
			found = found && strings.Contains(line, w)
		}
		if found {
			n++
		}
	}
	return n
}
