package pskc

import (
	"context"
	"encoding/xml"
	"strings"

	"mohur/tokens/seedfile"
	"mohur/tokens/strictxml"
)

// file reads the one element a PSKC document consists of (section 4.1) and
// nothing before or after it. What follows is refused and not passed over: a
// second document appended to a sound one is somebody's attempt.
func (p *pass) file(ctx context.Context) error {
	root, err := p.Root()
	if err != nil {
		return err
	}
	if root == nil {
		return p.Fault(seedfile.CodeXML, "the file is empty")
	}
	if err := p.container(ctx, *root); err != nil {
		return err
	}
	if next, err := p.Root(); err != nil {
		return err
	} else if next != nil {
		return p.Fault(seedfile.CodeXML, "there is a second document in the file")
	}
	return nil
}

// container reads <KeyContainer>. The drafts before RFC 6030 share its name and
// not its meaning, so namespace and version have to be exactly those.
func (p *pass) container(ctx context.Context, root xml.StartElement) error {
	if root.Name.Space != nsPSKC && strings.Contains(root.Name.Space, "keyprov") {
		return p.Fault(seedfile.CodeStructure, "the file follows a draft of PSKC, not RFC 6030")
	}
	if (root.Name != xml.Name{Space: nsPSKC, Local: "KeyContainer"}) {
		return p.Fault(seedfile.CodeStructure, "the file is not a PSKC key container")
	}
	if v, _ := strictxml.Attribute(root, "Version"); v != "1.0" {
		return p.Fault(seedfile.CodeStructure, "the file is not of PSKC version 1.0")
	}
	if err := p.Elements(func(e xml.StartElement) error { return p.part(ctx, e) }); err != nil {
		return err
	}
	if p.sum.Keys == 0 {
		return p.Fault(seedfile.CodeStructure, "the file holds no key package")
	}
	return nil
}

// part reads one child of the container. The key comes before the first key
// package and once: a file that changes its protection half-way is refused.
func (p *pass) part(ctx context.Context, e xml.StartElement) error {
	if e.Name.Local == "Signature" && (e.Name.Space == nsDSig || e.Name.Space == nsPSKC) {
		return p.signature() // figure 9 has it in the namespace of PSKC
	}
	if e.Name.Space != nsPSKC {
		return p.Fault(seedfile.CodeStructure, "the container holds an unknown element")
	}
	switch e.Name.Local {
	case "EncryptionKey":
		if p.prot.named || p.sum.Keys > 0 {
			return p.Fault(seedfile.CodeStructure, "an encryption key is in the wrong place")
		}
		return p.encryptionKey()
	case "MACMethod":
		if !p.prot.named || p.prot.macNamed || p.sum.Keys > 0 {
			return p.Fault(seedfile.CodeStructure, "a MAC method is in the wrong place")
		}
		return p.macMethod(ctx, e)
	case "KeyPackage":
		return p.keyPackage(ctx)
	case "Extensions":
		return p.extension()
	}
	return p.Fault(seedfile.CodeStructure, "the container holds an unknown element")
}

// signature passes over <ds:Signature> (section 8) and says so in the Summary.
// To refuse the file would leave out files that lose nothing by a signature;
// to stay silent would let a reader believe that it was verified.
func (p *pass) signature() error {
	if p.sum.Signed {
		return p.Fault(seedfile.CodeStructure, "the file is signed twice")
	}
	p.sum.Signed = true
	return p.Skip()
}

// extension passes over an element that RFC 6030 leaves to others (section 12)
// in a place where it cannot change what a key means.
func (p *pass) extension() error {
	p.sum.Extensions++
	return p.Skip()
}
