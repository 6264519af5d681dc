package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	channels = 1000
	kept     = 100  // messages that a channel keeps
	size     = 200  // bytes of a message
	messages = 4096 // different messages; publishers take turns, so that making them takes no time

	// maxLatencies is the maximum number of measured publishes of one publisher. Later ones count, but
	// not for the quantiles.
	maxLatencies = 1 << 20
)

// randomMessages returns messages that no store can compress to much less than half.
func randomMessages() [][]byte {
	all := make([][]byte, messages)
	for i := range all {
		b := make([]byte, (size-2)/2)
		rand.Read(b) // never fails, see crypto/rand
		all[i] = []byte(`"` + hex.EncodeToString(b) + `"`)
	}
	return all
}

// A settler is a store that does a part of its work later.
type settler interface {
	settle(ctx context.Context) error
}

// flood publishes to all channels from a number of goroutines, each in a closed loop.
func flood(ctx context.Context, name, dir string, publishers int, warmup, measured time.Duration) (map[string]float64, error) {
	s, err := open(name, dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	later, settles := s.(settler)
	if settles {
		warmup = 0 // all messages count
	}
	all := randomMessages()
	var published atomic.Int64
	var measuring, ended atomic.Bool
	took := make([][]time.Duration, publishers)
	var group sync.WaitGroup
	for p := range publishers {
		group.Go(func() {
			for i := p; !ended.Load(); i += publishers {
				start := time.Now()
				if err := s.publish(ctx, i%channels, all[i%messages]); err != nil {
					cancel(err)
					return
				}
				published.Add(1)
				if measuring.Load() && len(took[p]) < maxLatencies {
					took[p] = append(took[p], time.Since(start))
				}
			}
		})
	}
	sleep(ctx, warmup)
	before, err := usageNow(dir)
	first := published.Load()
	measuring.Store(true)
	sleep(ctx, measured)
	last := published.Load()
	after, usageErr := usageNow(dir)
	ended.Store(true)
	group.Wait()
	if settles && usageErr == nil {
		last = published.Load()
		usageErr = later.settle(ctx)
		if settled, err := usageNow(dir); usageErr == nil {
			after.device, after.written, after.cpu, usageErr = settled.device, settled.written, settled.cpu, err
		}
	}
	if err := firstError(context.Cause(ctx), err, usageErr, s.close()); err != nil {
		return nil, err
	}
	if last == first {
		return nil, fmt.Errorf("nothing was published in %v", measured)
	}
	latencies := slices.Concat(took...)
	slices.Sort(latencies)
	n := float64(last - first)
	return map[string]float64{
		"publishes_per_s":     n / after.at.Sub(before.at).Seconds(),
		"p50_us":              quantile(latencies, 0.5),
		"p99_us":              quantile(latencies, 0.99),
		"device_per_payload":  float64(after.device-before.device) / n / size,
		"written_per_payload": float64(after.written-before.written) / n / size,
		"cpu_us_each":         (after.cpu - before.cpu).Seconds() * 1e6 / n,
	}, nil
}

// sleep waits until the time has passed or ctx has ended.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// quantile returns a quantile of sorted values in microseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]) / float64(time.Microsecond)
}

// cpuTime returns the processor time of this process.
func cpuTime() (time.Duration, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, err
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), nil
}
