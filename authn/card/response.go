package card

import (
	"context"
)

// response is the answer to card-sign: that of Web eID's sign command, with the
// certificate of its get-signing-certificate.
type response struct {
	Certificate string `json:"certificate"`
	Signature   string `json:"signature"`
	Algorithm   struct {
		Crypto  string `json:"cryptoAlgorithm"`
		Hash    string `json:"hashFunction"`
		Padding string `json:"paddingScheme"`
	} `json:"signatureAlgorithm"`
}

// names are the algorithms by crypto algorithm and padding, without their size.
var names = map[[2]string]string{{"ECC", "NONE"}: "ES", {"RSA", "PKCS1.5"}: "RS", {"RSA", "PSS"}: "PS"}

// sizes are those of the hash functions.
var sizes = map[string]string{"SHA-256": "256", "SHA-384": "384", "SHA-512": "512"}

// name is the algorithm as JWA has it; "" if it has none.
func (r response) name() string {
	family, size := names[[2]string{r.Algorithm.Crypto, r.Algorithm.Padding}], sizes[r.Algorithm.Hash]
	if family == "" || size == "" {
		return ""
	}
	return family + size
}

func parseResponse(text []byte) (r response, certificate, signature []byte, err error) {
	if err := decode(text, MalformedResponse, &r); err != nil {
		return r, nil, nil, err
	}
	if certificate, err = binary(r.Certificate); err != nil {
		return r, nil, nil, refuse(MalformedResponse, "certificate: not base64: %v", err)
	}
	if signature, err = binary(r.Signature); err != nil {
		return r, nil, nil, refuse(MalformedResponse, "signature: not base64: %v", err)
	}
	return r, certificate, signature, nil
}

// PeekResponse returns the certificate an answer to card-sign brings, as Peek does
// of a token.
func PeekResponse(response []byte) (certificate []byte, ok bool) {
	_, certificate, _, err := parseResponse(response)
	return certificate, err == nil
}

// VerifySignature judges an answer to card-sign: the text was signed, as the hash
// of its algorithm, by a key whose certificate is for signing documents. ES256 goes
// with P-256, ES384 with P-384, ES512 with P-521. Nothing shows that somebody saw
// the text: a page can have a stock application sign any hash.
func (v *Verifier) VerifySignature(ctx context.Context, in SignatureInput) Verdict {
	return guarded(func(out *Verdict) error { return v.signature(ctx, in, out) })
}

func (v *Verifier) signature(ctx context.Context, in SignatureInput, out *Verdict) error {
	if len(in.Text) == 0 || in.At.IsZero() {
		return refuse(CallerFault, "no time or no text")
	}
	r, der, signature, err := parseResponse(in.Response)
	if err != nil {
		return err
	}
	c, err := v.certificate(ctx, der, sign, in.At, in.Stored, out)
	if err != nil {
		return err
	}
	name := r.name()
	if name == "" {
		return refuse(WrongAlgorithm, "%q, %q, %q", r.Algorithm.Crypto, r.Algorithm.Hash, r.Algorithm.Padding)
	}
	a, err := c.profile.accepted(name, c.PublicKey)
	if err != nil {
		return err
	}
	if !a.verify(c.PublicKey, a.sum(in.Text), signature) {
		return refuse(WrongSignature, "%s", name)
	}
	if err := v.inForce(ctx, c, in.At, out); err != nil {
		return err
	}
	cms, err := signedData(c.chain, a, signature)
	if err != nil {
		return err
	}
	out.Record, out.Algorithm, out.Shown, out.CMS = c.record, name, ShownNone, cms
	out.Record.Algorithm = name
	return nil
}
