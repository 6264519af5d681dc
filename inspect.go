package boreas

import (
	"context"
	"time"
)

// SessionInfo describes a session.
type SessionInfo struct {
	ID        string // its name
	User      string // "" while anonymous
	Transport string // as the transport calls itself
	Address   string // of the peer, "" if not known
	Since     time.Time
	Channels  []string // that it has joined, in that order
}

// ChannelInfo describes a channel.
type ChannelInfo struct {
	Name        string
	Subscribers int
	Head        Position
	Oldest      Position // the place after which everything is kept
}

// Rule returns the rule of a channel.
func (h *Hub) Rule(channel string) *Rule { return h.options.Rules.For(channel) }

// History reads a channel's log; see [Engine.Read]. Also [ErrChannelName].
func (h *Hub) History(ctx context.Context, channel string, since Position, limit int) (History, error) {
	if err := ValidChannel(channel); err != nil {
		return History{}, err
	}
	return h.engine.Read(ctx, channel, since, limit)
}
