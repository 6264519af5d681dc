package disk

import (
	"context"
	"errors"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// maxBatch is the size in bytes above which a batch takes no further message. Publishers then
	// wait until the writer has taken it.
	maxBatch = 8 << 20

	// keptBuffer is the capacity in bytes of a batch's buffer above which it is not used again.
	keptBuffer = 1 << 20

	// maxMessage is the maximum size in bytes of a message and the name of its channel.
	maxMessage = maxRecord - messageOverhead - 8 - 1 - engine.MaxKey
)

// A batch has the messages that are written and acknowledged together.
type batch struct {
	// Guarded by Engine.mu until the writer takes the batch, then owned by the writer, then by the
	// committer.
	buffer  []byte
	entries []entry
	segment uint64     // the number of the segment that the records are for
	began   clock.Mono // when it got its mark
	time    int64      // the same by the wall clock

	taken chan struct{} // closed when the writer has taken it
	done  chan struct{} // closed when it has been committed, or has failed
	err   error         // why it has failed; written before done is closed
}

// An entry is a message or a purge of a batch.
type entry struct {
	log         *channellog.Log
	publication *engine.Publication // nil if it is a purge
	accepted    clock.Mono
	place       int // of the record in the buffer, then its address
	address     address
}

// newBatch returns an empty batch. The caller holds mu.
func (e *Engine) newBatch() *batch {
	b := &batch{taken: make(chan struct{}), done: make(chan struct{})}
	if n := len(e.spare); n > 0 {
		b.buffer, b.entries = e.spare[n-1].buffer, e.spare[n-1].entries
		e.spare = e.spare[:n-1]
	}
	return b
}

// reuse keeps the buffers of a batch for another one. Nobody reads the batch's entries any more.
func (e *Engine) reuse(b *batch) {
	clear(b.entries)
	if cap(b.buffer) > keptBuffer {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.spare) < cap(e.batches)+2 {
		e.spare = append(e.spare, buffers{b.buffer[:0], b.entries[:0]})
	}
	b.buffer, b.entries = nil, nil
}

// buffers are the buffers of a batch that was committed.
type buffers struct {
	buffer  []byte
	entries []entry
}

// Publish implements [engine.Engine]. The message is on disk when it returns, except on channels
// that are kept in memory, and with [Options.SyncInterval]. If ctx ends first, the message may
// still be published. Keys are limited as in package memory. Other errors: [engine.ErrStorageFull],
// [engine.ErrStorageFailed].
func (e *Engine) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	w, err := e.submit(ctx, channel, m)
	if err != nil {
		return engine.Ack{}, err
	}
	return w.wait(ctx)
}

// PublishMany implements [engine.Batcher]. The messages are written together.
func (e *Engine) PublishMany(ctx context.Context, items []engine.Item) []engine.Result {
	results := make([]engine.Result, len(items))
	waits := make([]waiter, len(items))
	for i, item := range items {
		waits[i], results[i].Err = e.submit(ctx, item.Channel, item.Message)
	}
	for i := range results {
		if results[i].Err == nil {
			results[i].Ack, results[i].Err = waits[i].wait(ctx)
		}
	}
	return results
}

// Punctual implements [engine.Punctual]: only [waiter.wait] waits for the disk.
func (e *Engine) Punctual() bool { return true }

// A waiter waits until a message or a purge is on disk.
type waiter struct {
	batch *batch // nil if there is nothing to wait for
	ack   engine.Ack
}

func (w waiter) wait(ctx context.Context) (engine.Ack, error) {
	if w.batch == nil {
		return w.ack, nil
	}
	select {
	case <-w.batch.done:
	case <-ctx.Done():
		return engine.Ack{}, fmt.Errorf("wait for the disk; the message or the purge may still be written: %w", ctx.Err())
	}
	if w.batch.err != nil {
		return engine.Ack{}, w.batch.err
	}
	return w.ack, nil
}

// submit adds a message to the batch that is being gathered, or publishes it on a channel that is
// kept in memory.
func (e *Engine) submit(ctx context.Context, channel string, m engine.Message) (waiter, error) {
	if err := validate(channel, m); err != nil {
		return waiter{}, err
	}
	k := e.table.Key(&m)
	for {
		if err := ctx.Err(); err != nil {
			return waiter{}, err
		}
		if e.table.Closed() {
			return waiter{}, engine.ErrClosed
		}
		l := e.table.Log(channel)
		s, ok := l.Store().(*stored)
		if !ok {
			ack, err := e.table.Publish(channel, m)
			return waiter{ack: ack}, err
		}
		l.Lock()
		w, wait, err := e.add(l, s, k, m)
		if err != nil {
			l.Expire(e.table) // a new log counts from now on, so that it is forgotten
		}
		l.Unlock()
		if err != nil {
			return waiter{}, err
		}
		if wait == nil {
			return w, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
}

// validate returns an error for a message that a record cannot hold. The hub has narrower bounds.
func validate(channel string, m engine.Message) error {
	switch {
	case channel == "":
		return errors.New("boreas: the name of the channel is empty")
	case len(m.Key) > engine.MaxKey:
		return fmt.Errorf("boreas: the key has %d bytes, and %d are allowed", len(m.Key), engine.MaxKey)
	case len(channel)+len(m.Data) > maxMessage:
		return fmt.Errorf("boreas: the message has %d bytes, and %d are allowed", len(m.Data), maxMessage-len(channel))
	}
	return nil
}

// add adds a message to the batch that is being gathered. If it returns a channel, the caller tries
// again when the channel is closed. The log is locked.
func (e *Engine) add(l *channellog.Log, s *stored, k channellog.Key, m engine.Message) (w waiter, wait <-chan struct{}, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.gathering
	if wait, err := e.mayAdd(); wait != nil || err != nil {
		return w, wait, err
	}
	now, wall := clock.Both()
	offset, err := l.Reserve(e.table, k, now)
	switch err {
	case nil:
	case channellog.ErrForgotten:
		return w, closedChannel, nil
	case channellog.ErrDuplicate:
		w.ack = engine.Ack{Position: engine.Position{Epoch: e.epoch, Offset: offset}, Duplicate: true}
		if offset > l.Head() {
			// The first message is still being written. It is in the channel's last batch or in one
			// before it. That one may fail, after which this message is the first.
			return w, s.pending.done, nil
		}
		return w, nil, nil
	default:
		return w, nil, err
	}
	p := &engine.Publication{Offset: offset, Time: wall, Data: m.Data, Sender: m.Sender}
	if len(b.buffer) == 0 {
		e.beginBatch(b, now, wall)
	}
	e.define(b, l, s)
	at := len(b.buffer)
	b.buffer = appendMessage(b.buffer, s.number, p, m.Key)
	b.entries = append(b.entries, entry{log: l, publication: p, accepted: now, place: at})
	s.pending, s.last = b, offset
	return waiter{b, engine.Ack{Position: engine.Position{Epoch: e.epoch, Offset: offset}}}, nil, nil
}

// mayAdd returns nothing if a record can be added to the batch that is being gathered. Otherwise it
// returns an error, or a channel that is closed when there is room again. The caller holds mu.
func (e *Engine) mayAdd() (wait <-chan struct{}, err error) {
	switch {
	case e.refused != nil:
		return nil, e.refused
	case e.closing:
		return nil, engine.ErrClosed
	case len(e.gathering.buffer) >= maxBatch:
		return e.gathering.taken, nil
	}
	return nil, nil
}

// define gives a channel a number in the batch's segment, unless it has one. The caller holds mu.
func (e *Engine) define(b *batch, l *channellog.Log, s *stored) {
	if s.generation == e.generation {
		return
	}
	if s.segment != b.segment || s.number == 0 {
		e.numbers++
		s.segment, s.number = b.segment, e.numbers
	}
	s.generation = e.generation
	b.buffer = appendDefine(b.buffer, s.number, l.Name())
}

// closedChannel makes the caller of add try again at once.
var closedChannel = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// beginBatch makes room for the mark of a batch, and wakes the writer. The caller holds mu.
func (e *Engine) beginBatch(b *batch, now clock.Mono, wall int64) {
	b.began, b.time, b.segment = now, wall, e.target
	b.buffer = append(b.buffer, make([]byte, markSize)...)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// setMark sets the mark. The writer does that, because it knows best what is on disk.
func (b *batch) setMark(m mark) { appendMark(b.buffer[:0], m) }

// awaitCommitter waits until all batches that were written are committed.
func (e *Engine) awaitCommitter() {
	b := &batch{done: make(chan struct{})}
	e.batches <- b
	<-b.done
}
