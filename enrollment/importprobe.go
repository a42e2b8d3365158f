package enrollment

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"mohur/ident"
	"mohur/incident"
	"mohur/settle"
	"mohur/tokens/seedfile"
)

// maxProbes is how many files that do not open are taken under one RSA key. Whether
// a file opens is an answer about its ciphertext, and with enough of them
// whoever has a maker's file, and may import, would read its seeds (Bleichenbacher;
// for PKCS #1 v1.5 tens of thousands of answers). A bank does not err so often.
const maxProbes = 50

// probes counts the files that did not open, by the thumbprint of the RSA key, since
// the start of the server. The zero value is ready.
type probes struct {
	mu      sync.Mutex
	refused map[string]int
}

// spent reports whether a key is not asked any more.
func (p *probes) spent(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused[key] >= maxProbes
}

// note counts a file that did not open, and reports whether it was the last one.
func (p *probes) note(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == nil {
		p.refused = map[string]int{}
	}
	p.refused[key]++
	return p.refused[key] == maxProbes
}

const probed = "too many files did not fit this RSA key: it is not asked any more; make a new pair and have the manufacturer encrypt under it"

// probing is what is written when a key is asked for the last time.
func (s *Service) probing(cmd ImportCommand, t transport, err error) []settle.Effect {
	var f *seedfile.FileError
	if !t.rsa || !errors.As(err, &f) || f.Code != seedfile.CodeWrongKey || !s.probes.note(t.id) {
		return nil
	}
	return []settle.Effect{incident.Save{Incident: incident.Incident{
		ID: ident.New("in"), Kind: "import.probing", Service: "n/a", Reference: "n/a", Cause: "files-do-not-open", At: s.Now().UTC().Truncate(time.Second), State: "open", Version: 1,
		Content: fmt.Sprintf("%d files did not fit the transport key %s, the last one sent by %s; the key is not asked any more", maxProbes, cmd.TransportKey, cmd.Caller.ID),
	}}}
}
