package disk_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/disk"
)

func open(t *testing.T, dir string, o disk.Options) *disk.Engine {
	t.Helper()
	e, _, err := disk.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestDiskIsAnEngine(t *testing.T) {
	boreastest.TestEngine(t, func(t *testing.T) engine.Engine { return open(t, t.TempDir(), disk.Options{}) })
}

// With the smallest memory, everything is read from disk.
func TestDiskIsAnEngineWithoutMemory(t *testing.T) {
	boreastest.TestEngine(t, func(t *testing.T) engine.Engine { return open(t, t.TempDir(), disk.Options{Memory: 1 << 20}) })
}

// A reader opens the engine again before each read.
type reader struct {
	*disk.Engine
	t   *testing.T
	dir string
}

func (r *reader) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	if err := r.Engine.Close(); err != nil {
		return engine.History{}, err
	}
	r.Engine = open(r.t, r.dir, disk.Options{})
	return r.Engine.Read(ctx, channel, since, limit)
}

// With an engine that is opened again before each read, everything is read from disk, and nothing
// depends on what was in memory.
func TestReopenedDiskIsAnEngine(t *testing.T) {
	boreastest.TestEngine(t, func(t *testing.T) engine.Engine {
		dir := t.TempDir()
		return &reader{open(t, dir, disk.Options{}), t, dir}
	})
}

func TestDiskIsDurable(t *testing.T) {
	for name, o := range map[string]disk.Options{
		"default": {}, "little memory": {Memory: 64 << 10}, "lazy": {SyncInterval: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			boreastest.TestDurableEngine(t, func(t *testing.T, dir string) engine.Engine { return open(t, dir, o) })
		})
	}
}

// A directory can be open once. Its parents are created.
func TestDirectoryInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "lib")
	e := open(t, dir, disk.Options{})
	if _, _, err := disk.Open(dir, disk.Options{}); !errors.Is(err, disk.ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("opened twice: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := open(t, dir, disk.Options{}).Close(); err != nil {
		t.Error(err)
	}
}
