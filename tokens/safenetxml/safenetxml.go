// Package safenetxml reads the XML files in which SafeNet, before it Aladdin and
// Safeword, delivered the seeds of eToken PASS:
//
//	<Tokens>
//	  <Token serial="00040008CFA5">
//	    <ProductName>eToken PASS</ProductName>
//	    <Applications>
//	      <Application ConnectorID="{ab1397d2-ddb6-4705-b66e-9f83f322deb9}">
//	        <Seed>hexadecimal</Seed><MovingFactor>1</MovingFactor>
//	      </Application>
//	    </Applications>
//	  </Token>
//	</Tokens>
//
// The seeds are in the clear. The format does not say how many digits a code has;
// the device profile has to. Keys are HOTP with SHA-1: a hash is never taken from the
// length of a seed. An element that is not known rejects its record, for it may
// change what the seed means.
package safenetxml

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"mohur/hsm"
	"mohur/tokens/seedfile"
	"mohur/tokens/strictxml"
)

// Manufacturer is whose tokens these are.
const Manufacturer = "SafeNet"

// Root is the root element of a file.
const Root = "Tokens"

// maxApplications is how many keys one token may have.
const maxApplications = 8

// Read reads the file twice from where r stands, as seedfile.Twice does: each gets
// every good key, reject (may be nil) every other.
func Read(ctx context.Context, r io.ReadSeeker, opt seedfile.Options, each func(seedfile.Key) error, reject func(seedfile.Rejection)) (seedfile.Summary, error) {
	opt = opt.Bounded()
	return seedfile.Twice(ctx, r,
		func(ctx context.Context) (seedfile.Summary, error) {
			sum, err := newPass(r, opt, nil, nil).run(ctx)
			if err != nil {
				return seedfile.Summary{}, err
			}
			return sum, nil
		},
		func(ctx context.Context) (seedfile.Summary, error) {
			return newPass(r, opt, each, reject).run(ctx)
		}, opt.Checked)
}

// pass is one way through a file. Without delivery it only checks.
type pass struct {
	*strictxml.Walker
	in       *seedfile.Input
	opt      seedfile.Options
	delivery *seedfile.Delivery
	sum      seedfile.Summary
}

func newPass(r io.Reader, opt seedfile.Options, each func(seedfile.Key) error, reject func(seedfile.Rejection)) *pass {
	in := seedfile.NewInput(r, opt.MaxBytes)
	p := &pass{Walker: strictxml.New(in), in: in, opt: opt}
	if each != nil {
		p.delivery = seedfile.NewDelivery(each, reject, &p.sum)
	}
	return p
}

func (p *pass) run(ctx context.Context) (seedfile.Summary, error) {
	defer p.Close()
	err := p.file(ctx)
	p.sum.Bytes, p.sum.SHA256 = p.in.Total(), p.in.Sum()
	return p.sum, err
}

func (p *pass) file(ctx context.Context) error {
	root, err := p.Root()
	switch {
	case err != nil:
		return err
	case root == nil:
		return p.Fault(seedfile.CodeXML, "the file is empty")
	case root.Name != xml.Name{Local: Root}:
		return p.Fault(seedfile.CodeStructure, "the file is not a SafeNet token file: its root is not <Tokens>")
	}
	err = p.Elements(func(e xml.StartElement) error {
		if (e.Name != xml.Name{Local: "Token"}) {
			return p.Fault(seedfile.CodeStructure, "there is something other than a <Token> in <Tokens>")
		}
		return p.token(ctx, e)
	})
	if err != nil {
		return err
	}
	if next, err := p.Root(); err != nil {
		return err
	} else if next != nil {
		return p.Fault(seedfile.CodeXML, "there is a second document in the file")
	}
	if p.sum.Keys == 0 {
		return p.Fault(seedfile.CodeStructure, "the file holds no token")
	}
	return nil
}

// token is one <Token>, held until its end: its name stands before its keys and its
// model may stand after them.
type token struct {
	line    int
	serial  string
	model   string
	why     string // the first fault found; its keys are rejected for it
	entries []entry
}

// entry is one <Application>: one key.
type entry struct {
	id, seed, factor []byte
	why              string
}

func (t *token) fail(format string, args ...any) {
	if t.why == "" {
		t.why = fmt.Sprintf(format, args...)
	}
}

func (t *token) clear() {
	for _, e := range t.entries {
		clear(e.seed)
	}
}

func (p *pass) token(ctx context.Context, e xml.StartElement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &token{line: p.Line()}
	defer t.clear()
	t.serial, _ = strictxml.Attribute(e, "serial")
	var seen []string
	err := p.Elements(func(e xml.StartElement) error {
		if slices.Contains(seen, e.Name.Local) {
			t.fail("<%s> is given twice", seedfile.Clean(e.Name.Local, 40))
			return p.Skip()
		}
		seen = append(seen, e.Name.Local)
		return p.part(t, e)
	})
	if err != nil {
		return err
	}
	return p.settle(t)
}

// part reads one child of <Token>.
func (p *pass) part(t *token, e xml.StartElement) error {
	if e.Name.Space == "" {
		switch e.Name.Local {
		case "CaseModel", "Model", "ProductionDate":
			return p.Skip()
		case "ProductName":
			return p.productName(t)
		case "Applications":
			return p.applications(t)
		}
	}
	t.fail("unknown element <%s>", seedfile.Clean(e.Name.Local, 40))
	return p.Skip()
}

func (p *pass) productName(t *token) error {
	text, long, err := p.Text()
	if err != nil {
		return err
	}
	model, fault := seedfile.Label(text)
	if fault != nil || long {
		t.fail("<ProductName> is too long or cannot be shown")
	}
	t.model = model
	return nil
}

func (p *pass) applications(t *token) error {
	return p.Elements(func(e xml.StartElement) error {
		if (e.Name != xml.Name{Local: "Application"}) {
			t.fail("unknown element <%s>", seedfile.Clean(e.Name.Local, 40))
			return p.Skip()
		}
		if len(t.entries) == maxApplications {
			return p.Fault(seedfile.CodeLimit, fmt.Sprintf("a token has more than %d applications", maxApplications))
		}
		id, _ := strictxml.Attribute(e, "ConnectorID")
		t.entries = append(t.entries, entry{id: []byte(strings.Trim(id, "{}"))})
		return p.application(&t.entries[len(t.entries)-1])
	})
}

func (p *pass) application(a *entry) error {
	return p.Elements(func(e xml.StartElement) error {
		to := map[string]*[]byte{"Seed": &a.seed, "MovingFactor": &a.factor}[e.Name.Local]
		if to == nil || e.Name.Space != "" || *to != nil {
			a.why = fmt.Sprintf("unknown or second element <%s>", seedfile.Clean(e.Name.Local, 40))
			return p.Skip()
		}
		text, long, err := p.Text()
		if err != nil {
			return err
		}
		if long {
			a.why = fmt.Sprintf("<%s> is too long", e.Name.Local)
		}
		*to = append([]byte{}, bytes.Trim(text, seedfile.Blanks)...) // not nil: a second one is noticed
		return nil
	})
}

// settle judges the keys of a token and gives them out. A token without a key is a
// record as well, and rejected.
func (p *pass) settle(t *token) error {
	if len(t.entries) == 0 {
		t.entries = append(t.entries, entry{why: "the token holds no seed"})
	}
	for i := range t.entries {
		p.sum.Keys++
		if p.sum.Keys > p.opt.MaxKeys {
			return p.Fault(seedfile.CodeLimit, fmt.Sprintf("the file holds more than %d keys", p.opt.MaxKeys))
		}
		if p.delivery == nil {
			continue
		}
		if err := p.key(t, &t.entries[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) key(t *token, a *entry) error {
	k := seedfile.Key{
		Index: p.sum.Keys, Manufacturer: Manufacturer, Serial: t.serial, Model: t.model, KeyID: string(a.id),
		Algorithm: seedfile.HOTP, Hash: hsm.SHA1, Digits: p.opt.Digits,
	}
	if k.KeyID == "" {
		k.KeyID = "hotp"
	}
	seed, err := p.judge(t, a, &k)
	if err != nil {
		p.delivery.Refuse(seedfile.Rejection{Index: k.Index, Line: t.line, Serial: k.Serial, KeyID: k.KeyID}, err)
		return nil
	}
	return p.delivery.Give(k, t.line, seed)
}

func (p *pass) judge(t *token, a *entry, k *seedfile.Key) (seed []byte, err error) {
	switch {
	case t.why != "":
		return nil, errors.New(t.why)
	case a.why != "":
		return nil, errors.New(a.why)
	}
	if err := seedfile.Names(k.Serial, k.KeyID); err != nil {
		return nil, err
	}
	switch {
	case len(a.seed) == 0:
		return nil, errors.New("the record holds no seed")
	case k.Digits == 0:
		return nil, errors.New("the format does not say how many digits a code has: name a device profile that does")
	}
	if k.Counter, err = seedfile.Number(a.factor, "<MovingFactor>", math.MaxInt64); err != nil {
		return nil, err
	}
	if err := p.delivery.Twice(*k); err != nil {
		return nil, err
	}
	return seedfile.Hex(a.seed)
}
