package pkcs11

import (
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"
	"github.com/thales-e-security/pool"

	"mohur/hsm"
)

// classes is what each return value means for the server. What is not in it is
// taken for a device that is away.
var classes = map[uint]hsm.Class{
	p11.CKR_SESSION_CLOSED:                hsm.ClassSession,
	p11.CKR_SESSION_HANDLE_INVALID:        hsm.ClassSession,
	p11.CKR_OBJECT_HANDLE_INVALID:         hsm.ClassSession,
	p11.CKR_KEY_HANDLE_INVALID:            hsm.ClassSession,
	p11.CKR_WRAPPING_KEY_HANDLE_INVALID:   hsm.ClassSession,
	p11.CKR_UNWRAPPING_KEY_HANDLE_INVALID: hsm.ClassSession,
	p11.CKR_USER_NOT_LOGGED_IN:            hsm.ClassSession,
	p11.CKR_CRYPTOKI_NOT_INITIALIZED:      hsm.ClassSession,
	// A session left in the middle of an operation serves nobody. Ours are
	// dropped after any error; crypto11 keeps its own, and only a new
	// generation gets rid of them.
	p11.CKR_OPERATION_ACTIVE:          hsm.ClassSession,
	p11.CKR_OPERATION_NOT_INITIALIZED: hsm.ClassSession,

	p11.CKR_GENERAL_ERROR:        hsm.ClassDevice,
	p11.CKR_FUNCTION_FAILED:      hsm.ClassDevice,
	p11.CKR_HOST_MEMORY:          hsm.ClassDevice,
	p11.CKR_SLOT_ID_INVALID:      hsm.ClassDevice,
	p11.CKR_DEVICE_ERROR:         hsm.ClassDevice,
	p11.CKR_DEVICE_MEMORY:        hsm.ClassDevice,
	p11.CKR_DEVICE_REMOVED:       hsm.ClassDevice,
	p11.CKR_TOKEN_NOT_PRESENT:    hsm.ClassDevice,
	p11.CKR_TOKEN_NOT_RECOGNIZED: hsm.ClassDevice,

	p11.CKR_SESSION_COUNT: hsm.ClassBusy,

	p11.CKR_PIN_INCORRECT:            hsm.ClassPIN,
	p11.CKR_PIN_INVALID:              hsm.ClassPIN,
	p11.CKR_PIN_LEN_RANGE:            hsm.ClassPIN,
	p11.CKR_PIN_EXPIRED:              hsm.ClassPIN,
	p11.CKR_PIN_LOCKED:               hsm.ClassPIN,
	p11.CKR_USER_PIN_NOT_INITIALIZED: hsm.ClassPIN,

	p11.CKR_ATTRIBUTE_READ_ONLY:              hsm.ClassConfig,
	p11.CKR_ATTRIBUTE_SENSITIVE:              hsm.ClassConfig,
	p11.CKR_ATTRIBUTE_TYPE_INVALID:           hsm.ClassConfig,
	p11.CKR_ATTRIBUTE_VALUE_INVALID:          hsm.ClassConfig,
	p11.CKR_FUNCTION_NOT_SUPPORTED:           hsm.ClassConfig,
	p11.CKR_KEY_SIZE_RANGE:                   hsm.ClassConfig,
	p11.CKR_KEY_TYPE_INCONSISTENT:            hsm.ClassConfig,
	p11.CKR_KEY_FUNCTION_NOT_PERMITTED:       hsm.ClassConfig,
	p11.CKR_KEY_NOT_WRAPPABLE:                hsm.ClassConfig,
	p11.CKR_KEY_UNEXTRACTABLE:                hsm.ClassConfig,
	p11.CKR_MECHANISM_INVALID:                hsm.ClassConfig,
	p11.CKR_MECHANISM_PARAM_INVALID:          hsm.ClassConfig,
	p11.CKR_TEMPLATE_INCOMPLETE:              hsm.ClassConfig,
	p11.CKR_TEMPLATE_INCONSISTENT:            hsm.ClassConfig,
	p11.CKR_TOKEN_WRITE_PROTECTED:            hsm.ClassConfig,
	p11.CKR_WRAPPING_KEY_SIZE_RANGE:          hsm.ClassConfig,
	p11.CKR_WRAPPING_KEY_TYPE_INCONSISTENT:   hsm.ClassConfig,
	p11.CKR_UNWRAPPING_KEY_SIZE_RANGE:        hsm.ClassConfig,
	p11.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT: hsm.ClassConfig,

	p11.CKR_DATA_INVALID:             hsm.ClassInput,
	p11.CKR_DATA_LEN_RANGE:           hsm.ClassInput,
	p11.CKR_ENCRYPTED_DATA_INVALID:   hsm.ClassInput,
	p11.CKR_ENCRYPTED_DATA_LEN_RANGE: hsm.ClassInput,
}

// blobCodes are the answers of an unwrapping or an opening that speak of the
// blob. The general error is among them, since SoftHSM has no better word for a
// failed integrity check; whoever sees it must first make sure that the module
// still opens a good blob, or an outage would quarantine every token.
var blobCodes = map[uint]bool{
	p11.CKR_GENERAL_ERROR:            true,
	p11.CKR_DATA_INVALID:             true,
	p11.CKR_DATA_LEN_RANGE:           true,
	p11.CKR_ENCRYPTED_DATA_INVALID:   true,
	p11.CKR_ENCRYPTED_DATA_LEN_RANGE: true,
	p11.CKR_KEY_SIZE_RANGE:           true,
	p11.CKR_WRAPPED_KEY_INVALID:      true,
	p11.CKR_WRAPPED_KEY_LEN_RANGE:    true,
}

// stale are answers that speak of a key's type and rights. Those were in order
// at the start and cannot change, so later on the handle has come to mean
// another object, or one that is being destroyed with its session.
var stale = map[uint]bool{
	p11.CKR_KEY_TYPE_INCONSISTENT:            true,
	p11.CKR_KEY_FUNCTION_NOT_PERMITTED:       true,
	p11.CKR_KEY_NOT_WRAPPABLE:                true,
	p11.CKR_KEY_UNEXTRACTABLE:                true,
	p11.CKR_WRAPPING_KEY_TYPE_INCONSISTENT:   true,
	p11.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT: true,
}

// faultOf makes err, which may come from either library, a fault of op.
func faultOf(op string, key hsm.Key, err error) *hsm.Fault {
	if f, ok := errors.AsType[*hsm.Fault](err); ok {
		own := *f // the same fault may be handed to many callers
		if own.Op == "" || own.Op == opStart {
			own.Op = op
		}
		if own.Key == "" {
			own.Key = key
		}
		return &own
	}
	f := &hsm.Fault{Class: hsm.ClassDevice, Op: op, Key: key, Code: codeOf(err), Err: err}
	switch class, known := classes[f.Code]; {
	case known:
		f.Class = class
	case errors.Is(err, pool.ErrTimeout):
		f.Class = hsm.ClassBusy
	}
	return f
}

// codeOf returns the CK_RV in err, or 0.
func codeOf(err error) uint {
	if f, ok := errors.AsType[*hsm.Fault](err); ok {
		return f.Code
	}
	if e, ok := errors.AsType[p11.Error](err); ok {
		return uint(e)
	}
	return 0
}

func configFault(text string) *hsm.Fault {
	return &hsm.Fault{Class: hsm.ClassConfig, Op: opStart, Err: errors.New(text)}
}

func inputFault(format string, args ...any) *hsm.Fault {
	return &hsm.Fault{Class: hsm.ClassInput, Err: fmt.Errorf(format, args...)}
}

func blobFault(err error) *hsm.Fault {
	return &hsm.Fault{Class: hsm.ClassBlob, Code: codeOf(err), Err: err}
}
