//go:build !windows

package browser

import (
	"os"
	"runtime"
)

// Here is this machine, for the user who runs the program.
func Here() (*Machine, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	return At(runtime.GOOS, "/", home), nil
}
