package settle

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"mohur/hsm"
)

// HotState is the condition of a credential or a PIN, written on every answer.
type HotState uint8

// The conditions. Only a live row lets an answer be judged: the state of the
// token says the same in words, but this one is under the MAC.
const (
	HotInert       HotState = iota + 1 // not activated yet
	HotLive                            // answers are judged
	HotSuspended                       // lost, suspended
	HotRevoked                         // for ever
	HotQuarantined                     // its row or record was found changed
)

var hotStates = [...]string{"none", "inert", "live", "suspended", "revoked", "quarantined"}

// String names the condition.
func (s HotState) String() string {
	if int(s) < len(hotStates) {
		return hotStates[s]
	}
	return "damaged"
}

// LockedForGood as LockedUntil: no passing of time ends the lock.
const LockedForGood = math.MaxInt64

// Owner is the person a row belongs to, under the MAC: the first 16 bytes of
// SHA-256 of the customer's id, zero for nobody. A token record edited to name
// another customer no longer fits it.
type Owner [16]byte

// OwnerOf returns the owner for a customer id; "" is nobody.
func OwnerOf(customer string) (o Owner) {
	if customer != "" {
		sum := sha256.Sum256([]byte("owner/v1\x00" + customer))
		copy(o[:], sum[:])
	}
	return o
}

// MACSize is the length in bytes of the truncated HSM MAC that ends a hot row.
const MACSize = 16

// Hot is the small row that moves with every answer, apart from the record it
// belongs to. The MAC covers every other field and the id, so an edited row is
// found at the next read; the index of last versions, written in the same
// transaction, finds one that was put back.
type Hot struct {
	ID          string // credential id, or "pin/" + customer
	Counter     uint64 // next counter (HOTP, OCRA), first unused time step (TOTP), number of the PIN record
	Drift       int8   // learnt time steps, positive when the token's clock is ahead
	Fails       uint8  // consecutive failures since the last success or lock
	Locks       uint8  // temporary locks since the last success
	LockedUntil int64  // Unix seconds; 0 when not locked
	Owner       Owner
	State       HotState
	Version     uint64 // raised by every settled answer, right or wrong
	Uses        uint64 // how often a credential of limited uses was used; 0 of any other
	MAC         [MACSize]byte
}

// hotRow is the encoding's length: counter 8, drift, fails, locks, state 4,
// locked-until 8, owner 16, version 8, MAC 16.
const hotRow = 8 + 4 + 8 + 16 + 8 + MACSize

// usesSize is how much longer a row is that counts uses; one with none is as it was
// before there were any.
const usesSize = 8

// Locked reports whether failures have locked the row at now.
func (h Hot) Locked(now time.Time) bool { return now.Unix() < h.LockedUntil }

// Next returns the row with the version its successor will have.
func (h Hot) Next() Hot {
	h.Version++
	return h
}

func (h Hot) fields() []byte {
	b := make([]byte, 0, hotRow+usesSize)
	b = binary.BigEndian.AppendUint64(b, h.Counter)
	b = append(b, byte(h.Drift), h.Fails, h.Locks, byte(h.State))
	b = binary.BigEndian.AppendUint64(b, uint64(h.LockedUntil))
	b = append(b, h.Owner[:]...)
	b = binary.BigEndian.AppendUint64(b, h.Version)
	if h.Uses != 0 {
		b = binary.BigEndian.AppendUint64(b, h.Uses)
	}
	return b
}

// Encode returns the row as stored (60 bytes, 68 with uses); the id is its key.
func (h Hot) Encode() []byte { return append(h.fields(), h.MAC[:]...) }

// DecodeHot reads a row. A row of another length decodes to a quarantined one
// with a MAC that cannot match: damage is never read as innocence.
func DecodeHot(id string, b []byte) Hot {
	damaged := Hot{ID: id, State: HotQuarantined}
	if len(b) != hotRow && len(b) != hotRow+usesSize {
		return damaged
	}
	h := damaged
	h.Counter = binary.BigEndian.Uint64(b)
	h.Drift, h.Fails, h.Locks, h.State = int8(b[8]), b[9], b[10], HotState(b[11])
	h.LockedUntil = int64(binary.BigEndian.Uint64(b[12:]))
	copy(h.Owner[:], b[20:])
	h.Version = binary.BigEndian.Uint64(b[36:])
	if len(b) > hotRow {
		if h.Uses = binary.BigEndian.Uint64(b[44:]); h.Uses == 0 {
			return damaged
		}
	}
	copy(h.MAC[:], b[len(b)-MACSize:])
	return h
}

// MACer is the part of an HSM that makes the MACs.
type MACer interface {
	MAC(ctx context.Context, key hsm.Key, label string, parts ...[]byte) ([]byte, error)
}

// Input is what the row's MAC is over, under hsm.RowMAC.
func (h Hot) Input() hsm.Input {
	label := "hot-state/v1"
	if h.Uses != 0 {
		label = "hot-state/v2"
	}
	return hsm.Input{Label: label, Parts: [][]byte{[]byte(h.ID), h.fields()}}
}

// Sign sets the row's MAC, before the transaction that will write it.
func (h Hot) Sign(ctx context.Context, m MACer) (Hot, error) {
	in := h.Input()
	sum, err := m.MAC(ctx, hsm.RowMAC, in.Label, in.Parts...)
	if err != nil {
		return Hot{}, err
	}
	copy(h.MAC[:], sum)
	return h, nil
}

// Module is the part of an HSM that makes the MACs and says whether its keys are
// still the bank's.
type Module interface {
	MACer
	MACs(ctx context.Context, key hsm.Key, inputs ...hsm.Input) ([][]byte, error)
	Check(ctx context.Context) error
}

// Quarantined returns the signed row that takes h out of use. It asks first
// whether the module is ours: another one's keys, after a failover for instance,
// would make every row look changed, and that is an outage.
func (h Hot) Quarantined(ctx context.Context, m Module) (Hot, error) {
	if err := m.Check(ctx); err != nil {
		return Hot{}, err
	}
	if h.Version < math.MaxUint64 {
		h.Version++
	}
	h.State = HotQuarantined
	return h.Sign(ctx, m)
}

// HotRead is a row as read: the row, the last version the index knows, and
// whether both were there.
type HotRead struct {
	Hot     Hot
	Indexed uint64
	Found   bool
}

// Intact verifies a row as read: present, unchanged, and not an older one put
// back. An error is the HSM's and says nothing of the row.
func (r HotRead) Intact(ctx context.Context, m MACer) (bool, error) {
	want, err := r.Hot.Sign(ctx, m)
	if err != nil {
		return false, err
	}
	known := r.Hot.State >= HotInert && r.Hot.State <= HotQuarantined
	return r.Found && known && r.Indexed == r.Hot.Version && hmac.Equal(want.MAC[:], r.Hot.MAC[:]), nil
}

// SwapHot writes a signed row if the stored one has the version before it; the
// first row of a credential has version 1.
type SwapHot struct{ Hot Hot }

// EffectKey names the row.
func (s SwapHot) EffectKey() string { return "hot/" + s.Hot.ID }

// RequireHot changes nothing and is stale unless the row and the index have that
// version: what was decided while a credential was in use is not settled after
// it was reported stolen.
type RequireHot struct {
	ID      string
	Version uint64
}

// EffectKey names the row.
func (r RequireHot) EffectKey() string { return "hot/" + r.ID }

// Quarantine writes a signed quarantined row whatever stands there, unless the
// index of last versions has reached its version already: then it is stale.
type Quarantine struct{ Hot Hot }

// EffectKey names the row.
func (q Quarantine) EffectKey() string { return "hot/" + q.Hot.ID }
