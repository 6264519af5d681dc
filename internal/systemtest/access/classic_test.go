package access

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// A classicPeer speaks the classic wire, which sends no replies. The state of its token shows only
// in the messages that it receives and in the API's list of its channel.
type classicPeer struct {
	s       *site
	token   string
	channel string
	c       *wstest.Conn
	comes   chan wstest.Event // closed when the connection ends
	ended   chan struct{}     // closed when the connection ends
	pongs   chan string
	got     []wstest.Event
	end     string // how the connection ended, once ended is closed
}

func (p *classicPeer) come() string {
	c, err := wstest.Connect("ws://"+p.s.WS+"/", wstest.Options{Context: p.s.Ctx})
	if err != nil {
		return err.Error()
	}
	p.c, p.comes, p.ended, p.pongs = c, make(chan wstest.Event, 4096), make(chan struct{}), make(chan string, 1)
	c.OnPong = func(payload string) { p.pongs <- payload }
	go p.read()
	return "ok"
}

func (p *classicPeer) read() {
	defer close(p.ended)
	defer close(p.comes)
	for {
		text, err := p.c.Next()
		if err != nil {
			if p.end = "ended without a close code"; wstest.Code(err) != 0 {
				p.end = fmt.Sprint(wstest.Code(err))
			}
			return
		}
		var e wstest.Event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			p.s.Errorf("%v: %s", err, text)
		}
		p.comes <- e
	}
}

// heard waits until the server has processed the messages sent so far, because it answers pings in
// order. It returns false if the connection has ended.
func (p *classicPeer) heard() bool {
	io.WriteString(p.c, wstest.Ping("")) //nolint:errcheck // read reports the end
	select {
	case <-p.pongs:
		return true
	case <-p.ended:
		return false
	}
}

func (p *classicPeer) do(_, channel string) string {
	if said := p.come(); said != "ok" {
		return said
	}
	p.channel = channel
	p.c.Send(object{"access_token": p.token})
	p.c.Send(object{"channels": object{"join": []string{channel}, "leave": []string{}}})
	switch said := p.fate(false); said {
	case "lives":
		return "ok"
	case "anonymous":
		return "ignored"
	default:
		return said
	}
}

// fate reports whether the peer is on its channel, and checks that the messages it receives agree
// with that.
func (p *classicPeer) fate(ending bool) string {
	if ending {
		p.s.until("the classic token has left its channel", func() bool { return p.s.on(p.channel) == 0 })
	}
	if !p.heard() {
		return p.end
	}
	on := p.s.on(p.channel) > 0
	marker := randomName()
	p.s.publish(p.channel, marker)
	switch {
	case on && !p.gets(marker):
		return "on its channel, but receives nothing"
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
				return "not on its channel, but receives its messages"
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
		p.c.Close()
		<-p.ended
	}
}
