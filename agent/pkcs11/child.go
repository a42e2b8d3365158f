package pkcs11

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"time"

	"mohur/agent/pcsc"
)

// Child is the child process: it reads one request, does it, writes the response
// and returns the exit code. It ends the process by itself when the deadline of
// the request is over, whatever the module does.
func Child(in io.Reader, out io.Writer) int {
	NoDumps()
	q, pin, err := unframe(in)
	defer clear(pin)
	if err != nil {
		return 2
	}
	time.AfterFunc(time.Duration(q.Deadline)*time.Millisecond, func() { os.Exit(3) })
	answer := perform(q, pin)
	text, err := json.Marshal(answer)
	if err != nil {
		return 2
	}
	if _, err := io.WriteString(out, q.Marker+string(text)); err != nil {
		return 2
	}
	return 0
}

func perform(q request, pin []byte) response {
	if q.Op == opTries {
		tries, err := pivTries(q.Reader)
		if err != nil {
			return response{Failure: &Failure{Kind: Device, Detail: err.Error()}}
		}
		return response{Tries: tries}
	}
	if op, ok := strings.CutPrefix(q.Op, piv("")); ok {
		return withPIV(op, q, pin)
	}
	return withModule(q, pin)
}

// pivTries is the empty VERIFY of NIST SP 800-73-4 part 2 section 3.2.1: its
// status word says how many tries are left. It tries no PIN.
func pivTries(reader string) (int, error) {
	ctx, err := pcsc.Open()
	if err != nil {
		return 0, err
	}
	defer ctx.Close()
	card, err := ctx.Connect(reader)
	if err != nil {
		return 0, err
	}
	defer card.Close()
	piv := []byte{0x00, 0xA4, 0x04, 0x00, 0x0B, 0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00, 0x00}
	if sw, err := ask(card, piv); err != nil || sw>>8 != 0x61 && sw != 0x9000 {
		return 0, &Failure{Kind: Unsupported, Detail: "this is no PIV card"}
	}
	sw, err := ask(card, []byte{0x00, 0x20, 0x00, 0x80})
	switch {
	case err != nil:
		return 0, err
	case sw>>4 == 0x63C:
		return int(sw & 0xF), nil
	case sw == 0x6983:
		return 0, nil
	}
	return 0, &Failure{Kind: Unsupported, Detail: "the card does not tell"}
}

// ask returns the status word of a command.
func ask(card *pcsc.Card, command []byte) (uint16, error) {
	answer, err := card.Transmit(command)
	if err != nil {
		return 0, err
	}
	if len(answer) < 2 {
		return 0, &Failure{Kind: Device, Detail: "the card's answer has no status"}
	}
	return uint16(answer[len(answer)-2])<<8 | uint16(answer[len(answer)-1]), nil
}

func failed(f *Failure) response { return response{Failure: f} }
