package access

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// A scene is a set of channels with a publisher that publishes numbers without a pause, and actors
// that connect and disconnect until a test takes their access away.
type scene struct {
	*site
	channels []string
	number   atomic.Int64 // the last number that was published, or is being published
	came     atomic.Int64 // how many times an actor got access
	taken    chan struct{}
	border   int64 // the last number that may have been published before taken was closed

	acting  sync.WaitGroup
	pumping sync.WaitGroup
	stop    chan struct{}

	mu     sync.Mutex
	actors []*actor // guarded by mu
}

func newScene(s *site, channels ...string) *scene {
	c := &scene{site: s, channels: channels, taken: make(chan struct{}), stop: make(chan struct{})}
	c.pumping.Go(c.pump)
	return c
}

func (c *scene) pump() {
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		n := c.number.Add(1)
		for _, channel := range c.channels {
			c.publish(channel, n)
		}
	}
}

// hasBeenTaken tells the actors that their access is gone.
func (c *scene) hasBeenTaken() {
	c.border = c.number.Load()
	close(c.taken)
}

func (c *scene) isTaken() bool {
	select {
	case <-c.taken:
		return true
	default:
		return false
	}
}

// busy waits until the actors have got access this many more times.
func (c *scene) busy(times int64) {
	want := c.came.Load() + times
	c.until("more actors have access", func() bool { return c.came.Load() >= want })
}

// end waits for the actors and checks the messages that they received. On the last channel, no
// actor may receive a message that was published after its access was taken.
func (c *scene) end(t *testing.T) {
	t.Helper()
	c.acting.Wait()
	close(c.stop)
	c.pumping.Wait()
	lost := c.channels[len(c.channels)-1]
	for _, a := range c.actors {
		if a.highest[lost] > c.border {
			t.Errorf("%s received number %d, but its access was taken after number %d", a, a.highest[lost], c.border)
		}
		for _, wrong := range a.wrong {
			t.Errorf("%s: %s", a, wrong)
		}
	}
	var page struct{ Messages []wstest.Event }
	c.Must("GET", messages(lost)+"?limit=1000", nil, &page)
	for _, e := range page.Messages {
		if strings.Contains(string(e.Message), "late") {
			t.Errorf("%s was published by a client that had lost access", e.Message)
		}
	}
}

// An actor uses one token over one transport, again and again.
type actor struct {
	*scene
	kind, transport, token string

	places  map[string]string // the position to resume from, by channel
	id      string            // the last event ID of a stream of events, to resume from
	highest map[string]int64  // the highest number received, by channel
	wrong   []string
}

func (a *actor) String() string { return a.kind + " over " + a.transport }

// act starts an actor. After its access was taken, the actor tries twice more, and said reports
// whether the outcome is a correct refusal.
func (c *scene) act(kind, transport, token string, once func(a *actor, stay bool) string, said func(string) bool) {
	a := &actor{scene: c, kind: kind, transport: transport, token: token, places: make(map[string]string), highest: make(map[string]int64)}
	c.mu.Lock()
	c.actors = append(c.actors, a)
	c.mu.Unlock()
	c.acting.Go(func() {
		for late := 0; late < 2; {
			was := a.isTaken()
			outcome := once(a, rand.N(3) == 0)
			if outcome == "ok" {
				a.came.Add(1)
			}
			if !was {
				continue
			}
			if late++; !said(outcome) {
				a.wrong = append(a.wrong, "tried after its access was taken, with the wrong outcome: "+outcome)
			}
		}
	})
}

// refusedToken reports whether the outcome is the refusal of a revoked token or key.
func refusedToken(outcome string) bool {
	switch outcome {
	case "token_revoked", "invalid_token", "4300 token_revoked", "invalid_key":
		return true
	}
	return false
}

func (a *actor) see(e wstest.Event) {
	n, _ := strconv.ParseInt(string(e.Message), 10, 64)
	a.highest[e.Channel] = max(a.highest[e.Channel], n)
	a.places[e.Channel] = e.Position
}

// overSocket connects over protocol 2 and does not wait for replies. It leaves after a few
// messages. With stay, it stays until the server closes the session, and publishes once its access
// was taken.
func overSocket(a *actor, stay bool) string {
	p := &v2Peer{s: a.site, token: a.token}
	c, err := wstest.Connect("ws://"+a.WS+"/v2", wstest.Options{Context: a.Ctx})
	if err != nil {
		return err.Error()
	}
	p.c = c
	defer p.close()
	var joins []object
	for _, channel := range a.channels {
		joins = append(joins, a.place(channel))
	}
	c.Send(object{"id": 1, "auth": object{"token": a.token}}, object{"id": 2, "join": object{"channels": joins}})
	if stay {
		ctx, cancel := context.WithCancel(a.Ctx)
		var waiting sync.WaitGroup
		defer waiting.Wait()
		defer cancel()
		waiting.Go(func() {
			select {
			case <-ctx.Done():
			case <-a.taken:
				c.Send(object{"publish": object{"channel": a.channels[len(a.channels)-1], "message": "late, over a socket"}})
			}
		})
	}
	outcome := ""
	for left := 1 + rand.N(5); left > 0 || stay && !a.tookTooMuch(); {
		f, err := p.read()
		switch {
		case err != nil && outcome == "":
			return p.end
		case err != nil:
			return outcome
		case string(f.ID) == "1" && f.Error != nil:
			return f.Error.Code
		case string(f.ID) == "2":
			if outcome = joinedAll(f); outcome != "ok" && !stay {
				return outcome
			}
		case f.Message != nil:
			a.see(f.Event)
			left--
		}
	}
	return outcome
}

// tookTooMuch reports whether the actor received messages that were published after its access was
// taken. If they came from a channel that the actor may still read, they are correct, and no close
// follows.
func (a *actor) tookTooMuch() bool {
	return a.isTaken() && max(a.highest[a.channels[0]], a.highest[a.channels[len(a.channels)-1]]) > a.border+3
}

func (a *actor) place(channel string) object {
	place := object{"channel": channel}
	if since := a.places[channel]; since != "" {
		place["since"] = since
	}
	return place
}

func joinedAll(f wstest.Message) string {
	if f.Error != nil {
		return f.Error.Code
	}
	for _, result := range f.Join.Channels {
		if result.Error != nil {
			return result.Error.Code
		}
	}
	return "ok"
}

// overEvents does the same as overSocket over a stream of events. It does not publish.
func overEvents(a *actor, stay bool) string {
	p := &ssePeer{s: a.site, token: a.token, since: a.id}
	defer p.close()
	more := ""
	for _, channel := range a.channels[1:] {
		more += "&channel=" + channel
	}
	if said := p.come(a.channels[0], more); said != "ok" {
		return said
	}
	outcome := ""
	for left := 1 + rand.N(5); left > 0 || stay && !a.tookTooMuch(); {
		kind, data, err := p.next()
		if err != nil {
			break
		}
		switch kind {
		case "join":
			var f wstest.Message
			if err := json.Unmarshal(fmt.Appendf(nil, `{"join":%s}`, data), &f); err != nil {
				return err.Error()
			}
			outcome = joinedAll(f)
		case "":
			a.see(p.got[len(p.got)-1])
			left--
		}
	}
	a.id = p.id
	return outcome
}

// overOldWire does the same as overSocket over the classic wire. It does not publish.
func overOldWire(a *actor, stay bool) string {
	p := &classicPeer{s: a.site, token: a.token}
	if said := p.come(); said != "ok" {
		return said
	}
	defer p.close()
	p.c.Send(object{"access_token": a.token})
	p.c.Send(object{"channels": object{"join": a.channels, "leave": []string{}}})
	outcome := "invalid_token" // the outcome if no message arrives
	for left := 1 + rand.N(5); left > 0 || stay; left-- {
		select {
		case e, ok := <-p.comes:
			if !ok {
				return outcome
			}
			a.see(e)
			outcome = "ok"
			continue
		case <-a.taken:
		}
		// The classic wire sends no error, so the actor stays connected: wait for a few more
		// publications, then check the messages that arrived.
		if !p.heard() {
			return outcome
		}
		for from := a.number.Load(); a.number.Load() < from+3; {
			if a.Ctx.Err() != nil {
				return "the publisher has stopped"
			}
		}
		p.heard()
		for {
			select {
			case e, ok := <-p.comes:
				if ok {
					a.see(e)
					outcome = "ok"
					continue
				}
			default:
			}
			return outcome
		}
	}
	return outcome
}

// overRequests publishes over HTTP.
func overRequests(a *actor, _ bool) string {
	message := `"early"`
	if a.isTaken() {
		message = `"late, over HTTP"`
	}
	return a.Ask(a.token, "POST", messages(a.channels[len(a.channels)-1]), message).Code()
}
