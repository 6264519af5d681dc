package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/disk"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// ours is an engine of Boreas.
type ours struct{ engine engine.Engine }

func (s ours) publish(ctx context.Context, channel int, data []byte) error {
	_, err := s.engine.Publish(ctx, channelName(channel), engine.Message{Data: data})
	return err
}

func (s ours) close() error { return s.engine.Close() }

// openDisk opens the engine that waits for the disk before each acknowledgement. Nothing is left free
// for others, because the measured disk may be small.
func openDisk(dir string) (store, error) {
	e, _, err := disk.Open(dir, disk.Options{Messages: kept, DiskFree: -1})
	return ours{e}, err
}

// openSorted opens the engine so that it keeps everything, and sorts it as soon as it has time.
func openSorted(dir string) (store, error) {
	e, _, err := disk.Open(dir, disk.Options{
		Messages: math.MaxInt32, Bytes: replayDisk, Disk: replayDisk, DiskFree: -1, Memory: replayMemory, KeyWindow: time.Millisecond,
	})
	return sorted{ours{e}, dir}, err
}

// sorted is an engine of Boreas whose work after the last message counts, too.
type sorted struct {
	ours
	dir string
}

// settle waits until the engine has sorted all messages.
func (s sorted) settle(ctx context.Context) error { return awaitSorted(ctx, s.dir) }

func openMemory(string) (store, error) {
	return ours{memory.New(memory.Options{Messages: kept})}, nil
}

const (
	replayChannel = "replayed"
	replayPage    = 256     // messages of one read
	replayDisk    = 8 << 30 // bytes of all segments; more than all messages take
	replayMemory  = 1 << 30
)

// replay publishes messages on one channel, opens the directory again, so that none of them is in
// the engine's memory, and reads them.
func replay(ctx context.Context, dir string, n int) (map[string]float64, error) {
	options := disk.Options{
		Messages: n, Bytes: replayDisk, Disk: replayDisk, DiskFree: -1, Memory: replayMemory,
		SyncInterval: time.Second, // filling is not measured
	}
	if err := fill(ctx, dir, options, n); err != nil {
		return nil, err
	}
	e, opened, err := disk.Open(dir, options)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	cpu, err := cpuTime()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	var since engine.Position
	read := 0
	for more := true; more; {
		h, err := e.Read(ctx, replayChannel, since, engine.Limit{Messages: replayPage})
		if err != nil {
			return nil, err
		}
		for _, p := range h.Publications {
			if p.Offset != since.Offset+1 || len(p.Data) != size {
				return nil, fmt.Errorf("message %d of %d bytes follows message %d", p.Offset, len(p.Data), since.Offset)
			}
			since = engine.Position{Epoch: h.Head.Epoch, Offset: p.Offset}
		}
		read += len(h.Publications)
		more = h.More
	}
	took := time.Since(start)
	if read != n {
		return nil, fmt.Errorf("%d of %d messages were read", read, n)
	}
	after, err := cpuTime()
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		"replayed_per_s": float64(n) / took.Seconds(),
		"cpu_us_each":    (after - cpu).Seconds() * 1e6 / float64(n),
		"open_ms":        float64(opened.Took) / float64(time.Millisecond),
	}, nil
}

// fill publishes n messages on one channel.
func fill(ctx context.Context, dir string, o disk.Options, n int) error {
	e, _, err := disk.Open(dir, o)
	if err != nil {
		return err
	}
	const batch = 1024
	all := randomMessages()
	items := make([]engine.Item, 0, batch)
	for i := 0; i < n; i += len(items) {
		items = items[:0]
		for j := i; j < min(i+batch, n); j++ {
			items = append(items, engine.Item{Channel: replayChannel, Message: engine.Message{Data: all[j%messages]}})
		}
		for _, r := range e.PublishMany(ctx, items) {
			if r.Err != nil {
				return firstError(r.Err, e.Close())
			}
		}
	}
	return e.Close()
}
