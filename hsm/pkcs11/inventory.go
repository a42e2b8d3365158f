package pkcs11

import (
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"strings"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// object is a key of ours in the token.
type object struct {
	key     hsm.Key
	version int
	class   uint           // CKO_SECRET_KEY or CKO_PRIVATE_KEY
	bits    int            // of a secret key
	rsa     *rsa.PublicKey // of a private transport key
	handle  p11.ObjectHandle
}

// inventory finds every secret and private key in the token that carries our
// label, whatever else the token holds. It costs a search over the whole token:
// once for each log-in, never for each call.
func (l *link) inventory() (found []object, err error) {
	for range 3 {
		err = l.with(readOnly, func(s *session) error {
			found, err = s.inventory()
			return err
		})
		if !passing(err) {
			break
		}
	}
	return found, err
}

// passing says whether a fault may be gone at the next try. In SoftHSM a search
// now and then fails while another session makes or destroys an object, and so
// does the making, with this code or that. That is no sign of a broken device.
func passing(err error) bool {
	if err == nil {
		return false
	}
	class := faultOf("", "", err).Class
	return class == hsm.ClassDevice || class == hsm.ClassConfig
}

func (s *session) inventory() ([]object, error) {
	var all []object
	for _, class := range []uint{p11.CKO_SECRET_KEY, p11.CKO_PRIVATE_KEY} {
		handles, err := s.search(class)
		if err != nil {
			return nil, err
		}
		for _, h := range handles {
			o, ours, err := s.describe(class, h)
			switch codeOf(err) {
			case p11.CKR_OBJECT_HANDLE_INVALID, p11.CKR_ATTRIBUTE_TYPE_INVALID:
				continue // deleted since the search, or a stranger's without a label
			}
			if err != nil {
				return nil, err
			}
			if ours {
				all = append(all, o)
			}
		}
	}
	return all, unambiguous(all)
}

// search returns the handles of all keys of a class with the attributes given.
func (s *session) search(class uint, with ...*p11.Attribute) (handles []p11.ObjectHandle, err error) {
	err = s.ctx.FindObjectsInit(s.handle, append(with,
		p11.NewAttribute(p11.CKA_CLASS, class),
		p11.NewAttribute(p11.CKA_TOKEN, true),
	))
	if err != nil {
		return nil, err
	}
	for {
		some, _, err := s.ctx.FindObjects(s.handle, 64)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return handles, s.ctx.FindObjectsFinal(s.handle)
		}
		handles = append(handles, some...)
	}
}

func (s *session) describe(class uint, h p11.ObjectHandle) (o object, ours bool, err error) {
	values, err := s.ctx.GetAttributeValue(s.handle, h, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_LABEL, nil),
		p11.NewAttribute(p11.CKA_ID, nil),
	})
	if err != nil {
		return o, false, err
	}
	name, ours := strings.CutPrefix(string(values[0].Value), labelPrefix)
	if !ours {
		return o, false, nil
	}
	o = object{key: hsm.Key(name), class: class, handle: h}
	if o.version, ours = parseID(o.key, string(values[1].Value)); !ours {
		return o, false, configFault(fmt.Sprintf("the token holds a key labelled %q whose id is not of this server", values[0].Value))
	}
	switch {
	case class == p11.CKO_SECRET_KEY:
		o.bits, err = s.bits(h)
	case isTransport(o.key):
		o.rsa, err = s.rsaPublic(h)
	}
	return o, true, err
}

func (s *session) bits(h p11.ObjectHandle) (int, error) {
	values, err := s.ctx.GetAttributeValue(s.handle, h, []*p11.Attribute{p11.NewAttribute(p11.CKA_VALUE_LEN, nil)})
	if err != nil {
		return 0, err
	}
	return int(number(values[0].Value)) * 8, nil
}

// unambiguous refuses two keys of one name and version: which of them is found
// first would decide what a MAC or a signature is worth.
func unambiguous(all []object) error {
	seen := map[string]bool{}
	for _, o := range all {
		id := versioned(o.key, o.version)
		if seen[id] {
			return configFault(fmt.Sprintf("the token holds two keys %s: delete the one that is not yours", id))
		}
		seen[id] = true
	}
	return nil
}

// number reads a CK_ULONG, which has the width and byte order of the machine.
func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.NativeEndian.Uint64(b)
}
