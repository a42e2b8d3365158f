package authn_test

import "mohur/hsm"

// hsmAway is a module whose device is gone.
var hsmAway = &hsm.Fault{Class: hsm.ClassDevice, Op: "test", Code: 0x30}
