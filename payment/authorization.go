package payment

import (
	"encoding/base64"

	"mohur/hsm"
	"mohur/ident"
	"mohur/jws"
	"mohur/problem"
)

// AuthorizationType is the typ of an authorization.
const AuthorizationType = "mohur-authorization+jwt"

// Authorization is what the core banking system executes, once.
type Authorization struct {
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
	ID        string   `json:"jti"`
	Txn       string   `json:"txn"`
	Reference string   `json:"reference"`
	Amount    Money    `json:"amount"`
	Payer     Party    `json:"payer"`
	Holder    string   `json:"holder,omitempty"`
	Payee     Party    `json:"payee,omitzero"`
	Batch     *Batch   `json:"batch,omitempty"`  // in place of payee
	SHA256    string   `json:"sha256,omitempty"` // base64url of the linked text's hash
	ACR       string   `json:"acr,omitempty"`
	Shown     string   `json:"shown,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	Exemption string   `json:"exemption,omitempty"`
	Policy    int      `json:"policy_version"`

	// Signatures are there for a holder's payment. acr, shown and amr are then the
	// weakest of them, and sha256 is that of the last one.
	Signatures []SignatureClaim `json:"signatures,omitempty"`
}

// SignatureClaim is one signature in an authorization.
type SignatureClaim struct {
	Subject string   `json:"sub"` // the customer who signed
	At      int64    `json:"iat"`
	ACR     string   `json:"acr"`
	Shown   string   `json:"shown"`
	AMR     []string `json:"amr"`
	SHA256  string   `json:"sha256"` // base64url of the hash of his own linked text
}

// authorize signs the authorization of an approved transaction and seals it
// into the record. It leaves the server only after the record is durable.
func (x *draft) authorize() error {
	s, t := x.service, &x.t
	if t.home() <= 0 { // nobody knows which band it is in
		return unrated(*t)
	}
	t.JTI = ident.New("au")
	claims := Authorization{
		Issuer: s.Issuer, Audience: "core", IssuedAt: x.now.Unix(), NotBefore: x.now.Unix(), Expires: x.now.Add(authorizationLife).Unix(),
		ID: t.JTI, Txn: t.ID, Reference: t.Reference, Amount: FromMinor(t.Minor, t.Currency), Payer: x.d.Payer, Holder: x.d.Holder, Payee: x.d.Payee,
		ACR: t.ACR, Shown: t.Shown, AMR: t.AMR, Exemption: t.Exemption, Policy: t.Policy,
	}
	if len(t.SHA256) > 0 && t.Exemption == "" {
		claims.SHA256 = base64.RawURLEncoding.EncodeToString(t.SHA256)
	}
	var err error
	if claims.Batch, err = x.d.named(); err != nil {
		return err
	}
	for _, sig := range t.Signatures {
		claims.Signatures = append(claims.Signatures, SignatureClaim{
			Subject: sig.Customer, At: sig.At.Unix(), ACR: sig.ACR, Shown: sig.Shown, AMR: sig.AMR, SHA256: base64.RawURLEncoding.EncodeToString(sig.SHA256),
		})
	}
	text, err := jws.Sign(x.ctx, s.HSM, hsm.AuthorizationSigning, AuthorizationType, claims)
	if err != nil {
		return problem.Away(err)
	}
	if t.Authorization, err = s.Keys.Seal(x.ctx, x.customer.Key, AuthorizationPlace(t.ID), []byte(text)); err != nil {
		return problem.Away(err)
	}
	return nil
}
