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
	// lookEvery is how often files are looked at, at most, when they are needed.
	lookEvery = time.Second

	// unsettled is how long after a file was written its time of writing does not
	// tell whether it was written again.
	unsettled = 2 * time.Second
)

// watched is something that is read from files, and read again when they have changed.
// When they make no sense, as while only one of two has been replaced, what was read
// before stays in force.
type watched[T any] struct {
	what  string // for messages: "the certificate of the API"
	files []string
	read  func() (*T, error)
	log   *slog.Logger
	every time.Duration

	current atomic.Pointer[T]

	mu     sync.Mutex    // held while the files are looked at
	looked time.Time     // when that was last
	seen   []os.FileInfo // of the files as they were read last, well or not
	told   string        // the error that was logged last
}

// watch reads the files for the first time.
func watch[T any](what string, log *slog.Logger, read func() (*T, error), files ...string) (*watched[T], error) {
	w := &watched[T]{what: what, files: files, read: read, log: log, every: lookEvery}
	w.looked = time.Now()
	w.seen, _ = stat(files) // what is wrong with them, reading tells
	value, err := read()
	if err != nil {
		return nil, err
	}
	w.current.Store(value)
	return w, nil
}

// get returns what is in force, and looks at the files before if it is time for that.
// Whoever comes while another looks does not wait.
func (w *watched[T]) get() *T {
	if w.mu.TryLock() {
		if now := time.Now(); now.Sub(w.looked) >= w.every {
			w.look(now)
		}
		w.mu.Unlock()
	}
	return w.current.Load()
}

// look is called with mu held.
func (w *watched[T]) look(now time.Time) {
	w.looked = now
	seen, err := stat(w.files)
	if err == nil && slices.EqualFunc(seen, w.seen, same) && !fresh(seen, now) {
		return
	}
	w.seen = seen // as they were before they are read: what comes after is seen next time
	value, err := w.read()
	if err != nil {
		if err.Error() != w.told {
			w.told = err.Error()
			w.log.Error("what was read before stays in force: "+w.what+" has changed and cannot be used", "error", err)
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

// fresh tells whether one of the files was written just now.
func fresh(files []os.FileInfo, now time.Time) bool {
	return slices.ContainsFunc(files, func(f os.FileInfo) bool { return now.Sub(f.ModTime()) < unsettled })
}
