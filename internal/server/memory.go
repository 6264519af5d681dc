package server

import (
	"bytes"
	"log/slog"
	"math"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

const (
	// channelShare is the part of the memory that joined channels may take by default, as a
	// divisor.
	channelShare = 5

	// unknownMemory is the assumed memory if the machine's memory is unknown.
	unknownMemory = 4 << 30
)

// channelMemory returns how many bytes the joined channels of all sessions may take.
func channelMemory(cfg config.Config) int64 {
	if cfg.ChannelMemory != 0 {
		return cfg.ChannelMemory
	}
	return memoryLimit("/") / channelShare
}

// memoryLimit returns how much memory this process may use: the machine's memory, or a lower limit
// of a control group or of GOMEMLIMIT. root is the root of the file system.
func memoryLimit(root string) int64 {
	least := min(machineMemory(root), groupMemory(root), debug.SetMemoryLimit(-1))
	if least == math.MaxInt64 {
		return unknownMemory
	}
	return least
}

// groupShare is the part of a control group's memory that the heap may take before Go collects
// garbage harder, in percent. The rest is for what Go does not count.
const groupShare = 90

// LimitMemory sets Go's memory limit below the limit of the control group, unless the environment
// sets one. Otherwise the kernel would kill the process before Go notices that memory is short. It
// logs the limit.
func LimitMemory(log *slog.Logger) { limitMemory(log, "/", os.Getenv("GOMEMLIMIT")) }

func limitMemory(log *slog.Logger, root, given string) {
	group := groupMemory(root)
	switch {
	case given != "":
		log.Info("GOMEMLIMIT sets the memory limit", "limit", debug.SetMemoryLimit(-1), "processors", runtime.GOMAXPROCS(0))
	case group < machineMemory(root):
		limit := group / 100 * groupShare
		debug.SetMemoryLimit(limit)
		log.Info("the memory limit is 90% of that of the control group; GOMEMLIMIT sets another", "limit", limit, "group", group, "processors", runtime.GOMAXPROCS(0))
	}
}

// machineMemory returns the machine's memory, or the largest number if it is unknown.
func machineMemory(root string) int64 {
	text, _ := os.ReadFile(path.Join(root, "proc/meminfo"))
	for line := range bytes.Lines(text) {
		if fields := strings.Fields(string(line)); len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			if n, err := strconv.ParseInt(fields[1], 10, 54); err == nil && n > 0 {
				return n << 10
			}
		}
	}
	return math.MaxInt64
}

// groupMemory returns the lowest limit of this process's control group and its parents (cgroup v2,
// or v1 as containers show it). It returns the largest number if there is no limit.
func groupMemory(root string) int64 {
	least := int64(math.MaxInt64)
	look := func(file string) {
		text, err := os.ReadFile(path.Join(root, "sys/fs/cgroup", file))
		if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && n > 0 {
			least = min(least, n)
		}
	}
	text, _ := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	for line := range bytes.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(string(line)), ":", 3) // ID:CONTROLLERS:GROUP
		if len(fields) < 3 {
			continue
		}
		folder, file := "", "memory.max"
		if fields[1] != "" || fields[0] != "0" { // version 1
			if !slices.Contains(strings.Split(fields[1], ","), "memory") {
				continue
			}
			folder, file = "memory", "memory.limit_in_bytes"
		}
		for group := fields[2]; strings.HasPrefix(group, "/"); group = path.Dir(group) {
			look(path.Join(folder, group, file))
			if group == "/" {
				break
			}
		}
	}
	look("memory/memory.limit_in_bytes")
	return least
}
