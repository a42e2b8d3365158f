// Command mohur is the server and its command line: flags, configuration,
// wiring and signals, nothing else. Whatever decides about a person or a payment
// is below, in the packages it puts together.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr, exec: syscall.Exec}
	os.Exit(p.main(ctx, os.Args[1:]))
}
