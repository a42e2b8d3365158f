package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestClause5_3_2_AFullDisk: where nothing more can be written the server ends and
// says why; once there is room again it goes on with everything that it had
// acknowledged, and with nothing half done.
func TestClause5_3_2_AFullDisk(t *testing.T) {
	dir := crashDir(t)
	disk := smallDisk(t)
	file := filepath.Join(dir, configName)
	config, err := loadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(config.Store.Path)
	if err != nil {
		t.Fatal(err)
	}
	// Sparse, as the server's own files are: room for what is still empty is taken
	// when it is written.
	path := filepath.Join(disk, "mohur.db")
	if err := errors.Join(os.WriteFile(path, text[:used(text)], 0o600), os.Truncate(path, int64(len(text))), os.Remove(config.Store.Path)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, config.Store.Path); err != nil {
		t.Fatal(err)
	}
	p := launch(t, dir)
	s := customers(t, p, 1)[0]
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast, 400<<10)
	var acks []grant
	began := time.Now()
	for !p.over() && len(acks) < 500 {
		g, err := s.logsIn(context.Background())
		if err != nil {
			t.Logf("after %s: %v", time.Since(began), err)
			break
		}
		acks = append(acks, g)
	}
	began = time.Now()
	if code := p.ended(); code != exitFailed {
		t.Errorf("it ended with %d, want %d", code, exitFailed)
	}
	if log := p.stderr.String(); !strings.Contains(log, "no space left on device") || !strings.Contains(log, "the disk did not confirm a write") {
		t.Errorf("its log does not say why:\n%s", log)
	}
	t.Logf("%d log-ins before the disk was full, ended %s after", len(acks), time.Since(began))
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p = launch(t, dir)
	s.drive(p)
	afterwards(t, s, acks, acks)
	p.kill()
	proved(t, dir)
	if code, out := runs(t, dir, "store", "check"); code != exitOK {
		t.Errorf("store check: %s", out)
	}
}

// smallDisk mounts a file system of a few megabytes.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := shortDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m,mode=700"); err != nil {
		t.Skipf("a file system cannot be mounted here: %v; store/bolt has the same test with a limit on the size of files", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the room there is but some.
func fill(t *testing.T, path string, but int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size >= 4<<10; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(info.Size() - but); err != nil {
		t.Fatal(err)
	}
}

// TestClause5_3_2_ADamagedStoreIsRefused: a file that was cut off, torn or changed
// is refused with words that name it and say what to do; nothing is made in its
// place.
func TestClause5_3_2_ADamagedStoreIsRefused(t *testing.T) {
	dir := crashDir(t)
	p := launch(t, dir)
	customers(t, p, 1)
	p.kill()
	path := p.config.Store.Path
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"empty":            func([]byte) []byte { return nil },
		"cut in half":      func(b []byte) []byte { return b[:used(b)/2] },
		"without its tail": func(b []byte) []byte { return b[:used(b)-4096] },
		"torn tail": func(b []byte) []byte {
			return append(b[:used(b)-8192], bytes.Repeat([]byte{0xA5}, 8192)...)
		},
		"heads gone":   func(b []byte) []byte { return append(make([]byte, 8192), b[8192:]...) },
		"another file": func([]byte) []byte { return bytes.Repeat([]byte("not a store. "), 1000) },
	} {
		t.Run(name, func(t *testing.T) {
			damaged := damage(bytes.Clone(whole))
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			p := launched(t, dir)
			if code := p.ended(); code != exitFailed {
				t.Errorf("it ended with %d", code)
			}
			said := p.stderr.String()
			if !strings.Contains(said, path) || !strings.Contains(said, "keep a copy") || strings.Contains(said, "goroutine") {
				t.Errorf("it says: %s", said)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, damaged) {
				t.Errorf("it has changed the file it refused: %v", err)
			}
		})
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	launch(t, dir).kill()
}

// TestDoctorSeesAClockSetBack: the store was written by a clock that was ahead.
func TestDoctorSeesAClockSetBack(t *testing.T) {
	dir := crashDir(t)
	c, err := loadConfig(filepath.Join(dir, configName))
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(c.Store.Path, later, later); err != nil {
		t.Fatal(err)
	}
	if code, out := runs(t, dir, "doctor"); code != exitFailed || !strings.Contains(out, "the store was written after that") {
		t.Errorf("%d %s", code, out)
	}
}

// used is how long the file is up to its last page that holds anything.
func used(b []byte) int {
	n := len(bytes.TrimRight(b, "\x00"))
	return (n + 4095) / 4096 * 4096
}
