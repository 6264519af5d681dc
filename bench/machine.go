package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// reservedFiles is the number of a process's descriptors besides its connections.
const reservedFiles = 64

// pinned reports whether server and load generator can have one core each.
func pinned() bool { return runtime.NumCPU() > 1 }

// allowedFiles raises this process's limit of open files to the maximum and returns it. Child
// processes inherit it.
func allowedFiles() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("raise the limit of open files: %w", err)
	}
	return int(min(limit.Cur, 1<<20)), nil
}

func checkMachine(shapes []shape, o options) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the load generator needs Linux (epoll, /proc), this is %s", runtime.GOOS)
	}
	if pinned() {
		if _, err := exec.LookPath("taskset"); err != nil {
			return fmt.Errorf("taskset is not installed; on Debian: apt-get install util-linux")
		}
	}
	files, err := allowedFiles()
	if err != nil {
		return err
	}
	for _, s := range shapes {
		if need := s.plan.subscribers + s.plan.publishers + reservedFiles; files < need {
			return fmt.Errorf("shape %q needs %d open files a process and %d are allowed; raise the hard limit (ulimit -Hn), or leave the shape out with -only", s.name, need, files)
		}
	}
	return nil
}

// describeMachine describes the machine. Every table of figures starts with this line.
func describeMachine(o options) string {
	kernel := firstLine("/proc/sys/kernel/osrelease")
	where := "server and load share one core: the figures say little"
	if pinned() {
		where = fmt.Sprintf("server on core %d, load on core %d", o.serverCPU, o.loadCPU)
	}
	return fmt.Sprintf("%s, %d cores, Linux %s, %s; %s", cpuModel(), runtime.NumCPU(), kernel, runtime.Version(), where)
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(text)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return runtime.GOARCH
}

func firstLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
