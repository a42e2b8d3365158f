package custody_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"mohur/custody"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/problem"
)

// A restart between the halves changes nothing: they come on two days.
func TestClause5_3_6_ARestartBetweenTheHalves(t *testing.T) {
	b := newBank(t)
	b.waits(b.anna, b.one)
	b.restart()
	if all := b.waiting(); len(all) != 1 || all[0].ByName != "anna" {
		t.Fatalf("after the restart wait %+v", all)
	}
	b.makes(b.boris, b.two)
}

// crash is an HSM at which the process ends, before or after it has the key.
type crash struct {
	custody.HSM
	after bool
}

var errCrash = errors.New("the process ends")

func (c crash) ImportTransport(ctx context.Context, name string, key []byte) error {
	if c.after {
		if err := c.HSM.ImportTransport(ctx, name, key); err != nil {
			return err
		}
	}
	panic(errCrash)
}

// A crash at the worst moment: the half is claimed, and the key is in the HSM or
// is not. The second half brought again finishes it, after half a minute.
func TestClause5_3_5_ACrashWhileTheKeyGoesIn(t *testing.T) {
	for _, after := range []bool{false, true} {
		b := newBank(t)
		b.waits(b.anna, b.one)
		b.module = crash{b.module, after}
		func() {
			defer func() {
				if recover() != errCrash {
					t.Error("nothing crashed")
				}
			}()
			_, _ = b.bring(b.boris, b.two)
		}()
		b.module = hsmtest.SoftHSM(t)
		b.restart()
		if b.inside() != after {
			t.Fatal("the test did not crash where it should")
		}
		b.refused(problem.Conflict, "", b.boris, b.two)
		if err := b.service().Cancel(t.Context(), b.anna, b.name); !problem.Is(err, problem.Conflict) {
			t.Errorf("cancelled under a claim: %v", err)
		}
		b.Clock.Forward(31 * time.Second)
		if after {
			wrong := bytes.Clone(b.two)
			wrong[0] ^= 1
			b.refused(problem.Conflict, "", b.boris, wrong) // not the key that is in
		}
		b.makes(b.boris, b.two)
		if len(b.waiting()) != 0 {
			t.Error("a half still waits")
		}
	}
}

// The HSM is away when the second half comes: nothing is lost, and it is tried again.
func TestClause5_3_5_TheHSMIsAwayForTheSecondHalf(t *testing.T) {
	b := newBank(t)
	b.waits(b.anna, b.one)
	b.module = away{b.module}
	if _, err := b.bring(b.boris, b.two); !problem.Is(err, problem.Unavailable) {
		t.Errorf("told as %v", err)
	}
	b.module = hsmtest.SoftHSM(t)
	b.makes(b.boris, b.two)
	b.record("key.half waiting cl_anna", "key.import begun cl_boris", "key.import failed cl_boris", "key.import begun cl_boris", "key.import done cl_boris")
}

type away struct{ custody.HSM }

func (away) ImportTransport(context.Context, string, []byte) error {
	return &hsm.Fault{Class: hsm.ClassDevice, Op: "ImportTransport", Err: errors.New("away")}
}

// Without its entry nothing is done (clause 5.11).
func TestClause5_11_NothingIsDoneOffTheRecord(t *testing.T) {
	b := newBank(t)
	b.Disk.ReadOnly(true)
	b.refused(problem.Unavailable, "", b.anna, b.one)
	if _, err := b.service().Make(t.Context(), b.anna, b.name, 2048); !problem.Is(err, problem.Unavailable) || b.inside() {
		t.Errorf("a key was made off the record: %v", err)
	}
	b.Disk.ReadOnly(false)
	b.waits(b.anna, b.one)
	b.Disk.ReadOnly(true)
	b.refused(problem.Unavailable, "", b.boris, b.two)
	b.Disk.ReadOnly(false)
	b.makes(b.boris, b.two)
}

// Many bring the second half at once: one of them makes the key.
func TestClause5_3_6_OfManySecondHalvesOneWins(t *testing.T) {
	b := newBank(t)
	b.waits(b.anna, b.one)
	var all sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 8 {
		all.Go(func() {
			out, err := b.service().Bring(t.Context(), custody.BringCommand{Caller: custodian("c" + string(rune('0'+i))), Name: b.name, Half: bytes.Clone(b.two)})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && out.Waiting == nil:
				made++
			case !problem.Is(err, problem.Conflict):
				t.Errorf("a loser is told %+v, %v", out, err)
			}
		})
	}
	all.Wait()
	if made != 1 || b.Count("key.import", "done", "") != 1 || b.Count("key.import", "begun", "") != 1 {
		t.Errorf("%d have made the key; %d begun, %d done", made, b.Count("key.import", "begun", ""), b.Count("key.import", "done", ""))
	}
	b.works()
}

// Both halves come at the same moment: one of them waits for the other, in
// whatever order, and the key is made.
func TestClause5_3_6_BothHalvesAtOnce(t *testing.T) {
	for range 4 {
		b := newBank(t)
		var all sync.WaitGroup
		var mu sync.Mutex
		waited, made := 0, 0
		for by, half := range map[string][]byte{"anna": b.one, "boris": b.two} {
			all.Go(func() {
				out, err := b.service().Bring(t.Context(), custody.BringCommand{Caller: custodian(by), Name: b.name, Half: bytes.Clone(half)})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					t.Error(err)
				case out.Waiting != nil:
					waited++
				default:
					made++
				}
			})
		}
		all.Wait()
		if waited != 1 || made != 1 {
			t.Fatalf("%d wait, %d have made the key", waited, made)
		}
		b.works()
	}
}
