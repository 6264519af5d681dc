package access

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/boreas-pubsub/boreas/internal/wstest"
)

// An ssePeer follows one stream of server-sent events.
type ssePeer struct {
	s       *site
	token   string
	since   string // the last event ID of the stream before
	channel string
	body    io.Closer
	lines   *bufio.Scanner
	cancel  context.CancelFunc
	got     []wstest.Event
	id      string // the last event ID
	goodbye string
	over    bool
}

// come opens the stream. More contains the further parameters of the query.
func (p *ssePeer) come(channel string, more string) string {
	ctx, cancel := context.WithCancel(p.s.Ctx)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.s.WS+"/v2/events?channel="+url.QueryEscape(channel)+more, nil)
	if err != nil {
		cancel()
		return err.Error()
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	if p.since != "" {
		r.Header.Set("Last-Event-ID", p.since)
	}
	response, err := p.s.Client.Do(r)
	if err != nil {
		cancel()
		return err.Error()
	}
	if response.StatusCode != http.StatusOK {
		defer cancel()
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return answer{Status: response.StatusCode, Body: text}.Code()
	}
	p.channel, p.body, p.cancel = channel, response.Body, cancel
	p.lines = bufio.NewScanner(response.Body)
	p.lines.Buffer(nil, 1<<20)
	return "ok"
}

// next reads one event: its type and data.
func (p *ssePeer) next() (kind string, data []byte, err error) {
	for p.lines.Scan() {
		switch name, value, _ := strings.Cut(p.lines.Text(), ": "); name {
		case "event":
			kind = value
		case "data":
			data = []byte(value)
		case "id":
			p.id = value
		case "":
			if data == nil {
				continue
			}
			p.keep(kind, data)
			return kind, data, nil
		}
	}
	p.over = true
	return "", nil, errOver
}

func (p *ssePeer) keep(kind string, data []byte) {
	switch kind {
	case "":
		var e wstest.Event
		if err := json.Unmarshal(data, &e); err != nil {
			p.s.Errorf("%v: %s", err, data)
		}
		p.got = append(p.got, e)
	case "goodbye":
		var g struct{ Error wstest.Error }
		if err := json.Unmarshal(data, &g); err != nil {
			p.s.Errorf("%v: %s", err, data)
		}
		p.goodbye = g.Error.Code
	}
}

func (p *ssePeer) do(verb, channel string) string {
	more := map[string]string{join: "", last: "&last=100", watch: "&presence=true"}[verb]
	if said := p.come(channel, more); said != "ok" {
		return said
	}
	kind, data, err := p.next()
	var begin struct{ Channels []wstest.Joined }
	if err != nil || kind != "join" || json.Unmarshal(data, &begin) != nil || len(begin.Channels) != 1 {
		return fmt.Sprintf("began with %s %s %v", kind, data, err)
	}
	if said := counted(begin.Channels[0].Presence); verb == watch && said != "ok" {
		return said
	}
	if verb == last && !p.gets(before) {
		return "the message published before did not arrive"
	}
	p.s.publish(channel, "after")
	if !p.gets("after") {
		return "joined, but receives nothing"
	}
	return "ok"
}

func (p *ssePeer) gets(message string) bool {
	for holds(p.got, message) != "ok" {
		if _, _, err := p.next(); err != nil {
			return false
		}
	}
	return true
}

// fate publishes a message to find out whether the stream still lives. With ending, it waits for
// the end.
func (p *ssePeer) fate(ending bool) string {
	if !ending {
		p.s.publish(p.channel, "still")
		if p.gets("still") {
			return "lives"
		}
	}
	for !p.over {
		p.next() //nolint:errcheck // over reports the end
	}
	return "goodbye " + p.goodbye
}

func (p *ssePeer) close() {
	if p.body != nil {
		p.cancel()
		p.body.Close()
	}
}
