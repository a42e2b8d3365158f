package agent

import "testing"

func TestConfigurationBesideTheProgram(t *testing.T) {
	folders := []string{`C:\Program Files`, `C:\Program Files (x86)`}
	for program, want := range map[string]string{
		`C:\Program Files\Mohur\mohur-card.exe`:       `C:\Program Files\Mohur\config.yaml`,
		`c:\PROGRAM FILES\a\b\mohur-card.exe`:         `c:\PROGRAM FILES\a\b\config.yaml`,
		`C:\Program Files (x86)\Mohur\mohur-card.exe`: `C:\Program Files (x86)\Mohur\config.yaml`,
		`C:\Program Files\mohur-card.exe`:             `C:\Program Files\config.yaml`,

		`C:\Users\a\Downloads\mohur-card.exe`:                  "",
		`C:\Program Files2\mohur-card.exe`:                     "",
		`C:\Program Files\..\Users\a\Downloads\mohur-card.exe`: "",
		`C:\Program Files\.. \Users\a\mohur-card.exe`:          "",
		`C:\Program Files\\..\mohur-card.exe`:                  "",
		`C:\Program Files/../Users/a\mohur-card.exe`:           "",
		`D:\Program Files\Mohur\mohur-card.exe`:                "",
		`\\?\C:\Program Files\Mohur\mohur-card.exe`:            "",
		`\\server\C$\Program Files\Mohur\mohur-card.exe`:       "",
		`C:\Users\a\C:\Program Files\mohur-card.exe`:           "",
		`C:\PROGRA~1\Mohur\mohur-card.exe`:                     "",
		`mohur-card.exe`:                                       "",
		``:                                                     "",
	} {
		if got := systemPlace("windows", program, folders); got != want {
			t.Errorf("%q: %q, want %q", program, got, want)
		}
	}
	for _, folders := range [][]string{nil, {""}, {`C:\`}, {`\`}} {
		if got := systemPlace("windows", `C:\Program Files\Mohur\mohur-card.exe`, folders); got != "" {
			t.Errorf("below %q: %q", folders, got)
		}
	}
	if got := systemPlace("linux", "/home/a/mohur-card", nil); got != "/etc/mohur-card/config.yaml" {
		t.Error(got)
	}
}
