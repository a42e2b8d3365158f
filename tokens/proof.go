package tokens

import "time"

// Proof is what the enrolment of an app, key or card was proven with: it is finished
// only while that still counts.
type Proof struct {
	Credential string    `json:"credential,omitempty"` // that gave the authentication; "" with Secret
	Channel    string    `json:"channel,omitempty"`    // over which that was begun: pc, internet or mobile
	Secret     string    `json:"secret,omitempty"`     // the activation secret's id; "" with Credential
	At         time.Time `json:"at"`                   // when it was spent
}
