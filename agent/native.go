package agent

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
)

// IsNativeHost tells by the arguments whether a browser started the program as a
// native messaging host: Chrome names the extension's origin, Firefox the path of
// the manifest and the extension's id.
func IsNativeHost(args []string) bool {
	if len(args) == 0 {
		return false
	}
	if strings.HasPrefix(args[0], "chrome-extension://") {
		return true
	}
	return len(args) >= 2 && filepath.IsAbs(args[0]) && strings.HasSuffix(args[0], ".json")
}

// Native is one run of the native protocol: the version goes out, one command
// comes in, its answer goes out. The error is that of the connection; a refused
// command is an answer. When the browser closes the connection, the command ends.
func (a *Agent) Native(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := writeMessage(out, map[string]string{"version": ProtocolVersion}); err != nil {
		return err
	}
	text, err := readMessage(in)
	if errors.Is(err, io.EOF) {
		return nil // the extension only asked for the version
	}
	if err != nil {
		return writeMessage(out, failure(err))
	}
	q, err := parseRequest(text)
	if err != nil {
		return writeMessage(out, failure(err))
	}
	if q.Command == Quit {
		return writeMessage(out, struct{}{})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	answer, err := a.Do(ctx, q, false)
	if err != nil {
		return writeMessage(out, failure(err))
	}
	return writeMessage(out, answer)
}

// NativeRefusal is a run of the native protocol in which every command fails, for
// a program that could not be set up: the page then learns that.
func NativeRefusal(in io.Reader, out io.Writer, why string) error {
	if err := writeMessage(out, map[string]string{"version": ProtocolVersion}); err != nil {
		return err
	}
	if _, err := readMessage(in); err != nil {
		return nil // nobody asks
	}
	return writeMessage(out, failure(fatalf("%s", why)))
}

// failure is the message that carries an error.
func failure(err error) any {
	return map[string]*Error{"error": refusal(err)}
}

// readMessage reads length and message. The length is in the machine's byte order.
func readMessage(in io.Reader) ([]byte, error) {
	var size uint32
	if err := binary.Read(in, binary.NativeEndian, &size); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, argumentf("the message ends in its length")
		}
		return nil, err
	}
	if size > maxMessage {
		return nil, argumentf("the message is longer than %d bytes", maxMessage)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, argumentf("the message is shorter than its length says")
	}
	return text, nil
}

func writeMessage(out io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	message := binary.NativeEndian.AppendUint32(nil, uint32(len(text)))
	_, err = out.Write(append(message, text...))
	return err
}
