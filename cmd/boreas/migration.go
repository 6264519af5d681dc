package main

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
)

const (
	// migratePage is how many channels are listed at once.
	migratePage = 1000

	// migrateRead and migrateReadBytes bound one read of a channel.
	migrateRead      = 64
	migrateReadBytes = 1 << 20
)

// A migration copies the messages of all channels, by time.
type migration struct {
	from     engineLister
	to       *cluster.Engine
	resume   bool      // the cluster has messages, maybe of an earlier run
	oldest   time.Time // older messages would have expired
	progress func(copied int)

	queue   migrationQueue
	pending []cluster.Imported

	channels            int // with messages
	copied, before, old int // messages
}

// engineLister is an engine with a list of its channels.
type engineLister interface {
	engine.Engine
	engine.Lister
}

// A migrationChannel is a channel and where the copy goes on.
type migrationChannel struct {
	name string
	next engine.Position // the last message that was copied or left out
	time int64           // of the message after it
}

// migrationQueue is a heap of channels by the time of their next messages. It does not hold the messages,
// so that its size depends on the number of channels only.
type migrationQueue []*migrationChannel

func (q migrationQueue) Len() int           { return len(q) }
func (q migrationQueue) Less(i, j int) bool { return q[i].time < q[j].time }
func (q migrationQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *migrationQueue) Push(x any)        { *q = append(*q, x.(*migrationChannel)) } //nolint:errcheck // see heap
func (q *migrationQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func (m *migration) run(ctx context.Context) error {
	if err := m.findChannels(ctx); err != nil {
		return err
	}
	for len(m.queue) > 0 {
		if err := m.step(ctx); err != nil {
			return err
		}
	}
	return m.flush(ctx)
}

// findChannels fills the queue.
func (m *migration) findChannels(ctx context.Context) error {
	for after := ""; ; {
		names, err := m.from.ListChannels(ctx, "", after, migratePage)
		if err != nil || len(names) == 0 {
			return err
		}
		for _, name := range names {
			h, err := m.from.Read(ctx, name, engine.Position{}, engine.Limit{Messages: 1})
			if err != nil {
				return fmt.Errorf("read the channel %q: %w", name, err)
			}
			if len(h.Publications) == 0 {
				continue
			}
			m.channels++
			c := &migrationChannel{name, h.Floor, h.Publications[0].Time}
			if m.resume {
				last, err := m.to.LastImport(ctx, name, h.Floor.Epoch)
				if err != nil {
					return err
				}
				if last > c.next.Offset {
					if err := m.skip(ctx, c, last); err != nil {
						return err
					}
				}
			}
			if c.time != 0 {
				heap.Push(&m.queue, c)
			}
		}
		after = names[len(names)-1]
	}
}

// skip moves a channel behind a message that was copied before.
func (m *migration) skip(ctx context.Context, c *migrationChannel, last uint64) error {
	for {
		pubs, err := m.read(ctx, c)
		if err != nil {
			return err
		}
		c.time = 0
		for _, p := range pubs {
			if p.Offset > last {
				c.time = p.Time
				return nil
			}
			m.before++
			c.next.Offset = p.Offset
		}
		if len(pubs) == 0 {
			return nil
		}
	}
}

func (m *migration) read(ctx context.Context, c *migrationChannel) ([]*engine.Publication, error) {
	h, err := m.from.Read(ctx, c.name, c.next, engine.Limit{Messages: migrateRead, Bytes: migrateReadBytes})
	if err != nil {
		return nil, fmt.Errorf("read the channel %q: %w", c.name, err)
	}
	return h.Publications, nil
}

// step copies messages of the channel with the oldest one, until another channel has an older one.
func (m *migration) step(ctx context.Context) error {
	c, ok := heap.Pop(&m.queue).(*migrationChannel)
	if !ok {
		return nil
	}
	pubs, err := m.read(ctx, c)
	if err != nil || len(pubs) == 0 {
		return err
	}
	for i, p := range pubs {
		if i > 0 && len(m.queue) > 0 && p.Time > m.queue[0].time {
			c.time = p.Time
			heap.Push(&m.queue, c)
			return nil
		}
		c.next.Offset = p.Offset
		if time.Unix(0, p.Time).Before(m.oldest) { // the time is that of the wall clock
			m.old++
			continue
		}
		m.pending = append(m.pending, cluster.Imported{Channel: c.name, Origin: c.next, Data: p.Data})
		if len(m.pending) >= migrateBatch {
			if err := m.flush(ctx); err != nil {
				return err
			}
		}
	}
	c.time = pubs[len(pubs)-1].Time
	heap.Push(&m.queue, c)
	return nil
}

// flush publishes the pending messages.
func (m *migration) flush(ctx context.Context) error {
	if err := m.to.Import(ctx, m.pending); err != nil {
		return err
	}
	m.copied += len(m.pending)
	m.pending = m.pending[:0]
	m.progress(m.copied)
	return nil
}
