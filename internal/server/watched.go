package server

import (
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is the minimum time between two checks of the files.
	lookEvery = time.Second

	// unsettled is how long after a write a file is read again even if its modification time has
	// not changed, because a second write may have the same time.
	unsettled = 2 * time.Second
)

// watched is a value that is read from files, and read again when the files change. If the new
// files are invalid, for example because only one of two has been replaced, the old value stays in
// use.
type watched[T any] struct {
	// Immutable.
	what  string // the value's name in messages: "the certificate of the API"
	files []string
	read  func() (*T, error)
	log   *slog.Logger

	current atomic.Pointer[T]

	mu sync.Mutex

	// Guarded by mu.
	every  time.Duration // the minimum time between two checks of the files
	looked time.Time     // when the files were checked last
	seen   []os.FileInfo // of the files when they were read last, successfully or not
	told   string        // the error that was logged last
}

// watch reads the files for the first time.
func watch[T any](what string, log *slog.Logger, read func() (*T, error), files ...string) (*watched[T], error) {
	w := &watched[T]{what: what, files: files, read: read, log: log, every: lookEvery}
	w.looked = time.Now()
	w.seen, _ = stat(files) // read reports errors of the files
	value, err := read()
	if err != nil {
		return nil, err
	}
	w.current.Store(value)
	return w, nil
}

// get returns the current value. Before that it checks the files, if the last check is long enough
// ago. While one goroutine checks the files, others do not wait for it.
func (w *watched[T]) get() *T {
	if w.mu.TryLock() {
		if now := time.Now(); now.Sub(w.looked) >= w.every {
			w.look(now)
		}
		w.mu.Unlock()
	}
	return w.current.Load()
}

// reread reads the files now. It reports whether the value is another one now.
func (w *watched[T]) reread() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.current.Load()
	w.seen, w.told = nil, "" // as if they had changed, and with every error
	w.look(time.Now())
	return w.current.Load() != before
}

// look checks the files, and reads them if they have changed. The caller holds mu.
func (w *watched[T]) look(now time.Time) {
	w.looked = now
	seen, err := stat(w.files)
	if err == nil && slices.EqualFunc(seen, w.seen, same) && !fresh(seen, now) {
		return
	}
	w.seen = seen // from before the files are read: a later change is found by the next check
	value, err := w.read()
	if err != nil {
		if err.Error() != w.told {
			w.told = err.Error()
			w.log.Error(w.what+" has changed and cannot be used; the server continues with the previous version", "error", err)
		}
		return
	}
	w.told = ""
	w.current.Store(value)
}

func stat(files []string) ([]os.FileInfo, error) {
	var all []os.FileInfo
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	return all, nil
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// fresh reports whether one of the files was written recently.
func fresh(files []os.FileInfo, now time.Time) bool {
	return slices.ContainsFunc(files, func(f os.FileInfo) bool { return now.Sub(f.ModTime()) < unsettled })
}
