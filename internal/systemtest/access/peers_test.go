package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	whole "github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// A peer is a client of one transport with one token.
type peer interface {
	// do connects, if necessary, and does the verb on a channel. It returns "ok" if every step
	// succeeded, or else the refusal.
	do(verb, channel string) string

	// fate returns "lives" or how the session ended. With ending, it waits for the end.
	fate(ending bool) string

	// close ends the session.
	close()
}

// The verbs of a peer. The first three are joins.
const (
	join     = "join"
	last     = "join last"
	watch    = "presence watch"
	publish  = "publish"
	history  = "history"
	presents = "presence request"
)

// before is the message that the operator publishes on each channel before a peer connects.
const before = "before"

// A v2Peer speaks protocol 2.
type v2Peer struct {
	s       *site
	token   string
	early   bool // send the token in the handshake
	c       *wstest.Conn
	id      int
	got     []wstest.Event // the messages that arrived besides the replies
	goodbye string         // the code in the goodbye
	end     string         // how the session ended; "" while it lives
}

// errOver reports that a session has ended.
var errOver = errors.New("the session has ended")

func (p *v2Peer) read() (wstest.Message, error) {
	text, err := p.c.Next()
	if err != nil {
		var closed *wstest.Closed
		if p.end = fmt.Sprintf("an end without a word: %v", err); errors.As(err, &closed) {
			p.end = fmt.Sprintf("%d %s", closed.Code, p.goodbye)
		}
		return wstest.Message{}, errOver
	}
	p.s.frame(text)
	var f wstest.Message
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		p.s.Errorf("%v: %s", err, text)
	}
	switch {
	case f.Goodbye != nil:
		p.goodbye = f.Goodbye.Error.Code
	case f.Message != nil:
		p.got = append(p.got, f.Event)
	}
	return f, nil
}

// request makes a request and returns its reply.
func (p *v2Peer) request(name string, body object) (wstest.Message, error) {
	p.id++
	p.c.Send(object{"id": p.id, name: body})
	for {
		f, err := p.read()
		if err != nil || string(f.ID) == fmt.Sprint(p.id) {
			return f, err
		}
	}
}

// come connects and sends the token.
func (p *v2Peer) come() string {
	options := wstest.Options{Context: p.s.Ctx}
	if p.early {
		options.Header = http.Header{"Authorization": {"Bearer " + p.token}}
	}
	c, err := wstest.Connect("ws://"+p.s.WS+"/v2", options)
	var refused *wstest.Refused
	switch {
	case errors.As(err, &refused):
		return fmt.Sprint(refused.Response.StatusCode, " ", whole.CodeOf([]byte(refused.Body)))
	case err != nil:
		return err.Error()
	}
	p.c = c
	if p.early {
		return "ok"
	}
	return p.show(p.token)
}

// show sends another token.
func (p *v2Peer) show(token string) string {
	return p.outcome(p.request("auth", object{"token": token}))
}

func (p *v2Peer) outcome(f wstest.Message, err error) string {
	switch {
	case err != nil:
		return p.end
	case f.Error != nil:
		return f.Error.Code
	default:
		return "ok"
	}
}

func (p *v2Peer) do(verb, channel string) string {
	if p.c == nil {
		if said := p.come(); said != "ok" {
			return said
		}
	}
	switch verb {
	case publish:
		f, err := p.request("publish", object{"channel": channel, "message": "mine"})
		if said := p.outcome(f, err); said != "ok" {
			return said
		}
		return p.s.has(channel, "mine")
	case history:
		f, err := p.request("history", object{"channel": channel})
		if said := p.outcome(f, err); said != "ok" {
			return said
		}
		return holds(f.History.Messages, before)
	case presents:
		f, err := p.request("presence", object{"channel": channel})
		if said := p.outcome(f, err); said != "ok" {
			return said
		}
		return counted(f.Presence)
	}
	place := object{"channel": channel}
	switch verb {
	case last:
		place["last"] = 100
	case watch:
		place["presence"] = true
	}
	f, err := p.request("join", object{"channels": []object{place}})
	if said := p.outcome(f, err); said != "ok" {
		return said
	}
	result := f.Join.Channels[0]
	if result.Error != nil {
		return result.Error.Code
	}
	return p.s.serves(verb, channel, result, p.gets)
}

// serves returns "ok" if a peer that has joined receives what its verb asks for, and the messages that
// follow.
func (s *site) serves(verb, channel string, result wstest.Joined, gets func(message string) bool) string {
	if said := counted(result.Presence); verb == watch && said != "ok" {
		return said
	}
	if verb == last && !gets(before) {
		return "the message published before did not arrive"
	}
	s.publish(channel, "after")
	if !gets("after") {
		return "joined, but receives nothing"
	}
	return "ok"
}

// gets waits for a message.
func (p *v2Peer) gets(message string) bool {
	for holds(p.got, message) != "ok" {
		if _, err := p.read(); err != nil {
			return false
		}
	}
	return true
}

// holds returns "ok" if the list contains the message.
func holds(list []wstest.Event, message string) string {
	for _, e := range list {
		if string(e.Message) == `"`+message+`"` {
			return "ok"
		}
	}
	return fmt.Sprintf("no %s among %d messages", message, len(list))
}

// has returns "ok" if the channel's history contains the message.
func (s *site) has(channel, message string) string {
	s.Helper()
	var page struct{ Messages []wstest.Event }
	s.Must("GET", messages(channel), nil, &page)
	return holds(page.Messages, message)
}

func counted(m *wstest.Presence) string {
	if m == nil {
		return "no snapshot"
	}
	return "ok"
}

func (p *v2Peer) fate(ending bool) string {
	for ending {
		if _, err := p.read(); err != nil {
			return p.end
		}
	}
	if _, err := p.request("ping", object{}); err != nil {
		return p.end
	}
	return "lives"
}

func (p *v2Peer) close() {
	if p.c != nil {
		p.c.Close()
	}
}

// An httpPeer calls the API with its token in place of a key.
type httpPeer struct {
	s     *site
	token string
}

func (p *httpPeer) do(verb, channel string) string {
	switch verb {
	case publish:
		if said := p.s.Ask(p.token, "POST", messages(channel), `"mine"`).Code(); said != "ok" {
			return said
		}
		return p.s.has(channel, "mine")
	case history:
		a := p.s.Ask(p.token, "GET", messages(channel), nil)
		if said := a.Code(); said != "ok" {
			return said
		}
		var page struct{ Messages []wstest.Event }
		if err := json.Unmarshal(a.Body, &page); err != nil {
			return err.Error()
		}
		return holds(page.Messages, before)
	default:
		return p.s.Ask(p.token, "GET", presence(channel), nil).Code()
	}
}

func (p *httpPeer) fate(bool) string { return "" }
func (p *httpPeer) close()           {}
