package memory

import (
	"context"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
)

// Options bounds the data that an [Engine] keeps. The zero value works.
type Options struct {
	// Messages is the maximum number of publications that a channel keeps. 0 means
	// [DefaultMessages]; a negative number means that it keeps none.
	Messages int

	// Bytes is the maximum number of bytes of messages that a channel keeps. 0 means
	// [DefaultBytes]. The newest publication is kept whatever its size.
	Bytes int64

	// Age is how long a publication is kept. 0 means [DefaultAge].
	Age time.Duration

	// Memory is a ceiling for the bytes of all channels together, including an estimate of the
	// overhead. Above it the engine drops the oldest publications of all channels. 0 means
	// [DefaultMemory].
	Memory int64

	// Limits returns a channel's own limits. Those that are not zero replace Messages, Bytes and
	// Age. The engine calls Limits when it creates a channel's log, from many goroutines at once.
	// Nil means that all channels have the same limits.
	Limits func(channel string) engine.Retention

	// KeyWindow is how long an idempotency key is remembered. 0 means [DefaultKeyWindow]. If it is
	// negative, keys have no effect.
	KeyWindow time.Duration
}

// Defaults of [Options]. A client that was disconnected for a few minutes can resume.
const (
	DefaultMessages  = channellog.DefaultMessages
	DefaultBytes     = channellog.DefaultBytes
	DefaultAge       = channellog.DefaultAge
	DefaultMemory    = channellog.DefaultMemory
	DefaultKeyWindow = channellog.DefaultKeyWindow
)

// Engine keeps publications in the memory of this process. Each Engine has a new epoch, because its
// publications end with the process.
type Engine struct{ table *channellog.Table }

var (
	_ engine.Engine    = (*Engine)(nil)
	_ engine.Immediate = (*Engine)(nil)
	_ engine.Lister    = (*Engine)(nil)
	_ engine.Counter   = (*Engine)(nil)
	_ engine.Relimiter = (*Engine)(nil)
	_ engine.Purger    = (*Engine)(nil)
	_ engine.Stater    = (*Engine)(nil)
)

// New returns a new engine. Call Close to stop its goroutine.
func New(o Options) *Engine {
	return &Engine{channellog.New(channellog.Options{
		Messages: o.Messages, Bytes: o.Bytes, Age: o.Age, Memory: o.Memory, Limits: o.Limits, KeyWindow: o.KeyWindow,
	})}
}

// Publish implements [engine.Engine]. Keys may take a quarter of the ceiling, and keys of messages
// with a Publisher an eighth. Over that limit, a message with a new key fails with
// [engine.ErrTooManyKeys]. So does a message of a publisher whose keys would take more than an
// eighth of the space that is left.
func (e *Engine) Publish(_ context.Context, channel string, m engine.Message) (engine.Ack, error) {
	return e.table.Publish(channel, m)
}

// Follow implements [engine.Engine].
func (e *Engine) Follow(_ context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	_, head, stop, err := e.table.Follow(channel, to)
	if err != nil {
		return engine.Position{}, nil, err
	}
	return engine.Position{Epoch: e.table.Epoch(), Offset: head}, stop, nil
}

// Read implements [engine.Engine].
func (e *Engine) Read(_ context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	return e.table.Read(channel, since, limit)
}

// Immediate implements [engine.Immediate]: the engine waits for nothing but its locks.
func (*Engine) Immediate() bool { return true }

// ListChannels implements [engine.Lister]. Its cost depends on the number of names returned, not on
// the number of channels. Errors: [engine.ErrClosed], those of ctx.
func (e *Engine) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	return e.table.ListChannels(ctx, prefix, after, limit)
}

// CountAfter implements [engine.Counter].
func (e *Engine) CountAfter(channel string, since engine.Position) int {
	return e.table.CountAfter(channel, since, func(bool) uint64 { return e.table.Epoch() })
}

// Published implements [engine.Counter].
func (e *Engine) Published(channel string) uint64 { return e.table.Published(channel) }

// MostPublished implements [engine.Counter].
func (e *Engine) MostPublished(prefix string, limit int) []engine.Published {
	return e.table.MostPublished(prefix, limit)
}

// Relimit implements [engine.Relimiter].
func (e *Engine) Relimit() { e.table.Relimit() }

// Purge implements [engine.Purger]. The engine knows that publications were purged until it forgets the
// channel: about an hour after the channel was last used.
func (e *Engine) Purge(_ context.Context, channel string) (engine.Position, error) {
	return e.table.Purge(channel)
}

// Stats returns the engine's statistics.
func (e *Engine) Stats() engine.Stats { return e.table.Stats() }

// Close implements [engine.Engine].
func (e *Engine) Close() error { return e.table.Close() }
