// Package seal keeps what belongs to a person under a key of that person: the
// bodies of audit entries, names, contacts, account numbers. The key is random,
// wrapped by the HSM's data-kek and kept beside the person; whoever erases it
// erases the person everywhere at once, backups included, while everything that
// only commits to the sealed bytes stays whole.
//
// A sealed box is version ‖ nonce ‖ AES-256-GCM, with the place it was made for
// as associated data: a box moved to another row does not open.
package seal

import (
	"container/list"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"mohur/hsm"
)

const (
	version   = 1
	nonceSize = 12
	keySize   = 32
	keepFor   = 5 * time.Minute // how long an unwrapped key is used from memory
	maxKept   = 4096            // unwrapped keys in memory at a time
)

// ErrOpen says that a box was changed, belongs to another place, or its
// person's key is another one.
var ErrOpen = errors.New("seal: the sealed data does not open at this place")

// ErrErased says that the person's key is gone, and with it the data.
var ErrErased = errors.New("seal: the person's key has been erased")

// Key is the wrapped key of one person, as kept in the person's record. The
// bank itself is a "person" too, for what concerns nobody else.
type Key struct {
	Person  string `json:"person"`
	Wrapped []byte `json:"wrapped"`
}

// Sealer is the part of an HSM that wraps persons' keys.
type Sealer interface {
	Seal(ctx context.Context, key hsm.Key, place string, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, key hsm.Key, place string, sealed []byte) ([]byte, error)
}

// Keyring makes and uses persons' keys. Unwrapped keys are kept for five
// minutes so that a busy customer costs the HSM one call, not one per entry.
type Keyring struct {
	HSM Sealer
	Now func() time.Time // nil means time.Now

	mu   sync.Mutex
	kept map[string]*list.Element // of *kept
	age  *list.List               // the same, oldest first
}

type kept struct {
	id    string
	aead  cipher.AEAD
	until time.Time
}

func place(person string) string { return "person-key/" + person }

// New makes the key of a person who has none yet.
func (k *Keyring) New(ctx context.Context, person string) (Key, error) {
	raw := make([]byte, keySize)
	rand.Read(raw)
	defer clear(raw)
	wrapped, err := k.HSM.Seal(ctx, hsm.DataKEK, place(person), raw)
	if err != nil {
		return Key{}, err
	}
	return Key{Person: person, Wrapped: wrapped}, nil
}

// Seal encrypts plaintext under the person's key for one place.
func (k *Keyring) Seal(ctx context.Context, key Key, place string, plaintext []byte) ([]byte, error) {
	aead, err := k.aead(ctx, key)
	if err != nil {
		return nil, err
	}
	box := make([]byte, 1+nonceSize, 1+nonceSize+len(plaintext)+aead.Overhead())
	box[0] = version
	rand.Read(box[1:])
	return aead.Seal(box, box[1:], plaintext, []byte(place)), nil
}

// Open decrypts a box made by Seal for the same person and place.
func (k *Keyring) Open(ctx context.Context, key Key, place string, box []byte) ([]byte, error) {
	if len(box) < 1+nonceSize || box[0] != version {
		return nil, ErrOpen
	}
	aead, err := k.aead(ctx, key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, box[1:1+nonceSize], box[1+nonceSize:], []byte(place))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// aead returns the person's key, unwrapped now or within the last five minutes.
func (k *Keyring) aead(ctx context.Context, key Key) (cipher.AEAD, error) {
	if len(key.Wrapped) == 0 {
		return nil, ErrErased
	}
	// The wrapped bytes are part of the name: a replaced key is another key.
	id := key.Person + "\x00" + string(key.Wrapped)
	if aead := k.recall(id); aead != nil {
		return aead, nil
	}
	raw, err := k.HSM.Open(ctx, hsm.DataKEK, place(key.Person), key.Wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	if len(raw) != keySize {
		return nil, fmt.Errorf("seal: the key of %q has %d bytes", key.Person, len(raw))
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	k.remember(id, aead)
	return aead, nil
}

func (k *Keyring) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

// recall returns a kept key that has not run out, or nil.
func (k *Keyring) recall(id string) cipher.AEAD {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.kept[id]
	if !ok {
		return nil
	}
	if have := at.Value.(*kept); now.Before(have.until) {
		return have.aead
	}
	return nil
}

// remember keeps a key and lets go of those that have run out, so that none
// outstays its time for want of being asked for, and of the oldest where there are
// too many. It does not look at the others: with a million persons every key is a
// new one.
func (k *Keyring) remember(id string, aead cipher.AEAD) {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		k.kept, k.age = make(map[string]*list.Element), list.New()
	}
	if at, ok := k.kept[id]; ok {
		k.forget(at)
	}
	for at := k.age.Front(); at != nil && (k.age.Len() >= maxKept || !now.Before(at.Value.(*kept).until)); at = k.age.Front() {
		k.forget(at)
	}
	k.kept[id] = k.age.PushBack(&kept{id: id, aead: aead, until: now.Add(keepFor)})
}

// forget lets go of a key. The caller holds the lock.
func (k *Keyring) forget(at *list.Element) {
	delete(k.kept, k.age.Remove(at).(*kept).id)
}
