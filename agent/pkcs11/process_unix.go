//go:build unix

package pkcs11

import (
	"os/exec"
	"syscall"
)

// alone puts the child into a process group of its own and kills all of it:
// modules start helpers.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// runAlone runs the child. What it left behind in its group ends with it.
func runAlone(cmd *exec.Cmd) error {
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return err
}

// NoDumps keeps the memory of this process, in which a PIN may be, out of core files.
func NoDumps() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	undumpable()
}

// onlyFrom is for Windows: elsewhere the system's linker looks for a module's libraries
// where the system and the environment say, and never beside the program.
func onlyFrom(string) error { return nil }
