package agent_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"mohur/agent/dialog"
	"mohur/agent/dialog/dialogtest"
)

func TestTrial(t *testing.T) {
	d := newDesk(t, "RSA-2048", "P-384", "sign:P-256")
	d.shown = dialogtest.New(rightPIN, rightPIN, rightPIN)
	done, err := d.agent.Trial(t.Context(), false)
	if err != nil || len(done) != 3 {
		t.Fatalf("%+v, %v", done, err)
	}
	all, err := json.Marshal(done)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"RSA-2048"`, `"RS256"`, `"ES384"`, `"P-256"`} {
		if !strings.Contains(string(all), part) {
			t.Errorf("%s is not in %s", part, all)
		}
	}
	if strings.Contains(string(all), "fault") || !strings.Contains(d.shown.All(), "nothing is sent to the bank") {
		t.Errorf("%s, the customer was shown\n%s", all, d.shown.All())
	}
	d.card.Set(t, "wrong", 1)
	d.shown = dialogtest.New(rightPIN, rightPIN, rightPIN)
	if done, err := d.agent.Trial(t.Context(), false); err != nil || len(done) != 3 || !strings.Contains(done[0].Fault, "does not fit its certificate") {
		t.Errorf("a wrong signature: %+v, %v", done, err)
	}
	d.shown = dialogtest.New(dialogtest.Answer{Cancel: true})
	if _, err := d.agent.Trial(t.Context(), false); !errors.Is(err, dialog.ErrCancelled) {
		t.Errorf("cancelled: %v", err)
	}
	d.card.Set(t, "gone", 1)
	if done, err := d.agent.Trial(t.Context(), true); err == nil {
		t.Errorf("without a card: %+v", done)
	}
}
