// Package pskc reads RFC 6030 PSKC files, the form in which manufacturers
// deliver the seeds of one-time password tokens, and gives them out key by key.
//
// Against whom: the file comes from outside and is hostile until proven
// otherwise. It cannot make the server fetch anything, expand anything or hold
// more than one key package in memory: document type declarations, entities,
// processing instructions and references outside the file are refused, and
// depth, attributes, tokens, keys and bytes are bounded. Nobody who lacks the
// transport key can change a seed: every MAC of the file is checked before the
// first key is given out, and each again before its value is decrypted.
//
// A file is refused as a whole (*FileError, nothing given out) when it is not
// a PSKC document, when a MAC does not fit or protection is missing. A faulty
// record in a sound file is rejected by serial and reason (Rejection), never
// used in part, and the rest goes in. What the file does not state is never
// guessed, a key under a policy this package does not understand is not used.
//
// What is not promised: the MAC of RFC 6030 covers the encrypted values alone.
// Who can change the file on its way can exchange serials, counters and digits,
// or move a whole encrypted value to another serial; a signature (section 8)
// would prevent that and is only reported, not verified (Summary.Signed).
// Clearing of seeds is done for every buffer this package can reach, which in
// Go is a good effort and not a proof.
package pskc

import "context"

// The XML namespaces of RFC 6030 section 3 and of the standards it builds on.
const (
	nsPSKC   = "urn:ietf:params:xml:ns:keyprov:pskc"
	nsDSig   = "http://www.w3.org/2000/09/xmldsig#"
	nsXEnc   = "http://www.w3.org/2001/04/xmlenc#"
	nsXEnc11 = "http://www.w3.org/2009/xmlenc11#"
)

// Decrypter is the transport key of one import: the caller has chosen it by
// name, and the key itself stays in the HSM. DecryptCBC decrypts whole AES-CBC
// blocks and leaves the padding on; with a key that does not belong to the file
// it returns noise and no error. An error is a fault of the HSM, ends the
// reading and is returned as it is: it says nothing about the file. Calls come
// one at a time.
type Decrypter interface {
	DecryptCBC(ctx context.Context, iv, ciphertext []byte) ([]byte, error)
}
