package boreastest

import (
	"context"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Between wraps an engine and lets a test act directly before and after each of its calls. Tests
// use it for interleavings that rarely occur by chance. Nil functions are not called. Set the
// functions before the engine is used.
type Between struct {
	engine.Engine

	BeforeFollow, AfterFollow   func(channel string)
	BeforeRead, AfterRead       func(channel string)
	BeforePublish, AfterPublish func(channel string)
}

func call(f func(string), channel string) {
	if f != nil {
		f(channel)
	}
}

// Publish implements [engine.Engine].
func (b *Between) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	call(b.BeforePublish, channel)
	defer call(b.AfterPublish, channel)
	return b.Engine.Publish(ctx, channel, m)
}

// Follow implements [engine.Engine].
func (b *Between) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	call(b.BeforeFollow, channel)
	defer call(b.AfterFollow, channel)
	return b.Engine.Follow(ctx, channel, to)
}

// Read implements [engine.Engine].
func (b *Between) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	call(b.BeforeRead, channel)
	defer call(b.AfterRead, channel)
	return b.Engine.Read(ctx, channel, since, limit)
}
