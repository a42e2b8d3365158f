package agent

import "golang.org/x/sys/windows"

// programFolders are those for programs, where only an administrator may write. The
// system says which, not the environment.
func programFolders() []string {
	var folders []string
	for _, id := range []*windows.KNOWNFOLDERID{windows.FOLDERID_ProgramFiles, windows.FOLDERID_ProgramFilesX86} {
		if dir, err := windows.KnownFolderPath(id, windows.KF_FLAG_DEFAULT); err == nil {
			folders = append(folders, dir)
		}
	}
	return folders
}
