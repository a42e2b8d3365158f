package pkcs11

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	p11 "github.com/miekg/pkcs11"
)

// rights are what a secret key may do, all of them said: modules differ in what
// they assume.
func rights(k kind) []*p11.Attribute {
	mac, aead, kek := k == kindMAC, k == kindAEAD, k == kindKEK
	return []*p11.Attribute{
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_SIGN, mac),
		p11.NewAttribute(p11.CKA_VERIFY, mac),
		p11.NewAttribute(p11.CKA_ENCRYPT, aead),
		p11.NewAttribute(p11.CKA_DECRYPT, aead),
		p11.NewAttribute(p11.CKA_WRAP, kek),
		p11.NewAttribute(p11.CKA_UNWRAP, kek),
		p11.NewAttribute(p11.CKA_DERIVE, false),
		// A key that nobody modifies cannot get wider rights later. SoftHSM does
		// not copy such a key into a session either, which MAC keys need.
		p11.NewAttribute(p11.CKA_MODIFIABLE, mac),
	}
}

// hardening is a set of attributes that not every module knows.
type hardening struct {
	name       string
	attributes func() (attributes []*p11.Attribute, release func())
}

// hardenings returns what to try, the strongest first.
func hardenings(k kind) []hardening {
	bare := hardening{"", func() ([]*p11.Attribute, func()) { return nil, func() {} }}
	if k != kindKEK {
		return []hardening{bare}
	}
	// A copy may be given another unwrap template than its original, where the
	// module allows copies.
	uncopyable := func() ([]*p11.Attribute, func()) {
		attribute, release := unwrapTemplate()
		return []*p11.Attribute{attribute, p11.NewAttribute(p11.CKA_COPYABLE, false)}, release
	}
	templated := func() ([]*p11.Attribute, func()) {
		attribute, release := unwrapTemplate()
		return []*p11.Attribute{attribute}, release
	}
	return []hardening{{"CKA_COPYABLE", uncopyable}, {"CKA_UNWRAP_TEMPLATE", templated}, bare}
}

// unwrapTemplate is CKA_UNWRAP_TEMPLATE {SENSITIVE, not EXTRACTABLE}: the module
// itself then refuses to unwrap a seed into a key that can be read or carried
// away, whoever asks. Its value is an array of CK_ATTRIBUTE, which holds
// pointers; what they point to stays where it is until release.
func unwrapTemplate() (attribute *p11.Attribute, release func()) {
	var pin runtime.Pinner
	var array []byte
	for _, a := range []*p11.Attribute{
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
	} {
		value := &a.Value[0]
		pin.Pin(value)
		// CK_ATTRIBUTE on 64-bit machines: type, address, length.
		array = binary.NativeEndian.AppendUint64(array, uint64(a.Type))
		array = binary.NativeEndian.AppendUint64(array, uint64(uintptr(unsafe.Pointer(value))))
		array = binary.NativeEndian.AppendUint64(array, uint64(len(a.Value)))
	}
	return p11.NewAttribute(p11.CKA_UNWRAP_TEMPLATE, array), pin.Unpin
}
