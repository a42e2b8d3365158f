//go:build cardscript

package main

import (
	"mohur/agent/dialog"
	"mohur/agent/dialog/dialogtest"
	"mohur/agent/words"
)

// dialogs answer by themselves, from the file that $MOHUR_CARD_SCRIPT names. Only
// tests build the program so: what is handed out has no such file in it.
func dialogs(words.Language, bool) (dialog.Dialog, error) { return dialogtest.FromEnvironment() }
