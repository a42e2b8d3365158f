//go:build !cardscript

package main

import (
	"mohur/agent/dialog"
	"mohur/agent/words"
)

// dialogs are those of the desktop or the terminal.
func dialogs(l words.Language, preferTerminal bool) (dialog.Dialog, error) {
	return dialog.System(l, preferTerminal)
}
