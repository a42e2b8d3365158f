//go:build !cgo

package pkcs11

// PKCS#11 modules are C libraries: a build without cgo only serves checks of the
// source.
func withModule(request, []byte) response {
	return response{Failure: &Failure{Kind: Module, Detail: "this program was built without cgo"}}
}
