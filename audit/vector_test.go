package audit_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"mohur/audit"
	"mohur/audit/audittest"
)

// The vector of version 1 of the export format: 12 entries with checkpoints at
// 3, 7, 8 and 12, two of them erased, with every member and every kind of escape.
// A verifier accepts it for ever; it is never written again.
const vectorFile = "testdata/audit-v1.jsonl"

var writeVector = flag.Bool("write-vector", false, "write "+vectorFile+" if there is none")

func vectorSigner(t testing.TB) *audittest.Signer {
	t.Helper()
	b, err := os.ReadFile("testdata/audit-v1-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	return audittest.ParseSigner(t, b)
}

func vector(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func vectorOptions(t testing.TB) audit.VerifyOptions {
	t.Helper()
	const key = "bank.example/mohur+d8339aca+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDo0e5FSKr8ZD/WWtmHtCXr2AutriXdCe5B+fsYO4ez/WcP3DQR9HYRvmW7CcwCrR67RJ3MrUx6C9qwzLHFsJCQ="
	v, err := audit.ParseVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return audit.VerifyOptions{Verifier: v}
}

// lastNote returns the vector's last checkpoint.
func lastNote(t testing.TB) []byte {
	t.Helper()
	l := split(vector(t))
	note, err := audit.ParseCheckpointLine([]byte(strings.TrimSuffix(l[len(l)-1], "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(note)
}

func TestVectorVersion1(t *testing.T) {
	opt := vectorOptions(t)
	opt.Checkpoint = lastNote(t)
	r := verify(t, vector(t), opt)
	if !r.OK() || r.Entries != 12 || r.Erased != 2 || r.Checkpoints != 4 || r.Covered != 12 || r.Warned != 0 {
		t.Errorf("%+v %v", r, r.FirstBad)
	}
	if s := vectorSigner(t); s.Verifier(t, origin).KeyHash() != opt.Verifier.KeyHash() {
		t.Error("the key in testdata is not the vector's")
	}
}

// TestVectorEntriesCannotChange changes every eleventh byte of every entry, one
// at a time, and expects to be told which entry it was, or among which.
func TestVectorEntriesCannotChange(t *testing.T) {
	opt := vectorOptions(t)
	opt.Checkpoint = lastNote(t)
	good := split(vector(t))
	for i, line := range good {
		e, err := audit.ParseEntryLine([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			continue // a checkpoint or the first line
		}
		for at := i; at < len(line); at += 11 {
			bad := append(lines{}, good...)
			bad[i] = line[:at] + string(line[at]^1) + line[at+1:]
			r := verify(t, bad.String(), opt)
			if r.OK() || r.FirstBad.Range.From > e.Seq || r.FirstBad.Range.To <= e.Seq {
				t.Fatalf("byte %d of entry %d changed: %v", at, e.Seq, r.FirstBad)
			}
		}
	}
}

func TestWriteVector(t *testing.T) {
	if !*writeVector {
		t.Skip("the vector exists and stays as it is")
	}
	if _, err := os.Stat(vectorFile); err == nil {
		t.Fatal("there is one already")
	}
	w := newWorld(t)
	w.signer = vectorSigner(t)
	w.seq = w.sequencer()
	key, err := w.drafter.Keys.New(t.Context(), "cu_1")
	if err != nil {
		t.Fatal(err)
	}
	person := audit.Person{Pseudonym: "p_0f3a", Key: key}
	for i := range 12 {
		e := audit.Event{
			Name: "authentication.answered", Outcome: "granted", Policy: 3, Person: person, Credential: "c_77b1",
			Version: uint64(i + 1), Caller: "cl_ebank", Request: "rq_01",
			Detail: map[string]string{"customer": "Əli Məmmədov"},
		}
		switch i {
		case 2:
			e = audit.Event{Name: "server.started", Outcome: "done", Detail: nil}
		case 5:
			e.Outcome, e.Reason = "refused", "replay"
		case 9:
			e.Reason, e.Request = "quotes \" \\ < & > \u2028 ə", "tab\tline\nend"
		}
		if err := w.store.Append(w.draft(e)); err != nil {
			t.Fatal(err)
		}
		if i == 2 || i == 6 || i == 7 || i == 11 {
			w.sign()
		}
	}
	w.store.Erase(4)
	w.store.Erase(8)
	if err := os.WriteFile(vectorFile, []byte(w.export(0)), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Log("verifier key ", w.signer.VKey(t, origin))
}
