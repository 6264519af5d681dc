package disk

import (
	"context"
	"errors"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// hangingFS is a file system whose files can hang while they wait for the disk.
type hangingFS struct {
	osFileSystem
	hang    chan bool // makes the next wait hang
	waiting chan struct{}
	release chan struct{}
}

func (f *hangingFS) Open(name string, create bool) (file, error) {
	opened, err := f.osFileSystem.Open(name, create)
	return &hangingFile{opened, f}, err
}

type hangingFile struct {
	file
	fs *hangingFS
}

func (f *hangingFile) Sync() error {
	select {
	case <-f.fs.hang:
		f.fs.waiting <- struct{}{}
		<-f.fs.release
	default:
	}
	return f.file.Sync()
}

// TestPublishEndsWithItsContext: also while the disk hangs, and for a message that waits until a
// batch has room.
func TestPublishEndsWithItsContext(t *testing.T) {
	fsys := &hangingFS{hang: make(chan bool, 1), waiting: make(chan struct{}), release: make(chan struct{})}
	s := Options{DiskFree: -1}.settings()
	s.files = fsys
	e, _, err := open(t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error)
	publish := func(size int) {
		data := make([]byte, size)
		go func() {
			_, err := e.Publish(ctx, "a", engine.Message{Data: data})
			results <- err
		}()
	}
	fsys.hang <- true
	publish(1)
	<-fsys.waiting
	publish(maxBatch)
	publish(maxBatch)
	cancel()
	for range 3 {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	close(fsys.release)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
