package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the processor time of a process so far, user and system, of all its
// threads: what utime and stime of /proc/PID/stat come to, to the nanosecond
// instead of the tick (clock_getcpuclockid(3)).
func CPU(pid int) (time.Duration, error) {
	const ofProcess = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|ofProcess, &t); err != nil {
		return 0, fmt.Errorf("bench: the processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// Memory is what a process holds of the machine's memory, in bytes.
type Memory struct {
	Resident int64 // now
	Peak     int64 // at most, since the start or the last ResetPeak
}

// MemoryOf reads it (proc_pid_status(5)).
func MemoryOf(pid int) (Memory, error) {
	text, err := os.ReadFile(proc(pid, "status"))
	if err != nil {
		return Memory{}, fmt.Errorf("bench: %w", err)
	}
	var m Memory
	for name, to := range map[string]*int64{"VmRSS": &m.Resident, "VmHWM": &m.Peak} {
		_, rest, _ := strings.Cut(string(text), "\n"+name+":")
		if _, err := fmt.Sscanf(rest, "%d kB", to); err != nil {
			return Memory{}, fmt.Errorf("bench: the memory of process %d is not told: %w", pid, err)
		}
		*to <<= 10
	}
	return m, nil
}

// ResetPeak lets the peak begin anew (proc_pid_clear_refs(5)).
func ResetPeak(pid int) error {
	const peak = "5"
	if err := os.WriteFile(proc(pid, "clear_refs"), []byte(peak), 0); err != nil {
		return fmt.Errorf("bench: the peak of memory cannot be set back: %w", err)
	}
	return nil
}

func proc(pid int, file string) string { return "/proc/" + strconv.Itoa(pid) + "/" + file }

// Counter sums the samples of a metric in the text format of Prometheus whose
// labels hold the text has, "" for all of them. A metric that is not there is 0:
// one with labels appears when it first counts.
func Counter(metrics []byte, name, has string) (sum float64) {
	for line := range strings.Lines(string(metrics)) {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			continue
		}
		labels, ok := strings.CutPrefix(line[:at], name)
		if !ok || labels != "" && labels[0] != '{' || !strings.Contains(labels, has) {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
			sum += v
		}
	}
	return sum
}
