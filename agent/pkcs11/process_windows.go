package pkcs11

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// alone starts the child without a window of its own.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NO_WINDOW}
}

// runAlone runs the child in a job that ends with it, and everything it started too.
func runAlone(cmd *exec.Cmd) error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(job) }() // kills what is left
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(cmd.Process.Pid))
	if err == nil {
		err = windows.AssignProcessToJobObject(job, process)
		_ = windows.CloseHandle(process)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	return cmd.Wait()
}

// Where libraries are looked for in the child: System32 and what onlyFrom adds, not the
// directory of the program, the current one or PATH.
const trusted = windows.LOAD_LIBRARY_SEARCH_SYSTEM32 | windows.LOAD_LIBRARY_SEARCH_USER_DIRS

// onlyFrom loads a module, and its libraries from its own directory and System32 only,
// as well as what it loads later by name. LoadLibrary, by which the module is loaded
// once more to be used, then finds it loaded.
func onlyFrom(module string) error {
	if err := windows.SetDefaultDllDirectories(trusted); err != nil {
		return err
	}
	dir, err := windows.UTF16PtrFromString(filepath.Dir(module))
	if err != nil {
		return err
	}
	if _, err := windows.AddDllDirectory(dir); err != nil {
		return err
	}
	_, err = windows.LoadLibraryEx(module, 0, trusted|windows.LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR)
	return err
}

// NoDumps keeps the memory of this process out of crash reports shown to a person.
func NoDumps() { windows.SetErrorMode(windows.SEM_FAILCRITICALERRORS | windows.SEM_NOGPFAULTERRORBOX) }
