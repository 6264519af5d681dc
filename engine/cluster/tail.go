package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// consumerBytes is about how many bytes of messages the servers send ahead. A bound on their number
	// would be too low for small messages or too high for large ones: the library begins the
	// consumer again when more than 64 MiB wait for the node.
	consumerBytes = 8 << 20

	// consumerHeartbeat is how often the servers say that there is nothing new.
	consumerHeartbeat = time.Second

	// consumerExpiry is how long one request of the consumer waits on the servers.
	consumerExpiry = 30 * time.Second
)

// tail is the node's place in the stream.
type tail struct {
	mu sync.Mutex // held while a message is taken

	// at is the sequence up to which everything is in the logs, or is gone. It is changed with mu held.
	at atomic.Uint64

	// Guarded by mu.
	filling    bool  // the messages are older than this process
	holes      int   // how often messages were missing while it was filling
	generation int   // of the consumer; messages of earlier ones belong to another stream
	newest     int64 // time of the message at at, by the clock of the stream's leader; 0 if unknown

	consumer string  // name of the consumer that the last message of a consumer is from
	unproved []place // messages that the stream must still have, oldest first; see prove

	markerAt   uint64     // sequence of the newest marker with the epoch
	markerSeen clock.Mono // about when it was written

	// Publishers that wait until at has reached their message.
	waiting atomic.Int64
	waitMu  sync.Mutex
	waiters map[uint64][]chan struct{} // guarded by waitMu
}

// headerSender says which session has published the message and does not want it back: the id of its
// engine, "-" and the number of the session.
const headerSender = "Boreas-Sender"

// An arrival is a message of the stream, from either source.
type arrival struct {
	seq     uint64
	time    int64 // nanoseconds since 1970, by the clock of the stream's leader
	subject string
	header  nats.Header
	data    []byte

	generation int    // of the consumer it is from; 0 if it was read directly
	consumer   string // its name
}

// errMissed is the reason of the reset of followers when the tail is too late.
var errMissed = errors.New("this node was cut off from the stream for so long that messages are gone")

// take takes the next message of the stream. Messages that were taken before are dropped, so both
// sources may call it.
func (e *Engine) take(a *arrival) {
	e.life.RLock()
	t := &e.tail
	t.mu.Lock()
	at := t.at.Load()
	if a.seq <= at || a.generation != 0 && a.generation != t.generation {
		t.mu.Unlock()
		e.life.RUnlock()
		return
	}
	token := a.subject[len(e.names.channel):]
	var epoch uint64 // of a marker
	if token == epochToken {
		var err error
		if epoch, err = parseEpoch(a.data); err != nil {
			e.log.Error("a marker in the stream is not valid and is ignored", "sequence", a.seq, "error", err)
		} else if epoch > e.epoch && a.seq > t.markerAt {
			t.mu.Unlock()
			e.life.RUnlock()
			e.renew(epoch, a.seq)
			return
		}
	}
	if a.generation != 0 && a.consumer != t.consumer {
		t.consumer = a.consumer
		t.prove(place{at, t.newest})
	}
	if a.seq > at+1 {
		e.passHole(at, a.seq)
	}
	switch {
	case token != epochToken:
		e.deliver(a, token)
	case epoch == e.epoch && a.seq > t.markerAt:
		t.marked(a.seq, clock.Now())
	}
	t.at.Store(a.seq)
	t.newest = a.time
	t.wake(a.seq)
	t.mu.Unlock()
	e.life.RUnlock()
}

// marked records the newest marker of the epoch. The caller holds mu, or the engine is not open yet.
func (t *tail) marked(seq uint64, seen clock.Mono) { t.markerAt, t.markerSeen = seq, seen }

// place returns the last message that was taken.
func (t *tail) place() place {
	t.mu.Lock()
	defer t.mu.Unlock()
	return place{t.at.Load(), t.newest}
}

// A place is a message of the stream that the tail has taken: its sequence, and its time by the clock
// of the stream's leader, which is 0 if it is not known.
type place struct {
	seq  uint64
	time int64
}

// maxUnproved bounds how many messages wait for their proof. The leader is asked every watchPeriod, so
// there are more only if the consumer begins again every few milliseconds while no leader answers.
const maxUnproved = 64

// prove remembers a message that was taken, so that the watch asks the leader for it. The stream may
// have lost its end and have grown since, and only the message that was taken last before that shows
// it. So this is done where the source of messages changes: after that message, each new consumer
// reads on. The caller holds mu.
func (t *tail) prove(p place) {
	n := len(t.unproved)
	if p.time == 0 || n == maxUnproved || n > 0 && t.unproved[n-1] == p {
		return
	}
	t.unproved = append(t.unproved, p)
}

// toProve returns the messages that the leader must be asked for. The last one is the place of now.
func (t *tail) toProve() []place {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prove(place{t.at.Load(), t.newest})
	return slices.Clone(t.unproved)
}

// proveNow is prove for a caller that does not hold mu.
func (t *tail) proveNow(p place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prove(p)
}

// proved forgets messages of toProve, oldest first, unless a new epoch has made it forget all.
func (t *tail) proved(places []place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range places {
		if len(t.unproved) > 0 && t.unproved[0] == p {
			t.unproved = slices.Delete(t.unproved, 0, 1)
		}
	}
}

// renew begins the epoch of a new marker, unless it has begun already. The marker may be in another stream
// than the messages before it.
func (e *Engine) renew(epoch, seq uint64) {
	e.life.Lock()
	defer e.life.Unlock()
	e.tail.mu.Lock()
	defer e.tail.mu.Unlock()
	if epoch > e.epoch && seq > e.tail.at.Load() {
		e.begin(epoch, seq)
		e.created = time.Time{}
	}
}

// deliver puts a message into the log of its channel. The caller holds tail.mu.
func (e *Engine) deliver(a *arrival, token string) {
	if strings.HasPrefix(token, beatToken) {
		if a.subject == e.names.beat && a.header.Get(headerSender) == e.id {
			if sent, err := strconv.ParseInt(string(a.data), 10, 64); err == nil {
				e.health.heard(clock.Mono(sent))
			}
		}
		return
	}
	channel, ok := e.names.channelOf(a.subject)
	if !ok {
		e.deliverPurge(a.seq, token)
		return
	}
	p := e.publication(a)
	accepted := clock.Now()
	if e.tail.filling {
		accepted = moment(a.time)
	}
	e.table.Insert(channel, p, accepted, !e.tail.filling || e.tail.holes == 0)
	e.table.Trim()
}

// publication returns a message as the hub has it. The number of a session counts only on its node.
func (e *Engine) publication(a *arrival) *engine.Publication {
	p := &engine.Publication{Offset: a.seq, Time: a.time, Data: a.data}
	if sender := a.header.Get(headerSender); sender != "" {
		if number, ours := strings.CutPrefix(sender, e.id+"-"); ours {
			p.Sender, _ = strconv.ParseUint(number, 10, 64) // 0 if it is not a number
		}
	}
	return p
}

// passHole handles messages that are gone before the tail has read them. The caller holds tail.mu.
func (e *Engine) passHole(at, next uint64) {
	if e.tail.filling {
		e.tail.holes++ // old messages; the logs are complete only from the next message of each on
		return
	}
	e.counters.resets.Add(1)
	e.log.Warn("this node was so late that messages are gone: clients get a gap", "from", at, "to", next-1)
	head := next - 1
	e.table.Reset(head, func(f engine.Follower) { f.Reset(e.position(head), errMissed) })
	e.tail.at.Store(head)
	e.tail.wakeAll()
}

// await waits until the tail has reached the sequence. It reports false if ctx ends or the engine is
// closed first.
func (e *Engine) await(ctx context.Context, seq uint64) bool {
	t := &e.tail
	if t.at.Load() >= seq {
		return true
	}
	t.waiting.Add(1) // before at is read again: either this sees the new at, or wake sees this
	defer t.waiting.Add(-1)
	reached := make(chan struct{})
	t.waitMu.Lock()
	if t.at.Load() >= seq {
		t.waitMu.Unlock()
		return true
	}
	t.waiters[seq] = append(t.waiters[seq], reached)
	t.waitMu.Unlock()
	select {
	case <-reached:
		return true
	case <-ctx.Done():
	case <-e.stopped:
	}
	t.waitMu.Lock()
	defer t.waitMu.Unlock()
	if t.waiters[seq] = slices.DeleteFunc(t.waiters[seq], func(w chan struct{}) bool { return w == reached }); len(t.waiters[seq]) == 0 {
		delete(t.waiters, seq)
	}
	return false
}

// wake releases the publishers of a message.
func (t *tail) wake(seq uint64) {
	if t.waiting.Load() == 0 {
		return
	}
	t.waitMu.Lock()
	defer t.waitMu.Unlock()
	for _, w := range t.waiters[seq] {
		close(w)
	}
	delete(t.waiters, seq)
}

// wakeAll releases all publishers, after at was moved by more than one.
func (t *tail) wakeAll() {
	t.waitMu.Lock()
	defer t.waitMu.Unlock()
	for seq, all := range t.waiters {
		for _, w := range all {
			close(w)
		}
		delete(t.waiters, seq)
	}
}

// consumer is the source that the servers feed. Its methods may be called by several goroutines.
type consumer struct {
	mu      sync.Mutex
	context jetstream.ConsumeContext // guarded by mu; nil if it does not run
	ended   bool                     // guarded by mu
}

// startConsumer makes the servers send everything from the sequence on. An earlier consumer ends.
func (e *Engine) startConsumer(ctx context.Context, from uint64) error {
	c := &e.consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return engine.ErrClosed
	}
	if c.context != nil {
		c.context.Stop()
		c.context = nil
	}
	e.tail.mu.Lock()
	generation := e.tail.generation
	e.tail.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*askTimeout)
	defer cancel()
	ordered, err := e.consumers.OrderedConsumer(ctx, e.names.stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return err
	}
	c.context, err = ordered.Consume(func(m jetstream.Msg) { e.takeConsumed(m, generation) },
		jetstream.PullMaxBytes(e.ahead()), jetstream.PullHeartbeat(consumerHeartbeat), jetstream.PullExpiry(consumerExpiry),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			e.counters.consumerErrors.Add(1)
			e.log.Debug("the consumer of the stream begins again", "error", err)
		}))
	return err
}

// ahead returns how many bytes the servers may send ahead. A message that does not fit is never sent.
func (e *Engine) ahead() int {
	if e.options.ahead > 0 {
		return e.options.ahead
	}
	return max(consumerBytes, 2*int(e.tailing.MaxPayload()))
}

// takeConsumed takes a message from the consumer with the generation.
func (e *Engine) takeConsumed(m jetstream.Msg, generation int) {
	meta, err := m.Metadata()
	if err != nil || !strings.HasPrefix(m.Subject(), e.names.channel) {
		return // not a message of the stream
	}
	e.take(&arrival{meta.Sequence.Stream, meta.Timestamp.UnixNano(), m.Subject(), m.Headers(), m.Data(), generation, meta.Consumer})
}

// keepConsumer starts a consumer if none runs, because the last attempt to start one has failed.
func (e *Engine) keepConsumer(ctx context.Context, from uint64) error {
	e.consumer.mu.Lock()
	runs := e.consumer.context != nil
	e.consumer.mu.Unlock()
	if runs {
		return nil
	}
	return e.startConsumer(ctx, from)
}

func (c *consumer) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.context != nil {
		c.context.Stop()
		<-c.context.Closed()
	}
}

// startTail reads the newest part of the stream into memory. It returns when it has what the stream
// had at that moment.
func (e *Engine) startTail(ctx context.Context) error {
	from, s, err := e.whereToStart(ctx)
	if err != nil {
		return err
	}
	last := s.Last
	if from <= s.First {
		e.base = from - 1
	}
	e.table.StartAt(from - 1)
	e.tail.at.Store(from - 1)
	e.tail.filling, e.tail.generation = true, 1
	began := clock.Now()
	for {
		err := e.startConsumer(ctx, from)
		if err == nil {
			break
		}
		if !worthRetry(err) || !e.pause(ctx, retryPause) {
			return fmt.Errorf("read the stream %s: %w", e.names.stream, err)
		}
	}
	report := clock.Now()
	moved, before := clock.Now(), e.tail.at.Load()
	for holes := 0; ; {
		for e.tail.at.Load() < last {
			if at := e.tail.at.Load(); at != before {
				moved, before = clock.Now(), at
			} else if clock.Now().Sub(moved) >= fillSilence { // the consumer's server may be gone
				moved = clock.Now()
				if err := e.fill(ctx, last); err != nil {
					e.log.Debug("cannot read the stream directly", "error", err)
				}
			}
			if !e.pause(ctx, fillPoll) {
				return unavailable(fmt.Sprintf("read the stream %s: it has %d messages that this node does not have yet", e.names.stream, last-e.tail.at.Load()), ctx.Err())
			}
			if now := clock.Now(); now.Sub(report) >= fillReport {
				report = now
				e.log.Info("reading the newest messages of the stream", "read", e.tail.at.Load()-from+1, "of", last-from+1)
			}
		}
		if e.tail.filled(&holes) {
			break
		}
		for {
			if s, err = e.streamState(ctx, ""); err == nil {
				break
			}
			if !e.pause(ctx, retryPause) {
				return unavailable("read the state of the stream "+e.names.stream, err)
			}
		}
		last = s.Last
		e.dropOvertaken(s)
	}
	e.health.heard(clock.Now())
	kept := e.table.Stats()
	e.log.Info("messages are kept on NATS", "stream", e.names.stream, "epoch_number", strconv.FormatUint(e.epoch, 32),
		"messages", kept.Publications, "channels", kept.Channels, "took", clock.Now().Sub(began).Round(time.Millisecond))
	return nil
}

// filled ends the filling if there was no further hole since the last call. Otherwise it returns
// false.
func (t *tail) filled(holes *int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.filling = t.holes != *holes
	*holes = t.holes
	return !t.filling
}

// dropOvertaken drops from memory what has holes because the stream has dropped messages while this
// node was reading them. The state is newer than the last hole.
//
//   - Messages that went for their age, or for the size of the stream, are before its first one. So the
//     logs are complete only from there.
//   - If messages of a channel went because it had too many, then later ones in the stream are as many
//     as it may have. When the tail has these, the log has no place for those before the hole.
func (e *Engine) dropOvertaken(s state) {
	before := max(s.First, 1) - 1
	e.life.Lock()
	e.base = max(e.base, before)
	e.life.Unlock()
	e.table.DropUpTo(before)
}

const (
	fillPoll   = 5 * time.Millisecond
	fillReport = 5 * time.Second

	// fillSilence is how long a starting node waits for its consumer before it reads the stream itself.
	fillSilence = 2 * time.Second
)

// whereToStart returns the sequence with which the tail begins, and the state of the stream. The
// tail begins with the oldest message that is young enough, or later if memory has not enough room.
func (e *Engine) whereToStart(ctx context.Context) (from uint64, s state, err error) {
	for {
		if s, err = e.streamState(ctx, ""); err == nil {
			from = max(s.First, 1)
			if s.Messages > 0 {
				size := max(s.Bytes/s.Messages, 1)
				room := uint64(e.options.Memory) / size
				if s.Last > room {
					from = max(from, s.Last-room)
				}
			}
			var young uint64
			if young, err = e.firstSince(ctx, time.Now().Add(-e.options.keepFor())); err == nil {
				return max(from, min(young, s.Last+1)), s, nil
			}
		}
		if !e.pause(ctx, retryPause) {
			return 0, s, unavailable("read the state of the stream "+e.names.stream, err)
		}
	}
}
