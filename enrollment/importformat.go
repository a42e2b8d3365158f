package enrollment

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"mohur/hsm"
	"mohur/problem"
	"mohur/tokens"
	"mohur/tokens/oathcsv"
	"mohur/tokens/pskc"
	"mohur/tokens/safenetxml"
	"mohur/tokens/seedfile"
	"mohur/tokens/serials"
	"mohur/tokens/strictxml"
	"mohur/tokens/yubicocsv"
)

// The formats of seed files.
const (
	FormatPSKC    = "pskc"        // RFC 6030
	FormatOATH    = "oath-csv"    // serial, seed, type, digits or suite, step
	FormatYubico  = "yubico-csv"  // of the YubiKey Personalization Tool
	FormatSafeNet = "safenet-xml" // of SafeNet and Aladdin
	FormatSerials = "serials"     // serial, manufacturer, model: devices without seeds
	formatAuto    = "auto"
)

// Formats lists the formats that are read.
func Formats() []string {
	return []string{FormatPSKC, FormatOATH, FormatYubico, FormatSafeNet, FormatSerials}
}

// checkFormat finds out the format and says which ways of opening the file go with
// it. A file that is not recognised is no fault of the command: its job fails.
func (s *Service) checkFormat(cmd *ImportCommand, c *problem.Check) error {
	if cmd.Format != formatAuto && !slices.Contains(Formats(), cmd.Format) {
		c.Unless(false, "format", "needs to be pskc, oath-csv, yubico-csv, safenet-xml, serials or auto")
		return nil
	}
	c.Unless(cmd.TransportKey == "" || cmd.Password == nil, "password", "name a transport key or a password, not both")
	if cmd.Format == formatAuto {
		found, err := recognise(cmd.File)
		var refused *seedfile.FileError
		switch {
		case errors.As(err, &refused):
			cmd.refusal = err
		case err != nil:
			return problem.Away(err)
		default:
			cmd.Format = found
		}
	}
	open := cmd.TransportKey == "" && cmd.Password == nil
	if p, known := tokens.ProfileOf(cmd.Profile); known && cmd.Format == FormatSerials {
		c.Unless(p.Bare(), "profile", "needs to be one of devices without seeds, such as "+tokens.FIDOProfile+": the keys of "+p.Name+" come in with their seeds")
	}
	switch {
	case cmd.Format == FormatSerials && cmd.refusal == nil:
		c.Unless(open, "transport_key", "the format serials holds no seeds: there is nothing to open with a key or password")
	case cmd.refusal != nil:
		c.Unless(!open || s.Development, "format", errFormat.Detail)
	case !open:
		c.Unless(cmd.Format == FormatPSKC, "transport_key", "the format "+cmd.Format+" holds its seeds in the clear: no key or password opens it")
	case !s.Development:
		var err error
		if cmd.inClear, err = cmd.plain(c); err != nil {
			return problem.Away(err)
		}
	}
	return nil
}

// headSize is how much of a file is looked at to recognise it.
const headSize = 64 << 10

var errFormat = &seedfile.FileError{Code: seedfile.CodeStructure, Detail: "the format is not recognised: name it as pskc, oath-csv, yubico-csv, safenet-xml or serials"}

// recognise tells the format of a file by what every file of it begins with. What
// looks like XML and is nothing else is left to the reader of PSKC, which says best
// what is wrong with it.
func recognise(file io.ReadSeeker) (string, error) {
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return "", err
	}
	head := make([]byte, headSize)
	defer clear(head)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	if _, err := file.Seek(start, io.SeekStart); err != nil {
		return "", err
	}
	text := make([]byte, headSize)
	defer clear(text)
	n, err = io.ReadFull(seedfile.NewInput(bytes.NewReader(head[:n]), headSize), text)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	text = text[:n]
	if bytes.HasPrefix(bytes.TrimLeft(text, seedfile.Blanks), []byte("<")) {
		return xmlFormat(text), nil
	}
	var first []byte
	for line := range bytes.Lines(text) {
		if line = bytes.Trim(line, seedfile.Blanks); len(line) > 0 && line[0] != '#' {
			first = line
			break
		}
	}
	switch oath, yubico := oathcsv.Recognises(first), yubicocsv.Recognises(first); {
	case serials.Recognises(first): // its names of columns are nobody else's
		return FormatSerials, nil
	case oath && !yubico:
		return FormatOATH, nil
	case yubico && !oath:
		return FormatYubico, nil
	}
	return "", errFormat
}

func xmlFormat(text []byte) string {
	w := strictxml.New(seedfile.NewInput(bytes.NewReader(text), headSize))
	defer w.Close()
	if root, err := w.Root(); err == nil && root != nil && root.Name.Local == safenetxml.Root && root.Name.Space == "" {
		return FormatSafeNet
	}
	return FormatPSKC
}

// readImport reads the file in its format. What a format does not state is taken
// from the profile where that leaves no choice.
func (s *Service) readImport(ctx context.Context, cmd ImportCommand, run *importRun) (seedfile.Summary, error) {
	if cmd.refusal != nil {
		return seedfile.Summary{}, cmd.refusal
	}
	allowed := s.Development || cmd.permit != nil
	if cmd.Format == FormatPSKC {
		opt := pskc.Options{Password: cmd.Password, Now: s.Now(), Checked: run.checked}
		if cmd.TransportKey != "" {
			opt.Decrypter = cmd.key
		}
		opt.AllowPlain = opt.Decrypter == nil && opt.Password == nil && allowed
		return pskc.Read(ctx, cmd.File, opt, run.take, run.reject)
	}
	opt := seedfile.Options{Manufacturer: noMaker, Checked: run.checked}
	if cmd.Format == FormatSerials {
		return serials.Read(ctx, cmd.File, opt, run.stock, run.reject)
	}
	if !allowed {
		return seedfile.Summary{}, errPlain
	}
	if len(run.profile.Digits) == 1 {
		opt.Digits = run.profile.Digits[0]
	}
	read := map[string]func(context.Context, io.ReadSeeker, seedfile.Options, func(seedfile.Key) error, func(seedfile.Rejection)) (seedfile.Summary, error){
		FormatOATH: oathcsv.Read, FormatYubico: yubicocsv.Read, FormatSafeNet: safenetxml.Read,
	}[cmd.Format]
	return read(ctx, cmd.File, opt, run.take, run.reject)
}

// errPlain refuses what BeginImport has let nobody send.
var errPlain = &seedfile.FileError{Code: seedfile.CodeNoKey, Detail: "seeds in the clear are imported with a permit only"}

// noMaker stands for the manufacturer where a file names none. It is the same for
// all such files, so that none goes in twice.
const noMaker = "unknown"

// checkTransport finds the key before the file is read, so that a slip in its name
// is told at once.
func (s *Service) checkTransport(ctx context.Context, cmd *ImportCommand, c *problem.Check) error {
	if cmd.TransportKey == "" {
		return nil
	}
	keys, err := s.HSM.Keys(ctx)
	if err != nil {
		return problem.Away(err)
	}
	i := slices.IndexFunc(keys, func(k hsm.KeyInfo) bool { return k.Key == hsm.Transport(cmd.TransportKey) })
	c.Unless(i >= 0, "transport_key", noTransport)
	if i >= 0 {
		cmd.key = transport{hsm: s.HSM, key: keys[i].Key, id: keys[i].ID, rsa: strings.HasPrefix(keys[i].Type, "RSA")}
		c.Unless(!cmd.key.rsa || !s.probes.spent(cmd.key.id), "transport_key", probed)
	}
	return nil
}

const noTransport = "there is no transport key of that name in the HSM; bring it in with mohur keys import-transport"

// transport is one transport key of the HSM as the reader of PSKC sees it.
type transport struct {
	hsm hsm.Module
	key hsm.Key
	id  string // thumbprint, of an RSA key
	rsa bool
}

// DecryptCBC decrypts under an AES key.
func (t transport) DecryptCBC(ctx context.Context, iv, ciphertext []byte) ([]byte, error) {
	if t.rsa {
		return nil, pskc.ErrNotOpened
	}
	return t.hsm.DecryptCBC(ctx, t.key, iv, ciphertext)
}

// DecryptKW undoes RFC 3394 and RFC 5649 under an AES key.
func (t transport) DecryptKW(ctx context.Context, wrapped []byte) ([]byte, error) {
	if t.rsa {
		return nil, pskc.ErrNotOpened
	}
	out, err := t.hsm.DecryptKW(ctx, t.key, wrapped)
	if err != nil && hsm.ClassOf(err) == hsm.ClassBlob {
		err = pskc.ErrNotOpened
	}
	return out, err
}

// DecryptRSA decrypts under an RSA key.
func (t transport) DecryptRSA(ctx context.Context, padding hsm.RSAPadding, ciphertext []byte) ([]byte, error) {
	if !t.rsa {
		return nil, pskc.ErrNotOpened
	}
	out, err := t.hsm.DecryptRSA(ctx, t.key, padding, ciphertext)
	if err != nil && hsm.ClassOf(err) == hsm.ClassBlob {
		err = pskc.ErrNotOpened
	}
	return out, err
}
