package strictxml_test

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"mohur/tokens/seedfile"
	"mohur/tokens/strictxml"
)

func walker(text string) *strictxml.Walker {
	return strictxml.New(seedfile.NewInput(strings.NewReader(text), 1<<30))
}

// walk goes through all of a document and returns its values by path.
func walk(w *strictxml.Walker) (values map[string]string, err error) {
	defer w.Close()
	values = map[string]string{}
	root, err := w.Root()
	if err != nil || root == nil {
		return values, err
	}
	err = w.Elements(func(e xml.StartElement) error {
		if e.Name.Local == "skip" {
			return w.Skip()
		}
		text, long, err := w.Text()
		if long {
			values[e.Name.Local] = "long"
		} else {
			values[e.Name.Local] = string(text)
		}
		return err
	})
	if err == nil {
		_, err = w.Root()
	}
	return values, err
}

func TestWalk(t *testing.T) {
	values, err := walk(walker(`<?xml version="1.0"?><!-- x --><a> <b>1<!-- 9 -->2</b><skip>x<c y="1">z</c></skip><c/><d><![CDATA[<&]]></d><e>&lt;&#65;</e>
		<f>` + strings.Repeat("x", strictxml.MaxText) + `</f><g>` + strings.Repeat("x", strictxml.MaxText+1) + `</g></a>`))
	if err != nil || values["b"] != "12" || values["c"] != "" || values["d"] != "<&" || values["e"] != "<A" || len(values["f"]) != strictxml.MaxText || values["g"] != "long" {
		t.Errorf("%v, %v", values["b"], err)
	}
}

func TestAttack12_WhatAWalkerRefuses(t *testing.T) {
	for text, code := range map[string]seedfile.Code{
		"<!DOCTYPE a><a/>":                                 seedfile.CodeForbidden,
		"<a><!DOCTYPE a></a>":                              seedfile.CodeForbidden,
		"<a>&x;</a>":                                       seedfile.CodeForbidden,
		"<a><?php ?></a>":                                  seedfile.CodeForbidden,
		"<a/><?xml version='1.0'?>":                        seedfile.CodeForbidden,
		"<?xml version='1.0' encoding='x'?><a/>":           seedfile.CodeEncoding,
		"<a>" + strings.Repeat("<skip>", 30) + "":          seedfile.CodeLimit,
		"<a><b c='" + strings.Repeat("x", 70000) + "'/>":   seedfile.CodeLimit,
		"<a><!--" + strings.Repeat("x", 70000) + "--></a>": seedfile.CodeLimit,
		"<a>x</a>":            seedfile.CodeStructure,
		"<a><b><c/></b></a>":  seedfile.CodeStructure,
		"x<a/>":               seedfile.CodeXML,
		"<a/>x":               seedfile.CodeXML,
		"<a>":                 seedfile.CodeXML,
		"<a></b>":             seedfile.CodeXML,
		"<a b='1' b='2'/>":    seedfile.CodeXML,
		"<a><x:b/></a>":       seedfile.CodeXML,
		"<a><b x:y='1'/></a>": seedfile.CodeXML,
		"<a>\xff</a>":         seedfile.CodeXML,
	} {
		_, err := walk(walker(text))
		var refused *seedfile.FileError
		if !errors.As(err, &refused) || refused.Code != code || refused.Line != 1 {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// FuzzWalk: nothing panics, and every fault is the file's.
func FuzzWalk(f *testing.F) {
	f.Add("<a><b>1</b><skip><c/></skip></a>")
	f.Add("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>")
	f.Add("<?xml version='1.0' encoding='utf-16'?><a/>")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := walk(walker(text))
		var refused *seedfile.FileError
		if err != nil && (!errors.As(err, &refused) || len(err.Error()) > 300) {
			t.Fatal(err)
		}
		for _, v := range values {
			if len(v) > strictxml.MaxText {
				t.Fatalf("a value of %d bytes", len(v))
			}
		}
	})
}
