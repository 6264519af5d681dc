package client

import (
	"context"
	"encoding/json"
	"fmt"
)

// HistoryOptions select a part of a channel's history. The zero value reads from the oldest kept
// message.
type HistoryOptions struct {
	Since string // the position after which to read; "" for the oldest kept message
	Limit int    // the maximum number of messages; 0 for the server's default, 100
}

// A HistoryPage is a part of a channel's history.
type HistoryPage struct {
	Messages []Message
	Position string // the end of the page: the Since of the next page or of a subscription
	More     bool   // there are more messages after this page
}

// History reads kept messages. It does not need a subscription. If the messages after Since are no
// longer kept, the error is an [Error] with Oldest.
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

// readHistory decodes a page. WebSocket and HTTP use the same format.
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

// Presence returns the users on a channel whose rule has presence. It does not need a subscription.
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
