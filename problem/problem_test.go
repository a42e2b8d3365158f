package problem_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mohur/problem"
)

func TestCheckTellsEveryFault(t *testing.T) {
	var c problem.Check
	c.Unless(true, "fine", "never seen")
	if c.Err() != nil {
		t.Fatal("a fault where there is none")
	}
	c.Unless(false, "a", "one")
	c.Unless(false, "b", "two")
	err := c.Err()
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Invalid || len(p.Fields) != 2 || p.Fields[0] != (problem.Field{Field: "a", Message: "one"}) {
		t.Fatalf("%+v", err)
	}
	if s := err.Error(); !strings.Contains(s, "a: one") || !strings.Contains(s, "b: two") || strings.Contains(s, "fine") {
		t.Error(s)
	}
}

func TestIs(t *testing.T) {
	cause := errors.New("disk")
	err := fmt.Errorf("around: %w", problem.Away(cause))
	if !problem.Is(err, problem.Unavailable) || problem.Is(err, problem.NotFound) || !errors.Is(err, cause) {
		t.Error(err)
	}
	if problem.Is(cause, problem.Unavailable) || problem.Is(nil, problem.Unavailable) {
		t.Error("not every error is a refusal")
	}
}
