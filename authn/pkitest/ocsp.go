package pkitest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net/http"
	"sync"
	"time"
)

// Responder is an OCSP responder (RFC 6960) as an HTTP handler. It says good of
// every certificate but those it was told about, now, for an hour, with the nonce
// of the request, signed by the authority itself. It is safe for concurrent use.
type Responder struct {
	issuer *Pair

	mu      sync.Mutex
	now     func() time.Time
	change  func(*Answer)
	revoked map[string]bool
	asked   int
}

// OCSP makes a responder of the authority.
func (p *Pair) OCSP() *Responder {
	return &Responder{issuer: p, now: time.Now, revoked: map[string]bool{}}
}

// Answer is what a responder answers: what a change may change.
type Answer struct {
	Status               int // 0 good, 1 revoked, 2 unknown
	RevokedAt            time.Time
	Reason               int // CRLReason; 0: none is stated
	Produced, This, Next time.Time
	Nonce                []byte // nil: none
	Serial               *big.Int
	CertID               []byte // DER; nil: the request's, with Serial
	Copies               int    // of the one response
	Signer               *Pair
	With                 []*Pair // certificates sent along
	Algorithm            x509.SignatureAlgorithm
	Failure              int // OCSPResponseStatus, as 3 for tryLater; 0: none
	Extension            *pkix.Extension
	Tamper               func(der []byte) []byte
	Delay                time.Duration
	Code                 int // of HTTP
}

// Change has every later answer changed; nil ends that.
func (r *Responder) Change(change func(*Answer)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change = change
}

// Revoke revokes the certificate.
func (r *Responder) Revoke(c *Pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[c.SerialNumber.String()] = true
}

// Clock has the responder go by another clock than the machine's.
func (r *Responder) Clock(now func() time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = now
}

// Asked is how many requests there were.
func (r *Responder) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// ServeHTTP answers one request, POST only.
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<16))
	if err != nil || req.Method != http.MethodPost {
		http.Error(w, "no request", http.StatusBadRequest)
		return
	}
	der, answer, err := r.Answer(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(answer.Delay):
	case <-req.Context().Done():
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	w.WriteHeader(answer.Code)
	_, _ = w.Write(der)
}

// Answer answers a request (DER), without HTTP.
func (r *Responder) Answer(request []byte) (der []byte, a Answer, err error) {
	var q ocspRequest
	if rest, err := asn1.Unmarshal(request, &q); err != nil || len(rest) != 0 || len(q.TBS.List) != 1 {
		return nil, a, errors.New("not an OCSP request for one certificate")
	}
	asked := q.TBS.List[0]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	now := r.now()
	a = Answer{Produced: now, This: now, Next: now.Add(time.Hour), Serial: asked.ID.Serial, Copies: 1, Signer: r.issuer, Code: http.StatusOK}
	for _, e := range q.TBS.Extensions {
		if e.Id.Equal(oidNonce) {
			a.Nonce = e.Value
		}
	}
	if r.revoked[asked.ID.Serial.String()] {
		a.Status, a.RevokedAt, a.Reason = 1, now.Add(-time.Hour), 1
	}
	if r.change != nil {
		r.change(&a)
	}
	der, err = a.sign(asked.ID)
	return der, a, err
}

var (
	oidNonce = OID("1.3.6.1.5.5.7.48.1.2")
	oidBasic = OID("1.3.6.1.5.5.7.48.1.1")
)

type ocspRequest struct {
	TBS struct {
		Version    int           `asn1:"explicit,tag:0,default:0,optional"`
		Requestor  asn1.RawValue `asn1:"explicit,tag:1,optional"`
		List       []ocspAsked
		Extensions []pkix.Extension `asn1:"explicit,tag:2,optional"`
	}
}

type ocspAsked struct{ ID certID }

type certID struct {
	Hash   pkix.AlgorithmIdentifier
	Name   []byte
	Key    []byte
	Serial *big.Int
}

type ocspResponse struct {
	Status asn1.Enumerated
	Bytes  struct {
		Type     asn1.ObjectIdentifier
		Response []byte
	} `asn1:"explicit,tag:0,optional"`
}

type basicResponse struct {
	TBS       asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
	Certs     []asn1.RawValue `asn1:"explicit,tag:0,optional"`
}

type responseData struct {
	ResponderID asn1.RawValue
	Produced    time.Time `asn1:"generalized"`
	Responses   []asn1.RawValue
	Extensions  []pkix.Extension `asn1:"explicit,tag:1,optional"`
}

type singleResponse struct {
	ID     asn1.RawValue
	Status asn1.RawValue
	This   time.Time `asn1:"generalized"`
	Next   time.Time `asn1:"generalized,explicit,tag:0,optional"`
}

func (a *Answer) sign(id certID) ([]byte, error) {
	if a.Failure != 0 {
		return asn1.Marshal(struct{ Status asn1.Enumerated }{asn1.Enumerated(a.Failure)})
	}
	single, err := a.single(id)
	if err != nil {
		return nil, err
	}
	key := sha1.Sum(publicKey(a.Signer.Certificate))
	octets, err := asn1.Marshal(key[:])
	if err != nil {
		return nil, err
	}
	data := responseData{
		ResponderID: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, IsCompound: true, Bytes: octets},
		Produced:    a.Produced.UTC(),
	}
	for range a.Copies {
		data.Responses = append(data.Responses, asn1.RawValue{FullBytes: single})
	}
	if a.Nonce != nil {
		data.Extensions = append(data.Extensions, pkix.Extension{Id: oidNonce, Value: a.Nonce})
	}
	if a.Extension != nil {
		data.Extensions = append(data.Extensions, *a.Extension)
	}
	tbs, err := asn1.Marshal(data)
	if err != nil {
		return nil, err
	}
	basic := basicResponse{TBS: asn1.RawValue{FullBytes: tbs}}
	var signature []byte
	if signature, basic.Algorithm, err = signDER(a.Signer.Key, a.Algorithm, tbs); err != nil {
		return nil, err
	}
	basic.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	for _, c := range a.With {
		basic.Certs = append(basic.Certs, asn1.RawValue{FullBytes: c.Raw})
	}
	var out ocspResponse
	out.Bytes.Type = oidBasic
	if out.Bytes.Response, err = asn1.Marshal(basic); err != nil {
		return nil, err
	}
	der, err := asn1.Marshal(out)
	if a.Tamper != nil {
		der = a.Tamper(der)
	}
	return der, err
}

func (a *Answer) single(id certID) ([]byte, error) {
	id.Serial = a.Serial
	s := singleResponse{ID: asn1.RawValue{FullBytes: a.CertID}, This: a.This.UTC()}
	if !a.Next.IsZero() {
		s.Next = a.Next.UTC()
	}
	var err error
	if a.CertID == nil {
		if s.ID.FullBytes, err = asn1.Marshal(id); err != nil {
			return nil, err
		}
	}
	s.Status = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: a.Status}
	if a.Status == 1 {
		info := struct {
			At     time.Time       `asn1:"generalized"`
			Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
		}{a.RevokedAt.UTC(), asn1.Enumerated(a.Reason)}
		der, err := asn1.Marshal(info)
		if err != nil {
			return nil, err
		}
		var raw asn1.RawValue
		if _, err = asn1.Unmarshal(der, &raw); err != nil {
			return nil, err
		}
		s.Status.IsCompound, s.Status.Bytes = true, raw.Bytes
	}
	return asn1.Marshal(s)
}

// publicKey is the key's bit string, which identifiers hash.
func publicKey(c *x509.Certificate) []byte {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki); err != nil {
		panic(err)
	}
	return spki.Key.Bytes
}

// signDER signs as X.509 does. crypto/x509 knows how, for lists only: the list is
// thrown away, its algorithm is kept.
func signDER(key crypto.Signer, algorithm x509.SignatureAlgorithm, tbs []byte) ([]byte, pkix.AlgorithmIdentifier, error) {
	var as struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	issuer := &x509.Certificate{KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}, RawSubject: []byte{0x30, 0}}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		SignatureAlgorithm: algorithm, Number: big.NewInt(1), ThisUpdate: From, NextUpdate: Until,
	}, issuer, key)
	if err != nil {
		return nil, as.Algorithm, err
	}
	if _, err := asn1.Unmarshal(list, &as); err != nil {
		return nil, as.Algorithm, err
	}
	parsed, err := x509.ParseRevocationList(list)
	if err != nil {
		return nil, as.Algorithm, err
	}
	hash, options := digest(parsed.SignatureAlgorithm)
	digest := tbs
	if hash != 0 {
		h := hash.New()
		h.Write(tbs)
		digest = h.Sum(nil)
	}
	signature, err := key.Sign(rand.Reader, digest, options)
	return signature, as.Algorithm, err
}
