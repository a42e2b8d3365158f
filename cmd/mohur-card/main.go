// Command mohur-card is the customer's card agent: the program on his machine that
// a page of the bank reaches his card through. It is flags, files and signals; what
// it does is in package agent.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"mohur/agent"
	"mohur/agent/pkcs11"
)

// version is set when the binary is built (see the Makefile).
var version = "0.0.0"

// releaseKey is the public key of the releases, set when one is built; "": this is
// no release. See package agent/release.
var releaseKey = ""

func main() {
	args := os.Args[1:]
	if len(args) == 1 && args[0] == pkcs11.ChildArgument {
		os.Exit(pkcs11.Child(os.Stdin, os.Stdout))
	}
	pkcs11.NoDumps()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	if agent.IsNativeHost(args) {
		os.Exit(p.native(ctx))
	}
	os.Exit(p.main(ctx, args))
}
