// Package linked finds out what a card is asked to sign. A page gives the card
// agent only a hash; the text behind it comes from the bank's own site, is held
// against the hash, read strictly and made into lines that a person can judge.
// Whatever is unknown, different, too old or from elsewhere is an error, and then
// nothing is signed.
package linked
