package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mohur/agent/release"
)

func (p *program) verifyCommand() *cobra.Command {
	sums, key := "", ""
	cmd := &cobra.Command{
		Use: "verify FILE…", Short: "tell whether files are those that were released",
		Long: `It verifies the signature of the checksums with the release key that is built into
this program, and holds the files against them. To verify a first download, use the copy
of this program on another machine, or give the key as the bank publishes it.`,
		Example: "  mohur-card verify mohur-card-1.2.3-windows-amd64.exe --sums SHA256SUMS",
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return usagef("needs a file to verify")
			}
			if key == "" {
				return usagef("this build has no release key in it; give the bank's with --key")
			}
			if sums == "" {
				sums = filepath.Join(filepath.Dir(files[0]), release.SumsName)
			}
			return p.verify(files, sums, key)
		},
	}
	cmd.Flags().StringVar(&sums, "sums", "", "the signed checksums (default "+release.SumsName+" beside the first file)")
	cmd.Flags().StringVar(&key, "key", releaseKey, "the release `KEY`, as name+id+base64")
	return cmd
}

func (p *program) verify(files []string, sumsFile, key string) error {
	signed, err := os.ReadFile(sumsFile)
	if err != nil {
		return err
	}
	sums, err := release.Open(signed, key)
	if err != nil {
		return fmt.Errorf("%s: %w", sumsFile, err)
	}
	var failed error
	for _, file := range files {
		name, err := sums.Check(file)
		switch {
		case err != nil:
			fmt.Fprintf(p.out, "%s: FAULT: %v\n", file, err)
			failed = errors.New("not every file is as it was released; do not use the others")
		case name != filepath.Base(file):
			fmt.Fprintf(p.out, "%s: good: it is %s of %s\n", file, name, sums.Signer)
		default:
			fmt.Fprintf(p.out, "%s: good, signed by %s\n", file, sums.Signer)
		}
	}
	return failed
}

// itself holds this program against the checksums of its release, if they were
// installed beside it.
func itself() (release.State, error) {
	path, err := os.Executable()
	if err != nil {
		return release.Bad, err
	}
	state, err := release.Self(path, releaseKey, version)
	if err != nil {
		return state, fmt.Errorf("this program does not work, for it is not as it was released: %w", err)
	}
	return state, nil
}
