package pkcs11

// Connected is how many log-ins this process holds.
func Connected() int { return int(connected.Load()) }

// What the table of classes is tested through.
var (
	FaultOf = faultOf
	CodeOf  = codeOf
)

// ErrOtherKeys is the fault of a token that came back with other keys.
var ErrOtherKeys = errOtherKeys
