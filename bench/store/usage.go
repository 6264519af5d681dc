package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what was used up to a moment.
type usage struct {
	at      time.Time
	cpu     time.Duration
	device  int64 // bytes written to the directory's device, by all processes
	written int64 // bytes that this process passed to the file system
}

func usageNow(dir string) (u usage, err error) {
	if u.cpu, err = cpuTime(); err != nil {
		return u, err
	}
	if u.device, err = deviceBytes(dir); err != nil {
		return u, err
	}
	if u.written, err = ownBytes(); err != nil {
		return u, err
	}
	u.at = time.Now()
	return u, nil
}

const (
	sectorSize     = 512 // of the statistics, whatever the device has (Documentation/block/stat.rst)
	sectorsWritten = 6   // field of /sys/dev/block/MAJOR:MINOR/stat
)

// deviceBytes returns the bytes written to the block device of a directory. It returns 0 for a
// directory without one, as on tmpfs.
func deviceBytes(dir string) (int64, error) {
	var s syscall.Stat_t
	if err := syscall.Stat(dir, &s); err != nil {
		return 0, fmt.Errorf("stat %s: %w", dir, err)
	}
	// The encoding of makedev(3).
	major := s.Dev>>8&0xfff | s.Dev>>32&^uint64(0xfff)
	minor := s.Dev&0xff | s.Dev>>12&^uint64(0xff)
	text, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", major, minor))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) <= sectorsWritten {
		return 0, fmt.Errorf("the statistics of the device of %s have %d fields: %s", dir, len(fields), text)
	}
	n, err := strconv.ParseInt(fields[sectorsWritten], 10, 64)
	return n * sectorSize, err
}

// ownBytes returns the bytes that this process has written to files.
func ownBytes() (int64, error) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "write_bytes:"); ok {
			return strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/self/io has no write_bytes: %s", text)
}
