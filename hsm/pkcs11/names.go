package pkcs11

import (
	"strconv"
	"strings"

	"mohur/hsm"
)

// kind is what a key is made of, and so which of its uses the module allows.
type kind uint8

const (
	kindKEK kind = iota + 1
	kindMAC
	kindAEAD
	kindSigning
	kindTransport
)

// String is the type of a key as people read it in a list of keys.
func (k kind) String() string {
	switch k {
	case kindKEK, kindAEAD, kindTransport:
		return "AES-256"
	case kindMAC:
		return "HMAC-SHA256"
	case kindSigning:
		return "EC P-256"
	}
	return "unknown"
}

// housekey is one key of the house.
type housekey struct {
	key  hsm.Key
	kind kind
	use  string
	// spare: a token of an earlier build lacks it, and the server starts without. What
	// needs it says so.
	spare bool
}

// house is every key of the server, in the order in which they are made and
// listed. It does not start without them, but for those to spare.
var house = []housekey{
	{key: hsm.SeedKEK, kind: kindKEK, use: "wraps the seeds of tokens"},
	{key: hsm.RowMAC, kind: kindMAC, use: "binds records and hot rows; decoys"},
	{key: hsm.IdempotencyMAC, kind: kindMAC, use: "request bodies, activation secrets"},
	{key: hsm.PINSeal, kind: kindAEAD, use: "seals PIN hashes"},
	{key: hsm.DataKEK, kind: kindAEAD, use: "wraps the keys of persons"},
	{key: hsm.TokenSigning, kind: kindSigning, use: "access tokens"},
	{key: hsm.AuthorizationSigning, kind: kindSigning, use: "payment authorizations"},
	{key: hsm.AuditSigning, kind: kindSigning, use: "checkpoints of the audit log"},
	{key: hsm.CASigning, kind: kindSigning, use: "certificates of the bank's own authority", spare: true},
}

const (
	labelPrefix     = "mohur/" // in a token that other applications may share
	transportPrefix = "transport-"
	transportUse    = "opens a manufacturer's seed file"
	maxVersion      = 255 // a version is one byte of a sealed box
)

func kindOf(key hsm.Key) (kind, bool) {
	for _, h := range house {
		if h.key == key {
			return h.kind, true
		}
	}
	return 0, false
}

func label(key hsm.Key) string { return labelPrefix + string(key) }

// versioned is the CKA_ID of a key and the name of a KEK in a WrappedSeed.
func versioned(key hsm.Key, version int) string {
	return string(key) + "/" + strconv.Itoa(version)
}

// parseID returns the version in a CKA_ID that belongs to key.
func parseID(key hsm.Key, id string) (version int, ok bool) {
	digits, found := strings.CutPrefix(id, string(key)+"/")
	if !found {
		return 0, false
	}
	v, err := strconv.Atoi(digits)
	if err != nil || v < 1 || v > maxVersion || strconv.Itoa(v) != digits {
		return 0, false
	}
	return v, true
}

// transportKey returns the key of a transport name that is 1 to 32 characters
// of a-z, 0-9 and the hyphen: names reach labels, file names and logs.
func transportKey(name string) (hsm.Key, *hsm.Fault) {
	if len(name) < 1 || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", inputFault("a transport key's name has 1 to 32 characters of a-z, 0-9 and -")
	}
	return hsm.Transport(name), nil
}

func isTransport(key hsm.Key) bool {
	name, ok := strings.CutPrefix(string(key), transportPrefix)
	if !ok {
		return false
	}
	_, fault := transportKey(name)
	return fault == nil
}
