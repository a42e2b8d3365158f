package cardtest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
)

// What the reader says in a body of one byte; a longer one is an APDU.
const (
	powerOff = 0
	powerOn  = 1
	reset    = 2
	sendATR  = 4
)

// serve answers a virtual reader until the connection ends: two bytes of length,
// then the body, both ways. before is called before every read.
func (c *Card) serve(link io.ReadWriter, before func()) error {
	c.Reset()
	for {
		body, err := readFrame(link, before)
		if err != nil {
			return err
		}
		var out []byte
		switch {
		case len(body) > 1:
			out = c.Exchange(body)
		case len(body) == 0:
			return errors.New("cardtest: an empty frame")
		case body[0] == sendATR:
			out = c.ATR()
		case body[0] == powerOff, body[0] == powerOn, body[0] == reset:
			c.Reset()
			continue
		default:
			return errors.New("cardtest: a control that nobody knows")
		}
		if _, err := link.Write(frame(out)); err != nil {
			return err
		}
	}
}

func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(body))), body...) // an answer has at most 258 bytes
}

func readFrame(link io.Reader, before func()) ([]byte, error) {
	var size [2]byte
	before()
	if _, err := io.ReadFull(link, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(size[:]))
	before()
	_, err := io.ReadFull(link, body)
	return body, err
}

// quickAck has the kernel acknowledge at once what is read next: the reader writes
// length and body one by one and waits in between, 40 ms without this.
func quickAck(conn *net.TCPConn) func() {
	raw, err := conn.SyscallConn()
	if err != nil {
		return func() {}
	}
	return func() {
		// Not a must: without it the card is slow, not wrong.
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // a descriptor fits
		})
	}
}
