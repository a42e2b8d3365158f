// Package pskc reads RFC 6030 PSKC files, the form in which manufacturers
// deliver the seeds of one-time password tokens, and gives them out key by key.
//
// Against whom: the file comes from outside and is hostile until proven
// otherwise. It cannot make the server fetch anything, expand anything or hold
// more than one key package in memory: document type declarations, entities,
// processing instructions and references outside the file are refused, and
// depth, attributes, tokens, keys, iterations and bytes are bounded. Nobody who
// lacks the transport key can change a seed under a MAC: every MAC of the file is
// checked before the first key is given out, and each again before its value is
// decrypted.
//
// A file is refused as a whole (*seedfile.FileError, nothing given out) when it is
// not a PSKC document, when a MAC does not fit, a value does not open or protection
// is missing. A faulty record in a sound file is rejected by serial and reason,
// never used in part, and the rest goes in. What the file does not state is never
// guessed, a key under a policy this package does not understand is not used.
//
// What is not promised: the MAC of RFC 6030 covers the encrypted values alone.
// Who can change the file on its way can exchange serials, counters and digits,
// or move a whole encrypted value to another serial; and who has the certificate
// can make a whole file under a public key. A signature (section 8) would prevent
// that and is only reported, not verified (seedfile.Summary.Signed). Clearing of
// seeds is done for every buffer this package can reach, which in Go is a good
// effort and not a proof.
package pskc

import "mohur/tokens/seedfile"

// The XML namespaces of RFC 6030 section 3 and of the standards it builds on.
const (
	nsPSKC   = "urn:ietf:params:xml:ns:keyprov:pskc"
	nsDSig   = "http://www.w3.org/2000/09/xmldsig#"
	nsMore   = "http://www.w3.org/2001/04/xmldsig-more#"
	nsXEnc   = "http://www.w3.org/2001/04/xmlenc#"
	nsXEnc11 = "http://www.w3.org/2009/xmlenc11#"
	nsPKCS5  = "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#"
)

// Key is what the file gives out, the same as every other format.
type Key = seedfile.Key

// Algorithm is the kind of a key.
type Algorithm = seedfile.Algorithm

// The kinds of keys that are given out.
const (
	HOTP = seedfile.HOTP
	TOTP = seedfile.TOTP
	OCRA = seedfile.OCRA
)
