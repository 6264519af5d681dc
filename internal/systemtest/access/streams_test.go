package access

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/boreas-pubsub/boreas/v2/internal/ssetest"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// An ssePeer follows one stream of server-sent events.
type ssePeer struct {
	s       *site
	token   string
	since   string // the last event ID of the stream before
	channel string
	body    io.Closer
	events  *ssetest.Reader
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
	p.events = ssetest.New(response.Body)
	return "ok"
}

// next reads one event: its type and data.
func (p *ssePeer) next() (kind string, data []byte, err error) {
	e, err := p.events.Next()
	if err != nil {
		p.over = true
		return "", nil, errOver
	}
	p.id = cmp.Or(e.ID, p.id)
	p.keep(e.Type, []byte(e.Data))
	return e.Type, []byte(e.Data), nil
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
	return p.s.serves(verb, channel, begin.Channels[0], p.gets)
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
