package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelp: every command says in a line what it does and shows how it is
// called.
func TestHelp(t *testing.T) {
	var look func(cmd *cobra.Command)
	seen := 0
	look = func(cmd *cobra.Command) {
		seen++
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its one line is %q", cmd.CommandPath(), cmd.Short)
		}
		if !strings.Contains(cmd.Example, "mohur") {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		if cmd.Args == nil {
			t.Errorf("%s takes any arguments", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			look(sub)
		}
	}
	look((&program{}).root())
	if seen < 15 {
		t.Errorf("only %d commands were looked at", seen)
	}
}
