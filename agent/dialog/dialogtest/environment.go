package dialogtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"mohur/agent/dialog"
)

// Variable names the file with the answers, a JSON list such as
// [{"PIN":"1234"},{"Yes":true}]. What is shown is appended to the file of that
// name with ".shown" behind it.
const Variable = "MOHUR_CARD_SCRIPT"

// FromEnvironment returns a dialog that answers by the file that Variable names,
// for a program that a test has built and a browser starts.
func FromEnvironment() (dialog.Dialog, error) {
	file := os.Getenv(Variable)
	if file == "" {
		return nil, errors.New("dialogtest: $" + Variable + " names no file")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var answers []Answer
	if err := json.Unmarshal(text, &answers); err != nil {
		return nil, err
	}
	return recorder{New(answers...), file + ".shown"}, nil
}

// recorder writes down what a script has shown.
type recorder struct {
	script *Script
	file   string
}

func (r recorder) record() {
	shown := r.script.Shown()
	last := shown[len(shown)-1]
	f, err := os.OpenFile(r.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	if _, err := fmt.Fprintf(f, "[%s] %s\n", last.Kind, last.Text()); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
}

// Confirm implements dialog.Dialog.
func (r recorder) Confirm(ctx context.Context, p dialog.Page) error {
	defer r.record()
	return r.script.Confirm(ctx, p)
}

// PIN implements dialog.Dialog.
func (r recorder) PIN(ctx context.Context, p dialog.Page) ([]byte, error) {
	defer r.record()
	return r.script.PIN(ctx, p)
}

// Choose implements dialog.Dialog.
func (r recorder) Choose(ctx context.Context, p dialog.Page, choices []string) (int, error) {
	defer r.record()
	return r.script.Choose(ctx, p, choices)
}

// Tell implements dialog.Dialog.
func (r recorder) Tell(ctx context.Context, p dialog.Page) error {
	defer r.record()
	return r.script.Tell(ctx, p)
}
