package wstest

import "encoding/json"

// A Message is a message of protocol 2 from the server.
type Message struct {
	ID    json.RawMessage `json:"id"`
	Error *Error          `json:"error"`
	Hello *struct {
		Heartbeat int `json:"heartbeat"`
	} `json:"hello"`
	Auth *struct {
		User string `json:"user"`
	} `json:"auth"`
	Join *struct {
		Channels []Joined `json:"channels"`
	} `json:"join"`
	Publish *struct {
		Position string `json:"position"`
	} `json:"publish"`
	History *struct {
		Messages []Event `json:"messages"`
	} `json:"history"`
	Presence *Presence `json:"presence"`
	Gap      *Gap      `json:"gap"`
	Expiring *struct{} `json:"expiring"`
	Goodbye  *struct {
		Error Error `json:"error"`
	} `json:"goodbye"`
	Event
}

// An Event is a message on a channel.
type Event struct {
	Channel  string          `json:"channel"`
	Message  json.RawMessage `json:"message"`
	Position string          `json:"position"`
}

// An Error is the error of a reply or a goodbye.
type Error struct{ Code, Message, Retry string }

// Joined is the result of a join of one channel.
type Joined struct {
	Channel   string    `json:"channel"`
	Error     *Error    `json:"error"`
	Position  string    `json:"position"`
	Recovered *bool     `json:"recovered"`
	Gap       *Gap      `json:"gap"`
	Presence  *Presence `json:"presence"`
}

// A Gap says which messages of a channel are lost.
type Gap struct{ Reason, From, To string }

// A Presence is a snapshot, or a change if it has an event.
type Presence struct {
	Event, User string
	Users       int
	Members     []struct{ User string }
}

// NextMessage returns the next message of protocol 2; see [Conn.Next].
func (c *Conn) NextMessage() (m Message, err error) {
	text, err := c.Next()
	if err == nil {
		err = json.Unmarshal([]byte(text), &m)
	}
	return m, err
}
