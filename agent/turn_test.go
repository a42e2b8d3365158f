package agent_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"mohur/agent"
	"mohur/agent/agenttest"
	"mohur/agent/dialog/dialogtest"
)

// Two pages start two processes, which know of each other by a lock only: here two
// agents with a directory in common.
func TestOneDialogAtATimeIsBeforeTheCustomer(t *testing.T) {
	one, two := newDesk(t, "P-256"), newDesk(t, "P-256")
	one.agent.Runtime = t.TempDir()
	two.agent.Runtime = one.agent.Runtime
	text := two.site.Text("login", nil)

	// The second waits while the first is answered, and is served then.
	first, second := make(chan error, 1), make(chan error, 1)
	_, err := one.logIn(one.site.Text("login", nil), dialogtest.Answer{PIN: agenttest.PIN, Before: func() {
		go func() { _, err := two.logIn(text, rightPIN); second <- err }()
		time.Sleep(300 * time.Millisecond)
		select {
		case err := <-second:
			t.Errorf("the second did not wait: %v", err)
		default:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Errorf("the second: %v", err)
	}

	// A customer who does not answer: the second is told.
	asked, done := make(chan struct{}), make(chan struct{})
	go func() {
		_, err := one.logIn(one.site.Text("login", nil), dialogtest.Answer{PIN: agenttest.PIN, Before: func() { close(asked); <-done }})
		first <- err
	}()
	<-asked
	_, err = two.logIn(text)
	if code(err) != agent.CodeFatal || !strings.Contains(err.Error(), "another request is before the customer") || len(two.shown.Shown()) != 0 {
		t.Errorf("beside an open dialog: %v\n%s", err, two.shown.All())
	}
	// A page that is not the bank's neither waits for that nor keeps the bank's waiting.
	_, err = two.do(agent.Authenticate, map[string]any{"challengeNonce": agenttest.Nonce(text), "origin": "https://thief.example"})
	two.refused("another site", err, agent.CodeFatal, "not a site of the bank")
	close(done)
	if err := <-first; err != nil {
		t.Errorf("the first: %v", err)
	}

	if err := os.WriteFile(one.agent.Runtime+"-file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	one.agent.Runtime += "-file"
	if _, err := one.logIn(one.site.Text("login", nil)); code(err) != agent.CodeFatal || !strings.Contains(err.Error(), "lock cannot be made") {
		t.Errorf("without a place for the lock: %v", err)
	}
}
