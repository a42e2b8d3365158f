package pkcs11

// Connected is how many log-ins this process holds.
func Connected() int { return int(connected.Load()) }

// What the table of classes is tested through.
var (
	FaultOf = faultOf
	CodeOf  = codeOf

	Classes   = classes
	BlobCodes = blobCodes
)

// ErrOtherKeys is the fault of a token that came back with other keys.
var ErrOtherKeys = errOtherKeys

// ReadPINFile is the PIN in a file, which nobody but a test may keep.
func ReadPINFile(path string) (string, error) {
	pin, err := readPIN(path, make([]byte, maxPIN+3))
	return string(pin), err
}
