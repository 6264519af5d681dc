package admission

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coder/websocket"
)

// A classicPeer speaks the classic wire, which answers nothing. What became of its token
// shows in what it gets, and in what the API tells of its channel.
type classicPeer struct {
	s       *site
	token   string
	channel string
	c       *websocket.Conn
	comes   chan event    // closed at the end
	ended   chan struct{} // closed then, too
	got     []event
	end     string // how it ended, once ended is closed
}

func (p *classicPeer) come() string {
	c, _, err := websocket.Dial(p.s.ctx, p.s.ws+"/", &websocket.DialOptions{HTTPClient: p.s.client})
	if err != nil {
		return err.Error()
	}
	p.c, p.comes, p.ended = c, make(chan event, 4096), make(chan struct{})
	go p.read()
	return "ok"
}

func (p *classicPeer) read() {
	defer close(p.ended)
	defer close(p.comes)
	for {
		_, text, err := p.c.Read(p.s.ctx)
		if err != nil {
			var closed websocket.CloseError
			if p.end = "an end without a word"; errors.As(err, &closed) {
				p.end = fmt.Sprint(int(closed.Code))
			}
			return
		}
		var e event
		if err := json.Unmarshal(text, &e); err != nil {
			p.s.Errorf("%v: %s", err, text)
		}
		p.comes <- e
	}
}

func (p *classicPeer) say(message any) {
	text, _ := json.Marshal(message)
	p.c.Write(p.s.ctx, websocket.MessageText, text) //nolint:errcheck // the end is seen by reading
}

// heard waits until the server has dealt with what was said: it answers pings in their
// turn. It returns false if the connection has ended.
func (p *classicPeer) heard() bool {
	if p.c.Ping(p.s.ctx) != nil {
		<-p.ended
		return false
	}
	return true
}

func (p *classicPeer) do(_, channel string) string {
	if said := p.come(); said != "ok" {
		return said
	}
	p.channel = channel
	p.say(object{"access_token": p.token})
	p.say(object{"channels": object{"join": []string{channel}, "leave": []string{}}})
	switch said := p.fate(false); said {
	case "lives":
		return "ok"
	case "anonymous":
		return "ignored"
	default:
		return said
	}
}

// fate tells whether the peer is on its channel, and whether what it gets is in keeping
// with that.
func (p *classicPeer) fate(ending bool) string {
	if ending {
		p.s.until("the end of a classic token", func() bool { return p.s.on(p.channel) == 0 })
	}
	if !p.heard() {
		return p.end
	}
	on := p.s.on(p.channel) > 0
	marker := randomName()
	p.s.publish(p.channel, marker)
	switch {
	case on && !p.gets(marker):
		return "on its channel, and nothing comes"
	case on:
		return "lives"
	case !p.heard():
		return p.end
	}
	for {
		select {
		case e := <-p.comes:
			p.got = append(p.got, e)
		default:
			if holds(p.got, marker) == "ok" {
				return "not on its channel, and gets its messages"
			}
			return "anonymous"
		}
	}
}

func (p *classicPeer) gets(message string) bool {
	for holds(p.got, message) != "ok" {
		e, ok := <-p.comes
		if !ok {
			return false
		}
		p.got = append(p.got, e)
	}
	return true
}

func (p *classicPeer) close() {
	if p.c != nil {
		p.c.CloseNow()
		<-p.ended
	}
}
