package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// HistoryOptions select a part of a channel's history. The zero value reads from the oldest kept
// message.
type HistoryOptions struct {
	Since string // the position after which to read; "" for the oldest kept message
	Limit int    // the maximum number of messages; 0 for the server's default, 100

	// Before, if not "", reads backwards: the newest messages before this position. They are still
	// in order, oldest first. It excludes Since.
	Before string

	// Last, if not 0, reads this many of the newest messages. It excludes all fields above.
	Last int

	Times bool // requests the times of the messages
}

// check checks the options before they are sent.
func (o *HistoryOptions) check(op string) error {
	switch {
	case o.Limit < 0:
		return fmt.Errorf("%s: Limit can't be negative", op)
	case o.Last < 0:
		return fmt.Errorf("%s: Last can't be negative", op)
	case o.Last > 0 && (o.Since != "" || o.Before != "" || o.Limit > 0) || o.Since != "" && o.Before != "":
		return fmt.Errorf("%s: only one of Since, Before and Last can be given, and no Limit with Last", op)
	}
	return nil
}

// A HistoryPage is a part of a channel's history.
type HistoryPage struct {
	Messages []Message
	Position string // the end of the page: the Since of the next page or of a subscription

	// More reports whether there are more messages after this page, or, with Before or Last, before
	// it: the position of the first message is the Before of the next page.
	More bool
}

// History reads kept messages. It does not need a subscription. If the messages after Since are no
// longer kept, the error is an [Error] with Oldest.
func (c *Conn) History(ctx context.Context, channel string, o HistoryOptions) (HistoryPage, error) {
	op := fmt.Sprintf("read the history of %q", channel)
	if err := checkChannel(channel); err != nil {
		return HistoryPage{}, opError(op, err)
	}
	if err := o.check(op); err != nil {
		return HistoryPage{}, err
	}
	f, err := c.do(ctx, op, "history", historyRequest{channel, o.Since, o.Before, o.Limit, o.Last, o.Times}, true)
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
			Time     time.Time       `json:"time"`
		} `json:"messages"`
		Position string `json:"position"`
		More     bool   `json:"more"`
	}
	if err := readReply(op, text, &answer); err != nil {
		return HistoryPage{}, err
	}
	page := HistoryPage{Position: answer.Position, More: answer.More}
	for _, m := range answer.Messages {
		page.Messages = append(page.Messages, Message{Channel: channel, Data: m.Message, Position: m.Position, Time: m.Time})
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
