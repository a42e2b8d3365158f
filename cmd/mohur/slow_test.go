package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// dribble is the process of the slow ones: `dribble ADDRESS N` keeps N connections open, says
// "N open" once it has opened them, and goes on until its input ends. A third say
// nothing, a third send bytes of a TLS greeting, a third shake hands and send a
// header, each a byte a second; one that is closed is opened again.
func dribble() {
	address := os.Args[1]
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	opening := make(chan struct{}, 64) // handshakes at once: a client has two processors too
	var opened sync.WaitGroup
	opened.Add(n)
	for i := range n {
		go func() {
			first := sync.OnceFunc(opened.Done)
			for {
				opening <- struct{}{}
				conn, err := slowConn(address, i%3)
				<-opening
				if err != nil {
					time.Sleep(100 * time.Millisecond)
					continue
				}
				first()
				say(conn, i%3)
				conn.Close()
				time.Sleep(10 * time.Second) // many and slow; a flood of handshakes is another attack
			}
		}()
	}
	opened.Wait()
	fmt.Println(n, "open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func slowConn(address string, kind int) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil || kind < 2 {
		return conn, err
	}
	t := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // it steals nothing
	_ = t.SetDeadline(time.Now().Add(10 * time.Second))
	if err := t.Handshake(); err != nil {
		conn.Close()
		return nil, err
	}
	_ = t.SetDeadline(time.Time{})
	return t, nil
}

// say sends a byte a second until the other side has had enough.
func say(conn net.Conn, kind int) {
	if kind == 0 {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	text := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 500)
	if kind == 2 {
		text = "POST /v1/authentications HTTP/1.1\r\nHost: " + strings.Repeat("x", 500)
	}
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// crowdOf starts the process and returns when all its connections have been
// opened.
func crowdOf(t *testing.T, address string, n int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "dribble", address, strconv.Itoa(n))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != fmt.Sprintln(n, "open") {
		t.Fatalf("the slow ones: %q, %v", line, err)
	}
}

// TestAttack03_SlowConnectionsStopNobody: with 10,000 connections (fewer under the
// race detector) that say little
// or nothing, opened again whenever they are closed, customers log in over
// connections of their own, from the same address: where the server holds as many
// as it does by default, and where it has room for all of them.
func TestAttack03_SlowConnectionsStopNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 connections take half a minute")
	}
	for _, room := range []string{"4096", "20000"} {
		t.Run(room, func(t *testing.T) {
			in := start(t, "connections: 4096", "connections: "+room)
			p, code := withToken(t, in)
			crowdOf(t, in.address, slowOnes)
			var worst time.Duration
			for i := range 20 {
				began := time.Now()
				p.cl = in.admin() // a new connection for each
				if state := p.logIn(code()); state != "granted" {
					t.Fatalf("log-in %d, after %s: %s\n%s", i, time.Since(began), state, tail(troubles(in.log.String()), 3000))
				}
				worst = max(worst, time.Since(began))
				time.Sleep(300 * time.Millisecond)
			}
			t.Logf("%d slow connections, room for %s: the slowest of 20 log-ins took %s", slowOnes, room, worst.Round(time.Millisecond))
			if worst > 10*time.Second { // under the race detector, on a busy machine
				t.Errorf("a log-in took %s", worst)
			}
		})
	}
}

// withToken returns somebody with a token, and what gives its codes.
func withToken(t *testing.T, in *instance) (*person, func() string) {
	t.Helper()
	seed := make([]byte, 20)
	rand.Read(seed)
	var text bytes.Buffer
	w := pskctest.NewWriter(&text)
	w.Add(pskctest.Key{Serial: "SLOW-1", Algorithm: pskc.HOTP, Digits: 6, Secret: seed})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "seeds.xml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "token", "import", file, "--config", in.file)
	counter := 0
	code := func() string {
		counter++
		return tool(t, "oathtool", "--hotp", "--counter", strconv.Itoa(counter-1), hex.EncodeToString(seed))
	}
	p := newPerson(t, in, "C-SLOW")
	p.receive("SLOW-1", code)
	return p, code
}

// TestAttack03_SlowHeadersAndBodiesEnd: a header has five seconds, the body of a
// known client ten, and nobody sends a header of more than 16 KB.
func TestAttack03_SlowHeadersAndBodiesEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for ten seconds")
	}
	in := start(t)
	key, err := os.ReadFile(filepath.Join(in.dir, adminKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text  string
		from, until time.Duration
		status      string
	}{
		{"header", "POST /v1/authentications HTTP/1.1\r\nHost: x\r\nX-Slow: ", 4 * time.Second, 7 * time.Second, ""},
		{"body", "POST /v1/authentications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nAuthorization: Bearer " +
			strings.TrimSpace(string(key)) + "\r\n\r\n{", 9 * time.Second, 12 * time.Second, "422"},
		{"long header", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 17<<10) + "\r\n\r\n", 0, 3 * time.Second, "431"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			settings := in.config.clientTLS()
			settings.ServerName = "localhost"
			conn, err := tls.Dial("tcp", in.address, settings)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			began := time.Now()
			if _, err := io.WriteString(conn, c.text); err != nil {
				t.Fatal(err)
			}
			go func() {
				for range 20 {
					if _, err := io.WriteString(conn, "x"); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			_ = conn.SetReadDeadline(began.Add(20 * time.Second))
			answer, _ := io.ReadAll(conn)
			took := time.Since(began)
			if took < c.from || took > c.until || !strings.HasPrefix(string(answer), "HTTP/1.1 "+c.status) && c.status != "" {
				t.Errorf("after %s: %.60q", took.Round(time.Millisecond), answer)
			}
		})
	}
}
