// Package cardtest is a smart card for tests, with everything between it and a
// program: a virtual PIV card (NIST SP 800-73) in a virtual reader, and a pcscd of
// its own. What drives the card is what drives a real one: PC/SC, OpenSC and
// whatever is built on them.
//
//	stack := cardtest.NewStack(t)
//	card := cardtest.New(cardtest.Settings{PIN: "123456"})
//	card.Put(cardtest.Authentication, key, certificate.Raw)
//	stack.Insert(card)
//	out, err := stack.Command("pkcs11-tool", "--module", cardtest.OpenSC(t), "-L").CombinedOutput()
//
// Several stacks run side by side. A program finds its one by an environment
// variable; libpcsclite reads that once in a process, so that a process that
// speaks PC/SC itself has one stack.
package cardtest
