package parties

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"

	"mohur/ident"
)

// Client is a system that calls the API.
type Client struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Roles     []Role      `json:"roles"`
	Channels  []Channel   `json:"channels"`
	Keys      []ClientKey `json:"keys"`            // at most two live at once, for rotation
	First     bool        `json:"first,omitempty"` // the first admin's: it ends with the first log-in of staff
	CreatedAt time.Time   `json:"created_at"`
	EndedAt   time.Time   `json:"ended_at,omitzero"` // it has no keys and gets none
	Version   uint64      `json:"version"`
	MAC       []byte      `json:"mac,omitempty"`
}

// ClientKey is one API key. Only its SHA-256 is kept: the key has 256 random
// bits, so a fast hash gives a thief of the store nothing to guess.
type ClientKey struct {
	Hash      []byte    `json:"hash"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"` // zero: does not end (development only)
}

// ID names the key among those of its client: from what is kept of it, and of no
// use to whoever wants to call.
func (k ClientKey) ID() string {
	sum := sha256.Sum256(append([]byte("key-id/v1\x00"), k.Hash...))
	return ident.From("ck", sum[:])
}

func (k ClientKey) live(now time.Time) bool {
	return k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt)
}

// SaveClient writes the client if the stored one has the version before it.
type SaveClient struct{ Client Client }

// EffectKey names the record.
func (s SaveClient) EffectKey() string { return "client/" + s.Client.ID }

// RequireClient changes nothing and is stale unless the client still has that
// version: an administrator ends only while another one stays.
type RequireClient struct {
	ID      string
	Version uint64
}

// EffectKey names the record.
func (r RequireClient) EffectKey() string { return "client/" + r.ID }

const (
	keyPrefix = "mk_"
	keyBytes  = 32 // random bytes of a key
)

// NewKey makes an API key for the client: the text to hand out once, and what
// is kept of it.
func NewKey(client string, now, expires time.Time) (string, ClientKey) {
	text := keyPrefix + strings.TrimPrefix(client, "cl_") + "_" + ident.Text(keyBytes)
	return text, ClientKey{Hash: hashKey(text), CreatedAt: now, ExpiresAt: expires}
}

// KeyClient returns the client id an API key speaks of, without judging the key.
func KeyClient(key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, keyPrefix)
	if !ok {
		return "", false
	}
	id, _, ok := strings.Cut(rest, "_")
	if !ok || !ident.Valid("cl", "cl_"+id) {
		return "", false
	}
	return "cl_" + id, true
}

// Holds reports whether key is one of the client's keys and has not expired.
// All keys are compared, in constant time.
func (c Client) Holds(key string, now time.Time) bool { return holds(c.Keys, key, now) }

func holds(keys []ClientKey, key string, now time.Time) bool {
	sum, found := hashKey(key), false
	for _, k := range keys {
		same := subtle.ConstantTimeCompare(k.Hash, sum) == 1
		if same && k.live(now) {
			found = true
		}
	}
	return found
}

// liveKeys are the client's keys that have not expired.
func (c Client) liveKeys(now time.Time) (live []ClientKey) {
	for _, k := range c.Keys {
		if k.live(now) {
			live = append(live, k)
		}
	}
	return live
}

func hashKey(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}
