package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// TestMain lets the scripts start this very program as `mohur`, and a test of slow
// connections those who hold them.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mohur": main, "dribble": dribble, "card-child": cardChild})
}

// TestScripts runs the command line as people do: testdata/*.txt.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await, "edit": edit, "batch": batch, "mode": mode, "dropline": dropLine, "setkey": setKey, "takeid": takeID, "freeport": freePort,
		},
	})
}

// await SOCKET waits until a server answers there; ! await, until none does.
func await(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if answered(path) != neg {
			return
		}
	}
	ts.Fatalf("waited in vain for %s", path)
}

// edit FILE OLD NEW replaces a text that has to be there.
func edit(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
}

// batch FILE writes a seed file in the clear: three HOTP tokens, and one record
// that cannot be used. batch FILE KEYHEX writes it under a transport key.
func batch(ts *testscript.TestScript, _ bool, args []string) {
	var out bytes.Buffer
	prefix, w := "T", (*pskctest.Writer)(nil)
	if len(args) == 1 {
		w = pskctest.NewWriter(&out)
	} else {
		prefix = "S"
		key := make([]byte, 16)
		if _, err := fmt.Sscanf(args[1], "%x", &key); err != nil {
			ts.Fatalf("%v", err)
		}
		w = pskctest.NewEncryptedWriter(&out, key, "acme", hsm.SHA256)
	}
	for i := range 4 {
		k := pskctest.Key{Serial: fmt.Sprintf("%s%04d", prefix, i), Algorithm: pskc.HOTP, Digits: 6, Secret: make([]byte, 20)}
		rand.Read(k.Secret)
		if i == 3 {
			k.Digits = 4 // too short to be a code
		}
		w.Add(k)
	}
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out.Bytes(), 0o600))
}

// mode FILE OCTAL compares the mode of a file.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); (got == args[1]) == neg {
		ts.Fatalf("%s has mode %s", args[0], got)
	}
}

// dropline FILE TEXT removes the first line that holds the text.
func dropLine(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.SplitAfter(ts.ReadFile(args[0]), "\n")
	for i, line := range lines {
		if strings.Contains(line, args[1]) {
			lines = append(lines[:i], lines[i+1:]...)
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(lines, "")), 0o600))
			return
		}
	}
	ts.Fatalf("no line of %s holds %q", args[0], args[1])
}

// setkey takes the member "key" or "admin_key" of the last output into
// $MOHUR_KEY.
func setKey(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.ReadFile("stdout")
	_, rest, ok := strings.Cut(out, `key": "`)
	if !ok {
		ts.Fatalf("no key in %s", out)
	}
	key, _, _ := strings.Cut(rest, `"`)
	ts.Setenv(keyVariable, key)
}

// takeid NAME takes the client of that name in the last list into $ID, and its
// first key's id into $KEYID.
func takeID(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if words := strings.Fields(line); len(words) > 3 && words[1] == args[0] {
			ts.Setenv("ID", words[0])
			ts.Setenv("KEYID", words[3])
			return
		}
	}
	ts.Fatalf("no client %s in the list", args[0])
}

// freeport sets $PORT to one that is free.
func freePort(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(errors.Join(err, l.Close()))
	ts.Setenv("PORT", port)
}
