package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// mount mounts a file system in memory with a size, or skips the test.
func mount(t *testing.T, size int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size)); err != nil {
		t.Skip("cannot mount a file system:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A file system that is really full refuses messages until there is room again.
func TestFullFileSystem(t *testing.T) {
	const segment = 512 << 10
	root := mount(t, 2*segment)
	dir := filepath.Join(root, "history")
	set := Options{DiskFree: -1, KeyWindow: time.Hour}.settings()
	set.segment = segment
	if err := makeDir(dir); err != nil {
		t.Fatal(err)
	}
	e, _, err := open(dir, set)
	if err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(root, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2*segment), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	n := 0
	publish := func(key string) (engine.Ack, error) {
		return e.Publish(t.Context(), "a", engine.Message{Data: fmt.Appendf(nil, "%d %01000d", n, 0), Key: key})
	}
	for err == nil && n < 2*segment/1000 {
		if _, err = publish(""); err == nil {
			n++
		}
	}
	if !errors.Is(err, engine.ErrStorageFull) || n < segment/2/1000 {
		t.Fatalf("after %d messages: %v", n, err)
	}
	for range 3 {
		if _, err := publish("k"); !errors.Is(err, engine.ErrStorageFull) {
			t.Fatalf("full: %v", err)
		}
	}
	read := func(want int) {
		t.Helper()
		h, err := e.Read(t.Context(), "a", engine.Position{}, engine.Limit{Messages: 10_000})
		if err != nil || len(h.Publications) != want || h.Head.Offset != uint64(want) {
			t.Errorf("%d messages, head %v, %v; want %d", len(h.Publications), h.Head, err, want)
		}
	}
	read(n)
	if err := e.Ready(); err != nil {
		t.Errorf("Ready: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for i := range 2 { // the first attempt already succeeds
		ack, err := publish("k")
		if err != nil || ack.Position.Offset != uint64(n+1) || ack.Duplicate != (i == 1) {
			t.Fatalf("with room: %+v, %v; want offset %d", ack, err, n+1)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if e, _, err = open(dir, set); err != nil {
		t.Fatal(err)
	}
	read(n + 1)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// A directory that cannot be written is refused with its name.
func TestReadOnlyDirectory(t *testing.T) {
	dir := mount(t, 1<<20)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "new")} {
		if _, _, err := Open(path, Options{}); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), dir) {
			t.Errorf("open %s: %v", path, err)
		}
	}
}
