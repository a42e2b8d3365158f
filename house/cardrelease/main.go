// Command cardrelease makes and uses the key that signs releases of mohur-card:
//
//	go run ./house/cardrelease key NAME FILE       a new key; its public part is printed
//	go run ./house/cardrelease public FILE         the public part of a key
//	go run ./house/cardrelease sign FILE DIRECTORY SHA256SUMS of the programs in it
//
// FILE holds the private key. It lies outside of the checkout, for its owner only.
package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"mohur/agent/release"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cardrelease:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("use key NAME FILE, public FILE, or sign FILE DIRECTORY")

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch {
	case args[0] == "key" && len(args) == 3:
		return newKey(args[1], args[2])
	case args[0] == "public" && len(args) == 2:
		private, err := load(args[1])
		if err != nil {
			return err
		}
		public, err := publicOf(private)
		if err == nil {
			fmt.Println(public)
		}
		return err
	case args[0] == "sign" && len(args) == 3:
		return sign(args[1], args[2])
	}
	return errUsage
}

func newKey(name, file string) error {
	if err := outside(file); err != nil {
		return err
	}
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, private)
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		fmt.Println(public)
	}
	return err
}

// outside: a private key that lies in the checkout is published one day.
func outside(file string) error {
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(here, path); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Errorf("the private key %s lies in the checkout; keep it elsewhere", file)
	}
	return nil
}

func load(file string) (string, error) {
	if err := outside(file); err != nil {
		return "", err
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if runtime.GOOS != "windows" && info.Mode()&0o077 != 0 {
		return "", fmt.Errorf("the private key %s can be read by others: chmod 600 it", file)
	}
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err
}

// publicOf: a signer key is PRIVATE+KEY+name+id+base64(type ‖ seed), id in eight digits.
func publicOf(private string) (string, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return "", errors.New("this is no signer key of the form PRIVATE+KEY+name+id+base64")
	}
	seed := strings.TrimPrefix(private, "PRIVATE+KEY+"+signer.Name()+"+")[len("00000000+"):]
	raw, err := base64.StdEncoding.DecodeString(seed)
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", errors.New("this is no Ed25519 key")
	}
	public, _ := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(signer.Name(), public)
}

func sign(file, dir string) error {
	private, err := load(file)
	if err != nil {
		return err
	}
	public, err := publicOf(private)
	if err != nil {
		return err
	}
	programs, err := filepath.Glob(filepath.Join(dir, "mohur-card-*"))
	if err != nil {
		return err
	}
	if len(programs) == 0 {
		return fmt.Errorf("there is no mohur-card-… in %s", dir)
	}
	var entries []release.Entry
	for _, path := range programs {
		sum, err := release.Sum(path)
		if err != nil {
			return err
		}
		entries = append(entries, release.Entry{Name: filepath.Base(path), SHA256: sum})
	}
	signed, err := release.Sign(entries, private)
	if err != nil {
		return err
	}
	// What cannot be verified is not published.
	if _, err := release.Open(signed, public); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, release.SumsName), signed, 0o644) // public
}
