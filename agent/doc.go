// Package agent is the customer's card agent: it stands between a page of the
// bank and the card in the customer's reader. It signs only for the bank's own
// sites, only what it fetched from them and showed, and only after the PIN, which
// it keeps nowhere. It speaks the native protocol of Web eID, so that the extension
// of Web eID reaches it unchanged, and JSON over loopback HTTP.
//
// It guards against a page that is not the bank's, a page that asks for another
// payment than it shows, and a module that hangs. It does not guard against a
// program that runs as the customer and can draw over its dialogs.
package agent
