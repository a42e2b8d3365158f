package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"mohur/audit"
	"mohur/hsm/hsmtest"
	"mohur/hsm/pkcs11"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// remote is a development server in a process of its own, with its HSM in
// another: what a bank runs, but for the HSM's size.
type remote struct {
	*instance
	net  *hsmtest.Network
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// remoteServer serves a new installation whose module is on the network.
func remoteServer(t *testing.T) *remote {
	t.Helper()
	r := newRemote(t)
	r.serve()
	return r
}

// newRemote makes the installation. Its configuration is changed as told.
func newRemote(t *testing.T, changes ...string) *remote {
	t.Helper()
	dir := filepath.Join(shortDir(t), "dev")
	must(t, "init", "--dir", dir, "--development")
	r := &remote{instance: &instance{t: t, dir: dir, file: filepath.Join(dir, configName)}}
	r.net = hsmtest.NewNetwork(t, filepath.Join(dir, softHSMConf))
	settings := map[string]string{
		"module": r.net.Module, "profile": "p11-kit", "call_timeout": "400ms",
		// Somebody who errs on purpose must not be told to come back later.
		"customer_rate": "100000", "customer_burst": "100000", "source_rate": "100000", "source_burst": "100000",
		"customer_failures": "100000", "source_failures": "100000", "caller_rate": "100000", "caller_burst": "100000",
	}
	for i := 0; i < len(changes); i += 2 {
		settings[changes[i]] = changes[i+1]
	}
	r.configure(settings)
	return r
}

// configure changes settings in the file, whether they have a value or not.
func (r *remote) configure(settings map[string]string) {
	r.t.Helper()
	text, err := os.ReadFile(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	for name, value := range settings {
		line := regexp.MustCompile(`(?m)^(  )(?:# )?` + name + `:.*$`)
		text = line.ReplaceAll(text, []byte("${1}"+name+": "+value))
	}
	// The module's own process knows its configuration; ours does not need it.
	text = regexp.MustCompile(`(?m)^  softhsm_conf:.*$`).ReplaceAll(text, nil)
	if err := os.WriteFile(r.file, text, 0o600); err != nil {
		r.t.Fatal(err)
	}
	if r.config, err = loadConfig(r.file); err != nil {
		r.t.Fatal(err)
	}
}

// launch starts the server's process and does not wait for anything.
func (r *remote) launch(env ...string) {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	r.log = &buffer{}
	cmd := exec.Command(self)
	cmd.Args = []string{"mohur", "serve", "--config", r.file, "--listen", "127.0.0.1:0"}
	cmd.Env = append(append(os.Environ(), r.net.Env()...), env...)
	cmd.Stdout, cmd.Stderr = r.log, r.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // what it ended with is in ProcessState
		close(done)
	}()
	r.cmd, r.done = cmd, done
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if r.t.Failed() {
			r.t.Logf("the server's log:\n%s", tail(troubles(r.log.String()), 4000))
		}
	})
}

// troubles are the lines of a log that are not about what went well.
func troubles(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"level":"INFO"`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// serve starts the server's process and waits until it serves.
func (r *remote) serve() {
	r.t.Helper()
	r.launch()
	r.up(20 * time.Second)
}

// up waits until the server answers on its socket.
func (r *remote) up(within time.Duration) {
	r.t.Helper()
	for end := time.Now().Add(within); !answered(r.config.Socket); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) || r.ended() {
			r.t.Fatalf("the server does not come up:\n%s", tail(r.log.String(), 4000))
		}
	}
	r.address = strings.TrimPrefix(r.config.address(context.Background()), "https://")
}

func (r *remote) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// customer is somebody with a token and a PIN who has logged in once.
func (r *remote) customer(id string) (*person, *demoToken) {
	r.t.Helper()
	device := newDemoToken("NET-" + id)
	var file bytes.Buffer
	w := pskctest.NewWriter(&file)
	w.Add(pskctest.Key{Serial: device.serial, Algorithm: pskc.HOTP, Digits: 6, Secret: bytes.Clone(device.hotpSeed)})
	path := filepath.Join(r.t.TempDir(), "one.xml")
	if err := errors.Join(w.Close(), os.WriteFile(path, file.Bytes(), 0o600)); err != nil {
		r.t.Fatal(err)
	}
	must(r.t, "token", "import", path, "--config", r.file)
	p := newPerson(r.t, r.instance, id)
	p.receive(device.serial, device.code)
	if state := p.logIn(device.code()); state != "granted" {
		r.t.Fatalf("%s cannot log in: %s", id, state)
	}
	return p, device
}

// oneTryLeft errs until one more failure would lock the token.
func oneTryLeft(t *testing.T, p *person, d *demoToken) {
	t.Helper()
	for range 4 {
		if state := p.logIn(wrongCode(d)); state != "authentication-failed" {
			t.Fatalf("a wrong code is %s", state)
		}
	}
}

// wrongCode is none that the device shows soon.
func wrongCode(d *demoToken) string {
	soon := map[string]bool{}
	for ahead := *d; ahead.hotpCounter < d.hotpCounter+200; {
		soon[ahead.code()] = true
	}
	for i := 0; ; i++ {
		if code := fmt.Sprintf("%06d", 100000+i); !soon[code] {
			return code
		}
	}
}

// ready asks /readyz.
func (r *remote) ready() (status int, parts map[string]any) {
	r.t.Helper()
	resp, err := r.admin().http.Get("https://" + r.address + "/readyz")
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&parts); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, parts
}

// faults is what /metrics counts of the HSM's faults, of all classes or of one.
func (r *remote) faults(class string) (n float64) {
	r.t.Helper()
	resp, err := r.admin().http.Get("https://" + r.address + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^mohur_hsm_faults_total\{class="(\w+)",.*\} (\S+)$`).FindAllSubmatch(text, -1) {
		var v float64
		if _, err := fmt.Sscan(string(m[2]), &v); err == nil && (class == "" || class == string(m[1])) {
			n += v
		}
	}
	return n
}

// refusals counts the entries of the audit log that refuse somebody something.
func (r *remote) refusals() (n int) {
	r.t.Helper()
	resp, err := r.admin().send(context.Background(), http.MethodGet, "/v1/audit/export", "", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewReader(resp.Body); ; {
		line, err := lines.ReadBytes('\n')
		if bytes.Contains(line, []byte(`"header"`)) {
			var e struct{ Header string }
			var h audit.Header
			if json.Unmarshal(line, &e) == nil {
				h, _ = audit.ParseHeader([]byte(e.Header))
			}
			if h.Event == "" {
				r.t.Fatalf("an entry that cannot be read: %s", line)
			}
			if h.Outcome == "refused" {
				n++
			}
		}
		if err != nil {
			return n
		}
	}
}

// tokenTool works on the token beside the HSM, as its operator does.
func (r *remote) tokenTool(pin string, args ...string) {
	r.t.Helper()
	path, err := pkcs11.FindSoftHSM()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command("pkcs11-tool", append([]string{"--module", path, "--token-label", softHSMLabel, "--login", "--pin", pin}, args...)...)
	cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+filepath.Join(r.dir, softHSMConf))
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("pkcs11-tool (Debian package opensc): %v %s", err, out)
	}
}

// pin is the PIN of the token.
func (r *remote) pin() string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, softHSMPIN))
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
