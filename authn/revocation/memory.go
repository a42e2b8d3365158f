package revocation

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"
)

// remembered is how many certificates are kept in mind, of each kind.
const remembered = 20_000

// memory is what was found out before. It is bounded: what is forgotten is asked
// for again.
type memory struct {
	mu   sync.Mutex
	good map[fingerprint]goodAnswer // the last good answer of OCSP, by certificate
	bad  map[fingerprint]Status     // the last answer, by certificate, if it is Revoked or Unknown
}

// fingerprint is a certificate's SHA-256.
type fingerprint [sha256.Size]byte

// goodAnswer holds for the issuer and the rules under which it was given.
type goodAnswer struct {
	key    goodKey
	status Status
}

// goodKey is a certificate, its issuer and the rules.
type goodKey struct {
	leaf, issuer, rules fingerprint
}

func newGoodKey(leaf, issuer *x509.Certificate, rules Rules) goodKey {
	return goodKey{sha256.Sum256(leaf.Raw), sha256.Sum256(issuer.Raw), rules.hash()}
}

// lastGood returns the last good answer of OCSP.
func (m *memory) lastGood(key goodKey) (Status, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.good[key.leaf]
	return g.status, ok && g.key == key
}

// lastBad returns the certificate's last answer if that was not good.
func (m *memory) lastBad(leaf fingerprint) (Status, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.bad[leaf]
	return s, ok
}

// settle remembers an answer and returns what counts: a certificate that is known
// revoked is not made good by a statement from before that, nor one that OCSP did
// not know by an older list.
func (m *memory) settle(key goodKey, s Status) Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.good == nil {
		m.good, m.bad = map[fingerprint]goodAnswer{}, map[fingerprint]Status{}
	}
	if !s.Good() {
		delete(m.good, key.leaf)
		makeRoom(m.bad)
		m.bad[key.leaf] = s
		return s
	}
	if bad, ok := m.bad[key.leaf]; ok && (bad.State == Revoked || s.Source == SourceCRL) && !s.ThisUpdate.After(bad.ThisUpdate) {
		bad.FromCache, bad.Reason = true, OlderThanRevoked
		bad.Detail = "good of " + stamp(s.ThisUpdate) + ", and of " + stamp(bad.ThisUpdate) + ": " + bad.Detail
		return bad
	}
	delete(m.bad, key.leaf)
	if s.Source == SourceOCSP {
		makeRoom(m.good)
		m.good[key.leaf] = goodAnswer{key, s}
	}
	return s
}

// makeRoom forgets some of the map's entries if it is full.
func makeRoom[K comparable, V any](m map[K]V) {
	if len(m) < remembered {
		return
	}
	n := remembered / 16
	for k := range m {
		if n--; n < 0 {
			return
		}
		delete(m, k)
	}
}

// current reports whether a good answer may be used again at that time.
func current(s Status, rules Rules, at time.Time) bool {
	const apart = time.Minute // between the clocks of two checks
	age := at.Sub(s.CheckedAt)
	return rules.keep() > 0 && age >= -apart && age <= rules.keep() && (s.NextUpdate.IsZero() || !at.After(s.NextUpdate))
}
