package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/disk"
)

const (
	reopenEach   = 100       // messages on each channel
	reopenSize   = 64        // bytes of a message
	reopenDisk   = 8 << 30   // bytes of all segments; more than all messages take
	reopenMemory = 512 << 20 // more than the index takes
	coldReads    = 300
	// reopenPerChannel is how many bytes of memory a channel may take besides its messages.
	reopenPerChannel = 300
	sortedWhen       = 5 * time.Second // nothing was written for this long
)

// Reopening has a process for each step, so that the memory of one does not count for another.
const (
	fillStep = "fill" // publish the messages
	openStep = "open" // open the directory, and measure that
	sortStep = "sort" // wait until the engine has sorted all segments
	readStep = "read" // read the newest messages of random channels, from the system's memory and from the disk
)

// reopen fills a directory and opens it again: before the engine has sorted it and written hints, and
// after.
func reopen(ctx context.Context, dir string, n int) (map[string]float64, error) {
	all := make(map[string]float64)
	for _, step := range []string{fillStep, openStep, sortStep, openStep, readStep} {
		metrics, err := runStep(ctx, dir, n, step)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step, err)
		}
		for name, v := range metrics {
			if step == openStep && all["sort_s"] == 0 {
				name = "unsorted_" + name
			}
			all[name] = v
		}
	}
	return all, nil
}

// runStep runs a step in a process of its own.
func runStep(ctx context.Context, dir string, n int, step string) (map[string]float64, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, program, "-dir", dir, "-reopen", strconv.Itoa(n), "-step", step)
	var stdout bytes.Buffer
	c.Stdout, c.Stderr = &stdout, os.Stderr
	if err := c.Run(); err != nil {
		return nil, err
	}
	var metrics map[string]float64
	return metrics, json.Unmarshal(stdout.Bytes(), &metrics)
}

// reopenStep runs one step in this process.
func reopenStep(ctx context.Context, dir string, n int, step string) (map[string]float64, error) {
	options := disk.Options{
		Messages: n, Disk: reopenDisk, DiskFree: -1, Memory: reopenMemory,
		SyncInterval: time.Second,      // filling is not measured
		KeyWindow:    time.Millisecond, // the engine need not wait until keys have expired
	}
	cpuBefore, err := cpuTime()
	if err != nil {
		return nil, err
	}
	e, opened, err := disk.Open(dir, options)
	if err != nil {
		return nil, err
	}
	cpuAfter, err := cpuTime()
	if err != nil {
		return nil, err
	}
	defer e.Close()
	switch step {
	case fillStep:
		return map[string]float64{}, fillChannels(ctx, e, n)
	case sortStep:
		start := time.Now()
		if err := awaitSorted(ctx, dir); err != nil {
			return nil, err
		}
		return map[string]float64{"sort_s": (time.Since(start) - sortedWhen).Seconds()}, nil
	case openStep:
		if opened.Messages != int64(n) {
			return nil, fmt.Errorf("%d messages are kept, not %d", opened.Messages, n)
		}
		peak, err := memoryOf("VmHWM:")
		if err != nil {
			return nil, err
		}
		debug.FreeOSMemory()
		after, err := memoryOf("VmRSS:")
		if err != nil {
			return nil, err
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return map[string]float64{
			"open_ms": float64(opened.Took) / float64(time.Millisecond), "open_cpu_ms": float64(cpuAfter-cpuBefore) / float64(time.Millisecond),
			"peak_rss_mib": peak / (1 << 20), "rss_mib": after / (1 << 20), "peak_per_rss": peak / after,
			"heap_each": (float64(m.HeapAlloc) - reopenPerChannel*float64(channelsOf(n))) / float64(n),
		}, nil
	case readStep:
		return readNewest(ctx, e, dir, channelsOf(n))
	}
	return nil, fmt.Errorf("there is no step %q", step)
}

// fillChannels publishes n messages, on one channel after the other.
func fillChannels(ctx context.Context, e *disk.Engine, n int) error {
	const batch = 1024
	data := make([][]byte, batch)
	for i := range data {
		data[i] = []byte(strings.Repeat(string(rune('a'+i%26)), reopenSize))
	}
	items := make([]engine.Item, 0, batch)
	for i := 0; i < n; i += len(items) {
		items = items[:0]
		for j := i; j < min(i+batch, n); j++ {
			items = append(items, engine.Item{Channel: reopenChannel(j % channelsOf(n)), Message: engine.Message{Data: data[j%batch]}})
		}
		for _, r := range e.PublishMany(ctx, items) {
			if r.Err != nil {
				return r.Err
			}
		}
	}
	return nil
}

func channelsOf(n int) int { return max(n/reopenEach, 1) }

func reopenChannel(i int) string { return "channel-" + strconv.Itoa(i) }

// awaitSorted waits until the engine has no new files under way.
func awaitSorted(ctx context.Context, dir string) error {
	for since := time.Now(); time.Since(since) < sortedWhen; {
		select {
		case <-time.After(sortedWhen / 50):
		case <-ctx.Done():
			return ctx.Err()
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.new"))
		if err != nil {
			return err
		}
		if len(files) > 0 {
			since = time.Now()
		}
	}
	return nil
}

// readNewest reads the newest messages of random channels: first while the system has all files in
// memory, and then others after it has forgotten them, which needs root.
func readNewest(ctx context.Context, e *disk.Engine, dir string, channels int) (map[string]float64, error) {
	metrics := make(map[string]float64)
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"warm", "cold"} {
		if name == "warm" {
			if err := readFiles(dir); err != nil {
				return nil, err
			}
		} else if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0o200); err != nil {
			continue
		}
		took := make([]time.Duration, 0, coldReads)
		for range coldReads {
			channel := r.IntN(channels) // the engine keeps what was read in memory
			start := time.Now()
			h, err := e.Read(ctx, reopenChannel(channel), engine.Position{}, engine.Limit{Messages: -reopenEach})
			if err != nil {
				return nil, err
			}
			if len(h.Publications) == 0 {
				return nil, fmt.Errorf("channel %d has no messages", channel)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		metrics[name+"_p50_us"] = float64(took[len(took)/2].Microseconds())
		metrics[name+"_p99_us"] = float64(took[len(took)*99/100].Microseconds())
	}
	return metrics, nil
}

// readFiles reads all segments, so that the system has them in memory.
func readFiles(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, f)
		if err := firstError(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// memoryOf returns a figure of this process's memory in bytes.
func memoryOf(field string) (float64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return n * 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", field)
}
