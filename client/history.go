package client

import (
	"context"
	"encoding/json"
	"fmt"
)

// HistoryOptions say which part of a channel's history is read. The zero value reads
// from the oldest message kept.
type HistoryOptions struct {
	Since string // the place after which to read; "" for the oldest kept
	Limit int    // messages at most; 0 for the server's default, 100
}

// A HistoryPage is a part of a channel's history.
type HistoryPage struct {
	Messages []Message
	Position string // the place after the last of them: Since of the next page, or of a subscription
	More     bool   // there are more after it, now
}

// History reads kept messages. It needs no subscription to the channel. If the messages after
// Since are not kept any more, the [Error] has Oldest.
func (c *Conn) History(ctx context.Context, channel string, o HistoryOptions) (HistoryPage, error) {
	op := fmt.Sprintf("read the history of %q", channel)
	if err := checkChannel(channel); err != nil {
		return HistoryPage{}, opError(op, err)
	}
	if o.Limit < 0 {
		return HistoryPage{}, fmt.Errorf("%s: Limit can't be negative", op)
	}
	f, err := c.do(ctx, op, "history", historyRequest{channel, o.Since, o.Limit}, true)
	if err != nil {
		return HistoryPage{}, err
	}
	return readHistory(op, channel, f.History)
}

// readHistory decodes a page, which is the same over WebSocket and HTTP.
func readHistory(op, channel string, text json.RawMessage) (HistoryPage, error) {
	var answer struct {
		Messages []struct {
			Message  json.RawMessage `json:"message"`
			Position string          `json:"position"`
		} `json:"messages"`
		Position string `json:"position"`
		More     bool   `json:"more"`
	}
	if err := readReply(op, text, &answer); err != nil {
		return HistoryPage{}, err
	}
	page := HistoryPage{Position: answer.Position, More: answer.More}
	for _, m := range answer.Messages {
		page.Messages = append(page.Messages, Message{Channel: channel, Data: m.Message, Position: m.Position})
	}
	return page, nil
}

// Presence requests the members of a channel with presence in its rule. It needs no subscription
// to the channel.
func (c *Conn) Presence(ctx context.Context, channel string) (PresenceState, error) {
	op := fmt.Sprintf("ask who is on %q", channel)
	if err := checkChannel(channel); err != nil {
		return PresenceState{}, opError(op, err)
	}
	f, err := c.do(ctx, op, "presence", presenceRequest{channel}, true)
	if err != nil {
		return PresenceState{}, err
	}
	var state PresenceState
	return state, readReply(op, f.Presence, &state)
}
