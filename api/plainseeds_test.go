package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/approval"
	"mohur/hsm"
	"mohur/parties"
	"mohur/tokens"
	"mohur/tokens/pskc/pskctest"
)

const oathSeed = "3132333435363738393031323334353637383930"

// oathFile is a file of seeds in the clear, with serials of its own.
func oathFile(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s-%04d, %s, hotp, 6\n", prefix, i, oathSeed)
	}
	return b.String()
}

// allowed asks for the import of a file and has boris allow it.
func (c *chamber) allowed(op, file string, fields ...string) string {
	c.T.Helper()
	id := c.bring(op, append([]string{"format", "auto", "file", file}, fields...)...).is(202).str("approval.id")
	c.boris.approve(id).is(200).has(body{"state": "executed"})
	return id
}

// Clause 5.20: a file with seeds in the clear waits outside development, without its
// bytes. Once a second person has allowed it, it may be sent again and is imported
// once, with an incident that those who watch are told of.
func TestClause5_20_SeedsInTheClearTakeTwoPeople(t *testing.T) {
	c := newChamber(t)
	op := c.as("operator")
	plain, _ := seedFile(3)
	for name, file := range map[string]string{"oath-csv": oathFile("P", 3), "pskc": plain} {
		t.Run(name, func(t *testing.T) {
			c.T = t
			send := func(fields ...string) *answer {
				return c.bring(op, append([]string{"format", "auto", "batch", "B-1", "branch", "Baku", "file", file}, fields...)...)
			}
			before := c.Count("incident.opened", "", "import.plain-seeds")
			waits := send().is(202)
			waits.has(body{"id": nil, "state": nil})
			id := waits.str("approval.id")
			if again := send().is(202).str("approval.id"); again != id {
				t.Errorf("sent again while it waits, it is asked for again: %s, %s", id, again)
			}
			c.boris.login()
			seen := c.boris.ask("GET", "/v1/approvals/"+id, nil).is(200)
			seen.has(body{
				"state": "waiting", "act": "POST /v1/token-imports", "request.body.file.size": float64(len(file)), "request.body.file.name": "seeds.xml",
				"request.body.file.format": name, "request.body.file.profile": "oath", "request.body.file.batch": "B-1", "request.body.file.branch": "Baku",
			})
			if sum := seen.str("request.body.file.sha256"); len(sum) != 64 {
				t.Errorf("sha256 %q", sum)
			}
			c.boris.approve(id).is(200).has(body{"state": "executed", "result.import": seen.str("request.body.import")})
			if c.Count("incident.opened", "", "import.plain-seeds") != before {
				t.Error("an incident before anything was imported")
			}
			// Another batch, branch or profile, and another file, are asked for anew.
			other := file + "\n"
			for _, x := range [][]string{{"batch", "B-2", "branch", "Baku", "file", file}, {"batch", "B-1", "branch", "Ganja", "file", file}, {"batch", "B-1", "file", file}, {"profile", "feitian-c200", "batch", "B-1", "branch", "Baku", "file", file}, {"batch", "B-1", "branch", "Baku", "file", other}} {
				a := c.bring(op, append([]string{"format", "auto"}, x...)...).is(202)
				if a.str("approval.id") == id {
					t.Errorf("%q is permitted", x[:len(x)-1])
				}
			}
			job := send().is(202)
			if job.str("id") != seen.str("request.body.import") {
				t.Errorf("%s was permitted and %s is imported", seen.str("request.body.import"), job.str("id"))
			}
			c.ended(job.str("id")).has(body{"state": "completed", "total": 3.0, "imported": 3.0, "rejected": 0.0})
			if n := c.Count("incident.opened", "", "import.plain-seeds") - before; n != 1 {
				t.Errorf("%d incidents", n)
			}
			for _, who := range []string{"anna", "boris"} {
				if c.notices(parties.Subject(who))["import-plain-seeds email"] == "" {
					t.Errorf("%s was not told", who)
				}
			}
			in := c.ask(c.as("security"), "GET", "/v1/incidents", nil).is(200)
			for _, want := range []string{job.str("sha256"), `"B-1"`, "~boris", id} {
				if text := in.str("items.0.content"); !strings.Contains(text, want) {
					t.Errorf("the incident does not tell %s: %s", want, text)
				}
			}
			// Once more is another import, which nobody has permitted.
			if next := send().is(202).str("approval.id"); next == id {
				t.Error("the permit is good twice")
			}
			if n := c.Count("import.begun", "", ""); n != before+1 {
				t.Errorf("%d imports begun", n)
			}
		})
	}
	c.must(nil, c.Engine.Close())
	store, err := os.ReadFile(c.Path)
	c.must(nil, err)
	for _, seed := range []string{oathSeed, "12345678901234567890"} {
		if strings.Contains(string(store), seed) {
			t.Error("the store has a seed in the clear")
		}
	}
}

// A permit ends after a day, and is gone with its import whatever became of it.
func TestClause5_20_APermitEnds(t *testing.T) {
	c := newChamber(t)
	op := c.as("operator")
	file := oathFile("E", 2)
	id := c.allowed(op, file)
	c.Clock.Forward(24*time.Hour + time.Second)
	next := c.bring(op, "format", "auto", "file", file).is(202).str("approval.id")
	if next == id {
		t.Fatal("an expired permit")
	}
	c.boris.approve(next).is(200)
	job := c.bring(op, "format", "auto", "file", file).is(202).str("id")
	c.ended(job).has(body{"state": "completed", "imported": 2.0})

	// A file that is refused has had its permit.
	bad := oathFile("F", 2) + "no row\n" + strings.Repeat("x", 5000) + "\n"
	c.allowed(op, bad)
	job = c.bring(op, "format", "auto", "file", bad).is(202).str("id")
	c.ended(job).has(body{"state": "failed", "imported": 0.0})
	c.bring(op, "format", "auto", "file", bad).is(202).has(body{"id": nil})

	// Rejected, or not decided in time, it may be asked for again.
	file = oathFile("G", 2)
	first := c.bring(op, "format", "auto", "file", file).is(202).str("approval.id")
	c.boris.ask("POST", "/v1/approvals/"+first+"/reject", body{"authentication": c.boris.proofFor(first), "reason": "not expected"}).is(200)
	second := c.bring(op, "format", "auto", "file", file).is(202).str("approval.id")
	c.Clock.Forward(24*time.Hour + time.Second)
	third := c.bring(op, "format", "auto", "file", file).is(202).str("approval.id")
	if first == second || second == third {
		t.Errorf("%s, %s, %s", first, second, third)
	}
	c.boris.approve(second).refused(410, "expired")
	c.boris.approve(third).is(200)
	c.ended(c.bring(op, "format", "oath-csv", "file", file).is(202).str("id")).has(body{"imported": 2.0})
}

// What nobody may ask for is told at once; nobody decides what he asked for himself.
func TestClause5_20_WhatIsNoFileInTheClear(t *testing.T) {
	c := newChamber(t)
	op := c.as("operator")
	encrypted := string(pskctest.File{Keys: []pskctest.Key{{Serial: "X-1", Secret: []byte("12345678901234567890")}}}.Encrypted([]byte("0123456789abcdef")))
	c.bring(op, "format", "auto", "file", encrypted).faulty("transport_key")
	c.bring(op, "format", "auto", "file", "what is this?\n").faulty("format")
	c.bring(op, "format", "auto", "transport_key", "acme", "file", oathFile("X", 1)).faulty("transport_key")
	c.bring(op, "format", "auto", "profile", "no-such", "file", oathFile("X", 1)).faulty("profile")
	if n := c.Count("approval.asked", "", ""); n != 1 { // boris
		t.Errorf("%d were asked for", n)
	}
	// With an encrypted seed among those in the clear it is refused even when permitted.
	plain, _ := seedFile(2)
	from, to := strings.Index(plain, "<Secret>"), strings.Index(plain, "</Secret>")
	mixed := encrypted[:strings.Index(encrypted, "<EncryptionKey>")] + plain[strings.Index(plain, "<KeyPackage>"):from] +
		encrypted[strings.Index(encrypted, "<Secret>"):strings.Index(encrypted, "</Secret>")] + plain[to:]
	c.allowed(op, mixed)
	job := c.bring(op, "format", "auto", "file", mixed).is(202).str("id")
	o := c.ended(job)
	if o.has(body{"state": "failed", "imported": 0.0}); !strings.Contains(o.str("error"), "a value is encrypted") {
		t.Errorf("mixed: %s", o.str("error"))
	}

	own := c.hired(c.anna, "carla", parties.Operator)
	own.login()
	kind, b := form("format", "auto", "file", oathFile("Y", 1))
	id := c.send(http.Header{"Authorization": {"Bearer " + own.token}, "Content-Type": {kind}}, "POST", "/v1/token-imports", strings.NewReader(string(b))).is(202).str("approval.id")
	own.ask("GET", "/v1/approvals/"+id, nil).refused(403, "forbidden")
	c.boris.approve(id).is(200).has(body{"maker": "~carla"})
}

// cutting is an HSM that is away after so many seeds.
type cutting struct {
	hsm.Module
	mu   sync.Mutex
	left int
}

func (m *cutting) WrapSeed(ctx context.Context, seed []byte) (hsm.WrappedSeed, error) {
	m.mu.Lock()
	m.left--
	away := m.left < 0
	m.mu.Unlock()
	if away {
		clear(seed)
		return hsm.WrappedSeed{}, &hsm.Fault{Class: hsm.ClassDevice, Err: errors.New("away")}
	}
	return m.Module.WrapSeed(ctx, seed)
}

// A permitted import that was cut off goes on without another permit, also when
// nothing was in, and with one incident.
func TestClause5_20_APermittedImportGoesOn(t *testing.T) {
	for _, at := range []int{0, 300} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			c := newChamber(t)
			op := c.as("operator")
			file := oathFile("K", 500)
			c.allowed(op, file)
			was := c.Enrollment.HSM
			c.Enrollment.HSM = &cutting{Module: was, left: at}
			job := c.bring(op, "format", "auto", "file", file).is(202).str("id")
			c.ended(job).has(body{"state": "failed", "imported": float64(at / 200 * 200)})
			c.Enrollment.HSM = was
			c.Clock.Forward(48 * time.Hour)
			again := c.bring(op, "format", "auto", "file", file).is(202)
			if again.str("id") != job {
				t.Fatalf("it is another import: %s", again.str("id"))
			}
			c.ended(job).has(body{"state": "completed", "imported": 500.0, "rejected": 0.0})
			if n := c.Count("incident.opened", "", "import.plain-seeds"); n != 1 {
				t.Errorf("%d incidents", n)
			}
			c.bring(op, "format", "auto", "file", file).is(202).has(body{"id": nil})
		})
	}
}

// The same file sent many times at once under one permit is imported once.
func TestClause5_20_APermitIsUsedOnce(t *testing.T) {
	c := newChamber(t)
	op := c.as("operator")
	file := oathFile("O", 50)
	c.allowed(op, file)
	kind, b := form("format", "auto", "file", file)
	var all sync.WaitGroup
	got := make([]*answer, 4)
	for i := range got {
		all.Go(func() {
			got[i] = c.send(http.Header{"Authorization": {"Bearer " + op}, "Content-Type": {kind}}, "POST", "/v1/token-imports", strings.NewReader(string(b)))
		})
	}
	all.Wait()
	begun := ""
	for _, a := range got {
		switch {
		case a.status == 202 && strings.Contains(string(a.body), `"approval"`): // when the first had ended
		case a.status == 202 && begun == "":
			begun = a.is(202).str("id")
		case a.status != 409:
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	c.ended(begun).has(body{"state": "completed", "imported": 50.0})
	if n := c.Count("incident.opened", "", "import.plain-seeds"); n != 1 || c.Count("import.begun", "", "") != 1 {
		t.Errorf("%d incidents, %d imports", n, c.Count("import.begun", "", ""))
	}
}

// Clause 5.27: who can write to the store permits nothing by it.
func TestClause5_27_AnEditedPermitPermitsNothing(t *testing.T) {
	c := newChamber(t)
	op := c.as("operator")
	send := func(file string) *answer { return c.bring(op, "format", "auto", "file", file) }
	permit := func(approval string) tokens.Permit {
		t.Helper()
		c.boris.login()
		id := c.boris.ask("GET", "/v1/approvals/"+approval, nil).is(200).str("request.body.import")
		p, err := c.Engine.Permit(t.Context(), id)
		c.must(nil, err)
		return p
	}
	edit := func(p tokens.Permit, change func(*tokens.Permit)) {
		change(&p)
		p.Version++
		c.past(tokens.SavePermit{Permit: p})
	}
	waiting := oathFile("W", 1)
	edit(permit(send(waiting).is(202).str("approval.id")), func(p *tokens.Permit) {
		p.State, p.Checker, p.ExpiresAt = tokens.PermitOpen, "~boris", c.Clock.Now().Add(time.Hour)
	})
	send(waiting).refused(503, "unavailable")

	late := oathFile("L", 1)
	p := permit(c.allowed(op, late))
	c.Clock.Forward(25 * time.Hour)
	edit(p, func(p *tokens.Permit) { p.ExpiresAt = p.ExpiresAt.Add(time.Hour * 48) })
	send(late).refused(503, "unavailable")

	// An import that never was, as one that was cut off; and one that ended, begun again.
	none := oathFile("N", 1)
	p = permit(send(none).is(202).str("approval.id"))
	c.past(tokens.SaveImport{Import: tokens.Import{ID: p.ID, State: tokens.ImportFailed, Imported: 1, Cut: true, Format: "oath-csv", SHA256: p.File.SHA256, CreatedAt: c.Clock.Now(), Version: 1}})
	send(none).refused(409, "conflict")
	ended := oathFile("M", 1)
	p = permit(c.allowed(op, ended))
	c.ended(send(ended).is(202).str("id")).has(body{"state": "completed"})
	job, err := c.Engine.Import(t.Context(), p.ID)
	c.must(nil, err)
	job.State, job.Cut, job.Version = tokens.ImportFailed, true, job.Version+1
	c.past(tokens.SaveImport{Import: job})
	send(ended).refused(409, "conflict")
	if n := c.Count("import.begun", "", ""); n != 1 {
		t.Errorf("%d imports begun", n)
	}
}

// The decision and the permit are one write, and a permit that is there is not made
// again by an approval of before.
func TestClause5_20_APermitFollowsItsOwnApproval(t *testing.T) {
	c := newChamber(t)
	op := c.as("operator")
	file := oathFile("A", 1)
	first := c.bring(op, "format", "auto", "file", file).is(202).str("approval.id")
	request, err := c.Store.Approval(t.Context(), first)
	c.must(nil, err)
	asked, err := c.Approvals.Request(t.Context(), request)
	c.must(nil, err)
	// The same request under another approval, as a client of old might store it.
	second, err := c.Approvals.Ask(t.Context(), parties.Caller{Kind: "client", ID: request.Maker.ID, Name: "operator", Roles: []parties.Role{parties.Operator}}, approval.Request{Act: asked.Act, Body: asked.Body})
	c.must(nil, err)
	c.boris.approve(second.ID).refused(409, "conflict")
	c.boris.approve(first).is(200)
	c.ended(c.bring(op, "format", "auto", "file", file).is(202).str("id")).has(body{"imported": 1.0})
}

// spooled finds the file in the spool, which has no name any more, and takes hold of it.
func spooled(t *testing.T, dir string) (kept *os.File) {
	t.Helper()
	eventually(t, "nothing is in the spool", func() bool {
		open, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range open {
			if name, err := os.Readlink(fd); err == nil && strings.HasPrefix(name, dir) && strings.HasSuffix(name, "(deleted)") {
				kept, err = os.Open(fd)
				return err == nil
			}
		}
		return false
	})
	return kept
}

// Clause 5.3.1: a file in the clear is overwritten in the spool before it is let go,
// whatever became of it.
func TestClause5_3_1_TheSpoolKeepsNoSeedInTheClear(t *testing.T) {
	c := newChamber(t)
	op := c.as("operator")
	file := oathFile("Z", 200)
	send := func(fields ...string) *answer {
		t.Helper()
		kind, b := form(append(append([]string{"format", "auto"}, fields...), "file", file)...)
		r, w := io.Pipe()
		half := make(chan *os.File)
		go func() {
			w.Write(b[:len(b)/2])
			kept := spooled(t, c.spool)
			w.Write(b[len(b)/2:])
			w.Close()
			half <- kept
		}()
		a := c.send(http.Header{"Authorization": {"Bearer " + op}, "Content-Type": {kind}}, "POST", "/v1/token-imports", r)
		kept := <-half
		defer kept.Close()
		eventually(t, "the seeds are still in the spool", func() bool {
			rest, err := io.ReadAll(io.NewSectionReader(kept, 0, 1<<30))
			return err == nil && len(rest) == len(file) && strings.Trim(string(rest), "\x00") == ""
		})
		return a
	}
	send("profile", "no-such").faulty("profile")
	send("password", "by mistake")
	id := send().is(202).str("approval.id")
	c.boris.approve(id).is(200)
	c.ended(send().is(202).str("id")).has(body{"imported": 200.0})
	if left, _ := filepath.Glob(filepath.Join(c.spool, "*")); len(left) != 0 {
		t.Errorf("the spool has %v", left)
	}
}
