package pskc

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/subtle"
	"errors"

	"mohur/tokens/seedfile"
)

// wrongKey is deliberately one sentence for a wrong transport key or password, a
// wrong MAC, a wrong padding and a damaged value: telling them apart would answer
// an attacker's question about a file he has changed.
const wrongKey = "the transport key does not fit this file or the file was changed"

// opened is a value in the clear, within the buffer it came in.
type opened struct {
	value  []byte
	padded bool // false: of a CBC value whose padding is none
	buffer []byte
}

// clear clears the value and what was around it.
func (o opened) clear() { clear(o.buffer) }

// open decrypts a value. The caller has checked its MAC, where it has one, and
// clears the result. A value that is not under this key is errors.Is ErrNotOpened.
func (p *pass) open(ctx context.Context, m method, data []byte) (opened, error) {
	key, err := p.decrypter(m)
	if err != nil {
		return opened{}, err
	}
	switch m.family {
	case kw:
		if !wrappable(len(data)) {
			return opened{}, ErrNotOpened
		}
		out, err := key.DecryptKW(ctx, data)
		return opened{value: out, padded: true, buffer: out}, err
	case asymmetric:
		out, err := key.DecryptRSA(ctx, m.padding, data)
		return opened{value: out, padded: true, buffer: out}, err
	}
	if len(data) < 2*aes.BlockSize || len(data)%aes.BlockSize != 0 {
		return opened{}, nil
	}
	out, err := key.DecryptCBC(ctx, data[:aes.BlockSize], data[aes.BlockSize:])
	if err != nil {
		return opened{}, err
	}
	if len(out) != len(data)-aes.BlockSize {
		clear(out)
		return opened{}, errors.New("the transport key returned a value of the wrong length")
	}
	value, ok := unpad(out)
	return opened{value: value, padded: ok, buffer: out}, nil
}

// decrypter is the key the file is under.
func (p *pass) decrypter(m method) (Decrypter, error) {
	if p.prot.derived == nil {
		return p.opt.Decrypter, nil
	}
	return p.keys.derive(p, *p.prot.derived, m.size)
}

// opens refuses the file if a value does not open: of the ways that show it, in
// the first pass, so that nothing has been given out.
func (p *pass) opens(ctx context.Context, m method, data []byte) error {
	o, err := p.open(ctx, m, data)
	o.clear()
	if errors.Is(err, ErrNotOpened) {
		return p.Fault(seedfile.CodeWrongKey, wrongKey)
	}
	return err
}

// unpad takes off the PKCS #5 padding of section 6.4. All its bytes are looked
// at: the padding of XML Encryption, of which only the last byte counts, would
// let a changed MAC key pass once in 256 times and so answer questions about
// what the transport key makes of any block.
func unpad(padded []byte) ([]byte, bool) {
	if len(padded) == 0 {
		return nil, false
	}
	n := int(padded[len(padded)-1])
	if n < 1 || n > aes.BlockSize || n > len(padded) {
		return nil, false
	}
	rest, end := padded[:len(padded)-n], padded[len(padded)-n:]
	return rest, subtle.ConstantTimeCompare(end, bytes.Repeat([]byte{byte(n)}, n)) == 1
}
