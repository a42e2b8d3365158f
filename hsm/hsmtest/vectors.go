package hsmtest

import (
	"embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"

	"mohur/hsm"
)

//go:embed testdata/rfc3394.json testdata/rfc4226.json testdata/rfc6238.json
var vectors embed.FS

// hotp is testdata/rfc4226.json.
type hotp struct {
	Seed string
	Rows []struct {
		Counter    uint64
		HMAC, Code string
	}
}

// totp is testdata/rfc6238.json.
type totp struct {
	Seeds map[string]string
	Rows  []struct {
		Time                 uint64
		SHA1, SHA256, SHA512 string
	}
}

// keyWrap is testdata/rfc3394.json. Its values are hexadecimal.
type keyWrap struct {
	Rows []struct{ Section, KEK, Data, Wrapped string }
}

func load(t *testing.T, name string, into any) {
	t.Helper()
	b, err := vectors.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// moving is the moving factor of HOTP: the counter in eight bytes.
func moving(counter uint64) []byte { return binary.BigEndian.AppendUint64(nil, counter) }

// code is the code of RFC 4226 section 5.3.
func code(mac []byte, digits int) string {
	at := mac[len(mac)-1] & 15
	n := uint64(binary.BigEndian.Uint32(mac[at:]) &^ (1 << 31))
	modulo := uint64(1)
	for range digits {
		modulo *= 10
	}
	return fmt.Sprintf("%0*d", digits, n%modulo)
}

var hashes = []hsm.Hash{hsm.SHA1, hsm.SHA256, hsm.SHA512}
