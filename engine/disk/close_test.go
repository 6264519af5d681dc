package disk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// TestCloseWhilePublishing closes engines while publishers publish one or many messages, with
// duplicates among them, with contexts that end, on a disk that may be full or fail. Nobody waits
// forever, and everything that was acknowledged is there afterwards.
func TestCloseWhilePublishing(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 4))
		fsys := newFaultFS(seed)
		o := Options{KeyWindow: time.Hour}
		if seed%5 == 4 {
			o.SyncInterval = time.Millisecond
		}
		e := mustOpen(t, fsys, o, 2<<10)
		switch seed % 4 {
		case 1:
			fsys.inject([]string{"write", "allocate", "rename"}[r.IntN(3)], syscall.ENOSPC, r.IntN(20), 1000)
		case 2:
			fsys.inject([]string{"write", "sync", "syncdir"}[r.IntN(3)], syscall.EIO, r.IntN(20), 1)
		}
		w := newWitness(t, fmt.Sprint("seed ", seed))
		allowed := func(err error) {
			for _, is := range []error{engine.ErrClosed, engine.ErrStorageFull, engine.ErrStorageFailed, context.DeadlineExceeded} {
				if errors.Is(err, is) {
					return
				}
			}
			t.Errorf("%s: %v", w.what, err)
		}
		var wg sync.WaitGroup
		begun := make(chan struct{}, 1)
		for p := range 4 {
			wg.Go(func() {
				for i := range 400 {
					item := engine.Item{Channel: fmt.Sprint("c", i%3), Message: engine.Message{Data: fmt.Appendf(nil, "p%d %d", p, i), Key: fmt.Sprint(p, " ", i)}}
					w.mu.Lock()
					w.sent[string(item.Message.Data)] = true
					w.mu.Unlock()
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%5)*time.Millisecond)
					results := e.PublishMany(ctx, []engine.Item{item, item, item}[:1+i%3])
					cancel()
					closed := false
					for _, res := range results {
						if res.Err != nil {
							allowed(res.Err)
							closed = closed || errors.Is(res.Err, engine.ErrClosed)
							continue
						}
						w.saw("published", item.Channel, res.Ack.Position, string(item.Message.Data))
					}
					if i == 10 {
						select {
						case begun <- struct{}{}:
						default:
						}
					}
					if closed {
						return
					}
				}
			})
		}
		<-begun
		failed := e.Close()
		if failed != nil && seed%4 == 0 {
			t.Errorf("%s: Close: %v", w.what, failed)
		}
		if err := e.Close(); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("%s: the second Close: %v", w.what, err)
		}
		wg.Wait()
		fsys = fsys.reboot()
		e = mustOpen(t, fsys, o, 2<<10)
		w.mayLose = o.SyncInterval > 0 && failed != nil
		w.check(e, 0)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
