package trial

import (
	"encoding/json"

	"github.com/boreas-pubsub/boreas/internal/oracle"
)

// frame is a message from the server.
type frame struct {
	ID    *uint64 `json:"id"`
	Hello *struct {
		Heartbeat int `json:"heartbeat"`
	} `json:"hello"`
	Auth *struct {
		User string `json:"user"`
	} `json:"auth"`
	Join *struct {
		Channels []joinResult `json:"channels"`
	} `json:"join"`
	Leave   *struct{} `json:"leave"`
	Publish *struct {
		Position  string `json:"position"`
		Duplicate bool   `json:"duplicate"`
	} `json:"publish"`
	Error    *wireError      `json:"error"`
	Goodbye  json.RawMessage `json:"goodbye"`
	Channel  string          `json:"channel"`
	Message  json.RawMessage `json:"message"`
	Position string          `json:"position"`
	Gap      *gap            `json:"gap"`
	Presence *presence       `json:"presence"`
}

type wireError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Retry   string `json:"retry"`
}

type joinResult struct {
	Channel   string     `json:"channel"`
	Error     *wireError `json:"error"`
	Position  string     `json:"position"`
	Recovered *bool      `json:"recovered"`
	Gap       *gap       `json:"gap"`
	Presence  *presence  `json:"presence"`
}

type gap struct {
	Reason string `json:"reason"`
	From   string `json:"from"`
	To     string `json:"to"`
}

type presence struct {
	Event   string `json:"event"`
	User    string `json:"user"`
	Users   int    `json:"users"`
	Members []struct {
		User string `json:"user"`
	} `json:"members"`
}

// call returns the presence in the oracle's form. A snapshot has no event.
func (p *presence) call() oracle.Call {
	c := oracle.Call{Event: p.Event, User: p.User, Users: p.Users}
	if c.Event == "" {
		c.Event = "state"
	}
	for _, m := range p.Members {
		c.Members = append(c.Members, m.User)
	}
	return c
}
