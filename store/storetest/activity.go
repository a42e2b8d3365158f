package storetest

import (
	"testing"
	"time"

	"mohur/authn"
	"mohur/settle"
)

// testActivity: one record for each customer, replaced only by who knows it; that of
// nobody goes after its time.
func testActivity(t *testing.T, s Store) {
	_, err := s.Activity(t.Context(), "cu-1")
	absent(t, "activity", err)
	first := authn.Activity{Customer: "cu-1", Version: 1, MAC: bytesOf("mac")}
	want(t, s, settle.Stale, authn.SaveActivity{Activity: authn.Activity{Customer: "cu-1", Version: 2}})
	want(t, s, settle.Done, authn.SaveActivity{Activity: first})
	want(t, s, settle.Exists, authn.SaveActivity{Activity: first})
	second := first
	second.Granted, second.Refused = []authn.LogIn{{At: epoch, Channel: "mobile"}}, []authn.LogIn{{At: epoch, Channel: "pc"}}
	second.Failures, second.Country = []int64{1, 2}, "AZ"
	second.Devices, second.Version = []authn.Device{{Sum: "00ff", First: epoch, Last: epoch}}, 2
	want(t, s, settle.Done, authn.SaveActivity{Activity: second})
	want(t, s, settle.Stale, authn.SaveActivity{Activity: second})

	nobody := authn.Activity{Customer: "#at-1", ExpiresAt: epoch, Version: 1}
	want(t, s, settle.Done, authn.SaveActivity{Activity: nobody})
	sweep(t, s, epoch.Add(time.Hour-time.Second), 10, 0)
	sweep(t, s, epoch.Add(time.Hour+time.Second), 10, 1)
	_, err = s.Activity(t.Context(), "#at-1")
	absent(t, "that of nobody", err)
	sweep(t, s, epoch.Add(1e6*time.Hour), 10, 0)
	got, err := s.Activity(t.Context(), "cu-1")
	same(t, "activity", got, err, second)
}
