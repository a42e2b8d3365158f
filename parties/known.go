package parties

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"mohur/problem"
)

// knownFor is how long a verified client is known without being verified again,
// maxKnown how many are.
const (
	knownFor = 24 * time.Hour
	maxKnown = 1024
)

// known are the clients that called of late, as they were when the HSM last
// verified their records. It is asked only while a record cannot be read or
// verified, and only for requests that take something out of use: the worst that
// a client can do which lost its rights within that day is to report a loss. That
// is undone by a supervisor; a loss nobody could report is not.
type known struct {
	mu      sync.Mutex
	clients map[string]knownClient
}

type knownClient struct {
	client Client
	at     time.Time
}

// remember keeps a client whose key was right. One that has not called for longest
// gives way to it.
func (k *known) remember(c Client, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.clients == nil {
		k.clients = map[string]knownClient{}
	}
	if _, is := k.clients[c.ID]; !is && len(k.clients) >= maxKnown {
		oldest := ""
		for id, have := range k.clients {
			if oldest == "" || have.at.Before(k.clients[oldest].at) {
				oldest = id
			}
		}
		delete(k.clients, oldest)
	}
	k.clients[c.ID] = knownClient{client: c, at: now}
}

// narrow takes from a client that is known the keys that its record no longer has.
// The record was not verified: nothing is added by it.
func (k *known) narrow(id string, keys []ClientKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	have, is := k.clients[id]
	if !is {
		return
	}
	var left []ClientKey
	for _, own := range have.client.Keys {
		if slices.ContainsFunc(keys, func(now ClientKey) bool { return bytes.Equal(now.Hash, own.Hash) }) {
			left = append(left, own)
		}
	}
	have.client.Keys = left
	k.clients[id] = have
}

func (k *known) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.clients, id)
}

func (k *known) find(id string, now time.Time) (Client, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	have, is := k.clients[id]
	return have.client, is && now.Sub(have.at) < knownFor
}

// Remembered returns the caller an API key belongs to by what was verified of its
// client within the last 24 hours. It is for the routes that take reports at any
// hour, after Authenticate said that a part is away, and for nothing else.
func (s *Service) Remembered(key string) (Caller, error) {
	id, ok := KeyClient(key)
	if !ok {
		return Caller{}, problem.New(problem.Unauthorized, "the API key is missing, wrong or expired")
	}
	c, ok := s.known.find(id, s.Now())
	if !ok {
		return Caller{}, problem.New(problem.Unavailable, "a part of the service is away, and this client has not called within a day; try another one or call again")
	}
	if !c.Holds(key, s.Now()) {
		return Caller{}, problem.New(problem.Unauthorized, "the API key is missing, wrong or expired")
	}
	return c.caller(), nil
}
