package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mohur/hsm/pkcs11"
)

// orProfile is a number that the HSM's profile gives where the file does not.
type orProfile struct{ intValue }

func (v orProfile) text() string {
	if *v.to == 0 {
		return ""
	}
	return v.intValue.text()
}

// choiceValue is true, false, or left out: then another setting decides.
type choiceValue struct{ to **bool }

func (v choiceValue) set(node ast.Node) string {
	var b bool
	fault := boolValue{&b}.set(node)
	if fault == "" {
		*v.to = &b
	}
	return fault
}

func (v choiceValue) text() string {
	if *v.to == nil {
		return ""
	}
	return boolValue{*v.to}.text()
}

// hsmProfile is the profile of the module's maker, with every setting of its own
// that the file has.
func (c *Config) hsmProfile() (p pkcs11.Profile, err error) {
	if c.HSM.Profile != "" {
		if p, err = pkcs11.ProfileNamed(c.HSM.Profile); err != nil {
			return p, err
		}
	}
	p.WrapMechanism = cmp.Or(uint(c.HSM.WrapMechanism), p.WrapMechanism)
	if c.HSM.ValueLen != nil {
		p.ValueLen = *c.HSM.ValueLen
	}
	return p, nil
}

// profileFault says which profiles there are to one who named another.
func profileFault(name string) string {
	return fmt.Sprintf("%q is none; there are %s", name, strings.Join(pkcs11.ProfileNames(), ", "))
}
