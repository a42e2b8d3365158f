package pkcs11

import (
	"bytes"
	"testing"
)

func TestARequestAndItsPINArriveAsTheyWere(t *testing.T) {
	q := request{Op: opSign, Module: "/m.so", ID: []byte{1}, Digest: []byte("d"), LastTry: true}
	for _, pin := range []string{"", "1234", "\x00\xff\n"} {
		message, err := frame(q, []byte(pin))
		if err != nil {
			t.Fatal(err)
		}
		got, gotPIN, err := unframe(bytes.NewReader(message))
		if err != nil || string(gotPIN) != pin || got.Op != q.Op || got.Module != q.Module || !got.LastTry || !bytes.Equal(got.ID, q.ID) {
			t.Errorf("%+v, %q, %v", got, gotPIN, err)
		}
		for n := range message {
			if _, _, err := unframe(bytes.NewReader(message[:n])); err == nil {
				t.Errorf("%d of %d bytes are a request", n, len(message))
			}
		}
	}
	if _, err := frame(q, make([]byte, maxPIN+1)); err == nil {
		t.Error("a PIN of any length is framed")
	}
}

// FuzzRead: a module may write anything before the answer; without the marker,
// which it does not know, nothing is one.
func FuzzRead(f *testing.F) {
	f.Add([]byte("noise"), []byte(`{"signature":"AAEC"}`))
	f.Add([]byte(`{"signature":"AAEC"}`), []byte(`{"failure":{"kind":"device"}}`))
	f.Add([]byte{}, []byte("x"))
	const marker = "MARKERMARKERMARKER"
	f.Fuzz(func(t *testing.T, noise, answer []byte) {
		if bytes.Contains(noise, []byte(marker)) || bytes.Contains(answer, []byte(marker)) {
			return
		}
		if _, ok := read(noise, marker); ok {
			t.Fatalf("%q is an answer", noise)
		}
		want, ok := read(append([]byte(marker), answer...), marker)
		got, gotOK := read(append(append(bytes.Clone(noise), marker...), answer...), marker)
		if ok != gotOK || !bytes.Equal(want.Signature, got.Signature) {
			t.Fatalf("%q changes %q", noise, answer)
		}
	})
}

// FuzzUnframe: what a child reads is a request or an error, whatever comes.
func FuzzUnframe(f *testing.F) {
	message, _ := frame(request{Op: opList, Module: "/m.so"}, []byte("1234"))
	f.Add(message)
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, pin, err := unframe(bytes.NewReader(in)); err == nil && len(pin) > maxPIN {
			t.Fatalf("a PIN of %d bytes", len(pin))
		}
	})
}
