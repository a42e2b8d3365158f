package agent

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Places are where the configuration is looked for, the system's first: what the
// bank or an administrator installed is not changed by a file in a home directory.
func Places() []string {
	var places []string
	program, _ := os.Executable()
	if place := systemPlace(runtime.GOOS, program, programFolders()); place != "" {
		places = append(places, place)
	}
	if dir, err := os.UserConfigDir(); err == nil {
		places = append(places, filepath.Join(dir, configDir, configName))
	}
	return places
}

// PassedOver is the place beside the program where on Windows a configuration is not
// read, because the program lies where anybody may write; "" elsewhere.
func PassedOver() string {
	program, err := os.Executable()
	if err != nil || runtime.GOOS != "windows" || systemPlace(runtime.GOOS, program, programFolders()) != "" {
		return ""
	}
	return filepath.Join(filepath.Dir(program), configName)
}

// systemPlace is where an administrator puts the configuration; "" where no place is
// his alone. On Windows anybody may write below ProgramData and where downloads lie,
// so it is beside the program, and that below one of the folders for programs.
func systemPlace(system, program string, folders []string) string {
	switch system {
	case "windows":
		for _, folder := range folders {
			if at := strings.LastIndex(program, `\`); at > 0 && below(program[:at], folder) {
				return program[:at] + `\` + configName
			}
		}
		return ""
	case "darwin":
		return filepath.Join("/Library/Application Support", configDir, configName)
	}
	return filepath.Join("/etc", configDir, configName)
}

// below tells whether a directory of Windows is a folder or below it. What is not
// written plainly, with a drive and without detours, is below nothing.
func below(dir, folder string) bool {
	for _, path := range []string{dir, folder} {
		if len(path) < 4 || path[1] != ':' || path[2] != '\\' || strings.ContainsAny(path[2:], `/:*?"<>|~`) {
			return false
		}
		for name := range strings.SplitSeq(path[3:], `\`) {
			if name == "" || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
				return false
			}
		}
	}
	dir, folder = strings.ToLower(dir), strings.ToLower(folder)
	return dir == folder || strings.HasPrefix(dir, folder+`\`)
}
