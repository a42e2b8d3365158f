//go:build !windows

package agent

func programFolders() []string { return nil }
