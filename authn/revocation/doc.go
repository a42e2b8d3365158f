// Package revocation finds out whether a certificate is revoked: by OCSP (RFC
// 6960, RFC 9654) and by lists of revoked certificates (CRL, RFC 5280).
//
// It fails closed. Only an answer that is signed by the certificate's issuer or
// by a responder the issuer named, is for exactly this certificate, is in force
// at the stated time and says good is Good; everything else refuses, and so does
// the zero Status. A certificate that is known revoked stays so until a later
// signed statement says otherwise. The only way past an issuer that is away is
// Rules.Grace, which a bank has to state.
//
// It is a leaf: no store and no HSM. It contacts nothing but the addresses of the
// rules; an address in a certificate is used only if the rules allow it. It calls
// the network for whatever certificate it is given, so the caller verifies the
// chain first.
package revocation
