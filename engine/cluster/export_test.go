package cluster

import (
	"context"
	"time"
)

// LookAt returns the options of an engine whose watch looks at the stream only when the channel says
// so.
func (o Options) LookAt(c <-chan time.Time) Options {
	o.looks = c
	return o
}

// HoldTail lets the tail take no message until release is called.
func (e *Engine) HoldTail() (release func()) {
	e.tail.mu.Lock()
	return e.tail.mu.Unlock
}

// BeatOnce returns the options of an engine that publishes one beat, at its start.
func (o Options) BeatOnce() Options {
	o.beats = 24 * time.Hour
	return o
}

// Impatient returns the options of an engine that repeats a message although its answer is under way.
func (o Options) Impatient() Options {
	o.patience = time.Microsecond
	return o
}

// FillWith returns the options of an engine whose tail reads so many bytes with one direct read.
func (o Options) FillWith(bytes int) Options {
	o.filled = bytes
	return o
}

// SendAhead returns the options of an engine to which the servers send so many bytes ahead.
func (o Options) SendAhead(bytes int) Options {
	o.ahead = bytes
	return o
}

// StopConsumer ends the consumer. The engine does not notice it.
func (e *Engine) StopConsumer() {
	e.consumer.mu.Lock()
	defer e.consumer.mu.Unlock()
	e.consumer.context.Stop()
	<-e.consumer.context.Closed()
}

// Fill reads the stream directly, up to the sequence.
func (e *Engine) Fill(ctx context.Context, to uint64) error { return e.fill(ctx, to) }

// ReadAnother makes the last message that the tail has read another one than the stream has.
func (e *Engine) ReadAnother() {
	e.tail.mu.Lock()
	defer e.tail.mu.Unlock()
	e.tail.newest++
}

// Beat returns the sequence of the newest acknowledged beat.
func (e *Engine) Beat() uint64 {
	seq, _ := e.health.beatSince(0)
	return seq
}

// Unproved returns the sequences of the messages that the leader must be asked for.
func (e *Engine) Unproved() (seqs []uint64) {
	e.tail.mu.Lock()
	defer e.tail.mu.Unlock()
	for _, p := range e.tail.unproved {
		seqs = append(seqs, p.seq)
	}
	return seqs
}

// Judge returns a function that says why the stream has lost messages, or "", if its leader says that the stream ends at
// a sequence. The function belongs to one goroutine, as a watch does.
func (e *Engine) Judge(ctx context.Context) func(last uint64) (why string, err error) {
	var w watcher
	return func(last uint64) (string, error) {
		s, err := e.streamState(ctx, "")
		if err != nil {
			return "", err
		}
		s.Last = last
		return e.lost(ctx, s, e.tail.at.Load(), nil, &w)
	}
}

// BeatEvery returns the options of an engine that publishes a beat that often.
func (o Options) BeatEvery(period time.Duration) Options {
	o.beats = period
	return o
}

// SaveEvery returns the options of an engine that writes its state that often.
func (o Options) SaveEvery(period time.Duration) Options {
	o.states = period
	return o
}

// TakeEarlier gives the tail a message of the consumer before the present one, as if it had come late.
func (e *Engine) TakeEarlier(channel, data string) {
	e.tail.mu.Lock()
	generation := e.tail.generation - 1
	e.tail.mu.Unlock()
	e.take(&arrival{seq: e.tail.at.Load() + 1, subject: e.names.channel + channel, data: []byte(data), generation: generation, consumer: "earlier"})
}
