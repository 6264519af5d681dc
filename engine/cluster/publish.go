package cluster

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// maxUnacknowledged is how many messages may wait for their acknowledgement. The servers refuse
	// messages when about 10,000 are under way.
	maxUnacknowledged = 4000

	// tryTimeout bounds one attempt to publish, and publishTimeout all attempts for a message: an
	// election of a new leader takes 4 to 9 seconds.
	tryTimeout     = 2 * time.Second
	publishTimeout = 12 * time.Second

	// firstPatience is how long the first attempt waits. Each further one waits twice as long as the one
	// before, up to tryTimeout. A message that is sent while the leader changes in order gets no answer,
	// and the next leader is there after milliseconds. Busy servers answer later than this now and then;
	// they recognise the repetition.
	firstPatience = 150 * time.Millisecond

	// retryPause is the pause between two attempts.
	retryPause = 50 * time.Millisecond

	// retryWindow is how long the servers must recognise a repetition at least.
	retryWindow = 2 * publishTimeout

	// ownTimeout bounds the wait until the tail of this node has an acknowledged message. If the tail
	// is late, the message is acknowledged before this node delivers it.
	ownTimeout = 2 * time.Second

	// ownPatience is how long a publisher waits for the tail before the watch looks whether the consumer
	// is silent: its server may have stopped.
	ownPatience = 30 * time.Millisecond
)

// PublishTimeout is how long [Engine.Publish] and [Engine.PublishMany] take at most.
const PublishTimeout = publishTimeout + tryTimeout + ownTimeout

// Errors of JetStream that pass by themselves.
const (
	errorDuplicateInProcess = 10158 // the first message with the id is not kept yet
	errorStoreFailed        = 10077 // the store of a server has failed; another one may be elected
	errorTooManyInFlight    = 10167
	errorNoSpace            = 10047 // no room on the disk
	errorNoResources        = 10023 // the same, or the servers' limits for all streams are reached
)

// A request is a message on its way to the servers.
type request struct {
	channel  string
	subject  string
	message  engine.Message
	id       string
	unclear  bool          // an earlier attempt may have succeeded
	patience time.Duration // how long the next attempt waits
	epoch    uint64        // when the last attempt was sent
	after    uint64        // where the tail was when the first attempt of the epoch was sent
	replaced bool          // the stream is not the one of the epoch any more
	origin   string        // see headerOrigin; "" if it was not imported
	future   jetstream.PubAckFuture
	err      error // of the last attempt to send it
}

func (e *Engine) newRequest(channel string, m engine.Message) *request {
	r := &request{channel: channel, subject: e.names.channel + natsconn.Encode(channel), message: m, patience: cmp.Or(e.options.patience, firstPatience)}
	if m.Key != "" && e.options.KeyWindow > 0 {
		// The servers compare the ids of all channels.
		hash := sha256.Sum256([]byte(channel + "\x00" + m.Key))
		r.id = base64.RawURLEncoding.EncodeToString(hash[:15])
	} else {
		var b [12]byte
		rand.Read(b[:]) // never fails, see crypto/rand
		r.id = "." + base64.RawURLEncoding.EncodeToString(b[:])
	}
	return r
}

// keyed reports whether another message may have the same id.
func (r *request) keyed() bool { return r.id[0] != '.' }

// send makes one attempt.
func (e *Engine) send(r *request) {
	m := &nats.Msg{Subject: r.subject, Data: r.message.Data, Header: nats.Header{jetstream.MsgIDHeader: {r.id}}}
	if r.message.Sender != 0 {
		m.Header[headerSender] = []string{e.id + "-" + strconv.FormatUint(r.message.Sender, 10)}
	}
	e.life.RLock()
	if r.epoch != e.epoch {
		r.epoch, r.after, r.replaced = e.epoch, e.tail.at.Load(), false
	}
	e.life.RUnlock()
	r.setOrigin(m.Header)
	r.future, r.err = e.publisher.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
}

// Publish implements [engine.Engine]. It repeats the message until the servers acknowledge it, for
// about 12 seconds at most. If that is not enough, or ctx ends first, the error is
// [engine.ErrUnavailable], and the message may or may not be kept. Other errors:
// [engine.ErrKeyReused], [engine.ErrStorageFull], [engine.ErrClosed].
func (e *Engine) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	bounded, cancel := context.WithTimeout(ctx, PublishTimeout)
	defer cancel()
	r, err := e.begins(bounded, channel, m)
	if err != nil {
		return engine.Ack{}, err
	}
	return e.finish(bounded, r, clock.Now())
}

// PublishMany implements [engine.Batcher]. The messages are under way together.
func (e *Engine) PublishMany(ctx context.Context, items []engine.Item) []engine.Result {
	results := make([]engine.Result, len(items))
	requests := make([]*request, len(items))
	began := clock.Now()
	ctx, cancel := context.WithTimeout(ctx, PublishTimeout)
	defer cancel()
	// Messages of one channel must be kept in their order, also if one of them is repeated. So a
	// message is sent when the one before on its channel is acknowledged.
	before := make(map[string]int)
	for i, item := range items {
		if j, ok := before[item.Channel]; ok && requests[j] != nil {
			results[j].Ack, results[j].Err = e.finish(ctx, requests[j], began)
			requests[j] = nil
		}
		before[item.Channel] = i
		requests[i], results[i].Err = e.begins(ctx, item.Channel, item.Message)
	}
	for i, r := range requests {
		if r != nil {
			results[i].Ack, results[i].Err = e.finish(ctx, r, began)
		}
	}
	return results
}

// begins sends a message for the first time.
func (e *Engine) begins(ctx context.Context, channel string, m engine.Message) (*request, error) {
	if err := e.mayBegin(ctx, channel, m); err != nil {
		return nil, err
	}
	r := e.newRequest(channel, m)
	e.send(r)
	return r, nil
}

func (e *Engine) mayBegin(ctx context.Context, channel string, m engine.Message) error {
	if e.closed.Load() {
		return engine.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return unavailable("publish: no time was left to send the message", err)
	}
	return e.checkSize(channel, m)
}

// headerRoom is the room in bytes for the headers of a message and its subject.
const headerRoom = 4 << 10

func (e *Engine) checkSize(channel string, m engine.Message) error {
	if len(channel) > natsconn.MaxName {
		return fmt.Errorf("boreas: the channel's name has %d bytes, and %d are allowed", len(channel), natsconn.MaxName)
	}
	if most := e.publishing.MaxPayload() - headerRoom; most > 0 && int64(len(m.Data)) > most {
		return fmt.Errorf("boreas: the message has %d bytes, and the NATS servers take %d: raise max_payload there", len(m.Data), most)
	}
	return nil
}

// finish waits for the acknowledgement of a message, and repeats the message as often as necessary.
func (e *Engine) finish(ctx context.Context, r *request, began clock.Mono) (engine.Ack, error) {
	for {
		kept, err := e.acknowledged(ctx, r)
		if err == nil {
			var ack engine.Ack
			if ack, err = e.accept(ctx, r, kept); !again(err) {
				return ack, err
			}
		}
		switch {
		case ctx.Err() != nil:
			return engine.Ack{}, unavailable("publish: the NATS servers have not answered yet", ctx.Err())
		case e.closed.Load():
			return engine.Ack{}, engine.ErrClosed
		case !repeatable(err):
			return engine.Ack{}, explainPublish(err)
		case clock.Now().Sub(began) >= publishTimeout:
			return engine.Ack{}, unavailable("publish", err)
		}
		e.counters.retries.Add(1)
		r.unclear = !errors.Is(err, errEarlier) && (r.unclear || !refused(err))
		if e.pause(ctx, retryPause) {
			e.send(r)
		}
	}
}

// errNoAnswer means that an attempt got no answer in time.
var errNoAnswer = errors.New("the NATS servers did not answer in time")

// acknowledged waits for the outcome of one attempt.
func (e *Engine) acknowledged(ctx context.Context, r *request) (*jetstream.PubAck, error) {
	if r.err != nil {
		return nil, r.err
	}
	patience := time.NewTimer(r.patience)
	defer patience.Stop()
	r.patience = min(2*r.patience, tryTimeout)
	select {
	case <-patience.C:
		return nil, errNoAnswer
	case ack := <-r.future.Ok():
		return ack, nil
	case err := <-r.future.Err():
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.stopped:
		return nil, engine.ErrClosed
	}
}

// repeatable reports whether another attempt may succeed. It may for every error that is not known
// to last: the id prevents that the message is kept twice.
func repeatable(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return !tooLarge(err) && !errors.Is(err, nats.ErrBadSubject) && !errors.Is(err, nats.ErrConnectionClosed)
	}
	switch api.ErrorCode {
	case errorDuplicateInProcess, errorStoreFailed, errorTooManyInFlight:
		return true
	case errorNoSpace, errorNoResources:
		return false
	}
	return api.Code == 503 || api.Code == 408 || api.Code == 429
}

// refused reports whether the error means that the servers have not kept the message.
func refused(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == errorDuplicateInProcess || api.ErrorCode == errorStoreFailed || api.ErrorCode == errorTooManyInFlight)
}

// tooLarge reports whether the servers, or the library, refuse the size of a message.
func tooLarge(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum
}

// explainPublish returns the engine's error for one of the servers.
func explainPublish(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == errorNoSpace || api.ErrorCode == errorNoResources):
		return fmt.Errorf("%w on the NATS servers: %w", engine.ErrStorageFull, err)
	case tooLarge(err):
		return fmt.Errorf("boreas: the message is larger than the NATS servers allow: %w", err)
	}
	return unavailable("publish", err)
}

var (
	// errReplaced means that the stream has kept the message in the place of one that this node has read
	// before. The watch will find that the stream was replaced, and begin a new epoch.
	errReplaced = errors.New("the stream of messages was replaced, and a new epoch has not begun yet")

	// errEarlier means that the message was kept before the epoch began, in which no node delivers it. So
	// it must be kept once more, and only once: the next attempt has an id of the epoch.
	errEarlier = errors.New("the message was kept before a new epoch of the stream began")
)

// again reports whether an acknowledged message needs another attempt.
func again(err error) bool {
	return errors.Is(err, errEpochChanged) || errors.Is(err, errReplaced) || errors.Is(err, errEarlier)
}

// accept returns the acknowledgement when the tail of this node has the message. For some errors, another attempt
// is needed; see again.
func (e *Engine) accept(ctx context.Context, r *request, ack *jetstream.PubAck) (engine.Ack, error) {
	duplicate := ack.Duplicate && r.keyed()
	e.life.RLock()
	earlier := r.epoch == e.epoch && ack.Sequence <= e.began
	e.life.RUnlock()
	switch {
	case earlier:
		id, _, _ := strings.Cut(r.id, "@")
		r.id = id + "@" + strconv.FormatUint(r.epoch, 32)
		return engine.Ack{}, errEarlier
	case ack.Sequence <= r.after && (r.replaced || !duplicate):
		r.replaced = true // the position is that of another message in this epoch
		return engine.Ack{}, errReplaced
	}
	if duplicate {
		same, err := e.sameMessage(ctx, r, ack.Sequence)
		if err != nil {
			return engine.Ack{}, err
		}
		if !same {
			return engine.Ack{}, engine.ErrKeyReused
		}
	}
	own, cancel := context.WithTimeout(ctx, ownTimeout)
	defer cancel()
	hurry := time.AfterFunc(ownPatience, func() { e.hurry(ack.Sequence) })
	defer hurry.Stop()
	if !e.await(own, ack.Sequence) && ctx.Err() == nil && !e.closed.Load() {
		e.counters.late.Add(1)
	}
	e.life.RLock()
	defer e.life.RUnlock()
	if r.epoch != e.epoch {
		return engine.Ack{}, errEpochChanged // the message may be lost: only another attempt can tell
	}
	// If an attempt may have succeeded, the first message with the id is probably this one.
	return engine.Ack{Position: e.position(ack.Sequence), Duplicate: duplicate && !r.unclear}, nil
}

// sameMessage reports whether the message that is kept with the id has the same data. A message that
// is not kept any more counts as the same.
func (e *Engine) sameMessage(ctx context.Context, r *request, seq uint64) (bool, error) {
	for _, p := range e.table.Newest(r.channel).Publications {
		if p.Offset == seq {
			return bytes.Equal(p.Data, r.message.Data), nil
		}
	}
	for {
		first, err := e.leaderGet(ctx, seq)
		switch {
		case err == nil:
			return bytes.Equal(first.Data, r.message.Data), nil
		case errors.Is(err, errNoMessage):
			// Gone, or the leader is late. The tail of this node knows which.
			if e.tail.at.Load() >= seq {
				return true, nil
			}
		}
		if !e.pause(ctx, retryPause) {
			return false, unavailable("compare with the first message that has the key", err)
		}
	}
}
