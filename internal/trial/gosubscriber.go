package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

const (
	// goBuffer is small, so that a loop that pauses now and then is too slow for it.
	goBuffer = 32

	goDawdle = 800 * time.Millisecond

	minBackoff, maxBackoff = 20 * time.Millisecond, 400 * time.Millisecond
)

// A goSubscriber subscribes with the Go client.
type goSubscriber struct {
	t     *trial
	name  string
	proxy *faultproxy.Proxy
	conn  *client.Conn
	r     *rand.Rand
	a     *author
	loops sync.WaitGroup

	mu sync.Mutex

	// Guarded by mu.
	subs map[string]*client.Subscription
}

func (t *trial) newGoSubscriber(name string, r *rand.Rand) (*goSubscriber, error) {
	proxy, err := t.world.proxy()
	if err != nil {
		return nil, err
	}
	s := &goSubscriber{t: t, name: name, proxy: proxy, r: r, a: t.newAuthor(name), subs: make(map[string]*client.Subscription)}
	s.conn, err = client.Connect(client.ConnectOptions{
		URL:              "ws://" + proxy.Addr(),
		TokenFunc:        t.world.tokens(),
		HandshakeTimeout: t.dialLimit(),
		MinBackoff:       minBackoff,
		MaxBackoff:       maxBackoff,
		OnState:          s.state,
		Compression:      t.dialed.Add(1)%2 == 0,
	})
	return s, err
}

func (s *goSubscriber) state(state client.State) {
	switch state.Kind {
	case client.Connected:
		s.t.is(s.name, state.User)
	case client.Disconnected:
		s.t.note("%s: %v", s.name, state.Err)
	case client.Refused, client.Ended:
		var refusal *client.Error
		if s.t.world.cluster != nil && errors.As(state.Err, &refusal) && refusal.Retry == "later" {
			s.t.note("%s: %v", s.name, state.Err) // the client joins again
		} else if !errors.Is(state.Err, client.ErrClosed) {
			s.t.unexpected(s.name, state.Channel, "the client was refused: %v", state.Err)
		}
	}
}

// run joins, leaves and publishes at random until acting ends. It stays subscribed until living
// ends.
func (s *goSubscriber) run(living, acting context.Context) {
	var publishing sync.WaitGroup
	publishing.Go(func() { s.publish(acting, living, s.t.random(s.name+" publishes")) })
	all := channels()
	for pause(acting, time.Duration(s.r.Int64N(int64(2*doAfter)))) {
		name := all[s.r.IntN(len(all))]
		s.mu.Lock()
		sub, n := s.subs[name], len(s.subs)
		s.mu.Unlock()
		switch {
		case sub != nil && s.r.IntN(2) == 0:
			sub.Close()
		case sub == nil && n < rawChoices:
			s.subscribe(living, name)
		}
	}
	publishing.Wait()
	<-living.Done()
	s.conn.Close()
	s.loops.Wait()
}

// subscribe joins a channel and records its events.
func (s *goSubscriber) subscribe(ctx context.Context, name string) {
	f := &follower{t: s.t, who: s.name, channel: name, before: s.t.world.head(name)}
	sub, err := s.conn.Subscribe(ctx, name, client.SubscribeOptions{Presence: hasPresence(name), Buffer: goBuffer})
	if err != nil {
		if !errors.Is(err, client.ErrSubscribed) && ctx.Err() == nil {
			s.t.unexpected(s.name, name, "%v", err)
		}
		return
	}
	f.recording = s.t.newRecording(s.name, name, false)
	s.mu.Lock()
	s.subs[name] = sub
	s.mu.Unlock()
	slow := s.r.IntN(4) == 0
	s.loops.Go(func() {
		s.follow(ctx, sub, f, slow)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.subs[name] == sub {
			delete(s.subs, name)
		}
	})
}

// follow records the events of a subscription until its end.
func (s *goSubscriber) follow(ctx context.Context, sub *client.Subscription, f *follower, slow bool) {
	n := 0
	for event, err := range sub.Events(ctx) {
		var missed *client.Gap
		switch {
		case errors.As(err, &missed):
			f.gaps(wstest.Gap{Reason: missed.Reason, From: missed.From, To: missed.To})
			continue
		case errors.Is(err, client.ErrClosed):
			f.left()
			return
		case err != nil:
			if ctx.Err() == nil {
				s.t.unexpected(s.name, f.channel, "the subscription has ended: %v", err)
				f.left()
			}
			return
		}
		switch e := event.(type) {
		case *client.Joined:
			f.joins(e.Position, e.Since != "", e.Recovered)
			if e.Presence != nil {
				f.called(stateCall(e.Presence.Users, e.Presence.Members))
			}
		case *client.Message:
			f.gets(e.Data, e.Position)
		case *client.PresenceChange:
			c := oracle.Call{Event: e.Event, User: e.User, Users: e.Users}
			if e.Event == "state" {
				c = stateCall(e.Users, e.Members)
			}
			f.called(c)
		}
		if n++; slow && n%50 == 0 {
			pause(ctx, goDawdle)
		}
	}
}

func stateCall(users int, members []client.Member) oracle.Call {
	c := oracle.Call{Event: "state", Users: users}
	for _, m := range members {
		c.Members = append(c.Members, m.User)
	}
	return c
}

// publish publishes one message after another until acting ends.
func (s *goSubscriber) publish(acting, living context.Context, r *rand.Rand) {
	for pause(acting, time.Duration(r.Int64N(int64(2*doAfter)))) {
		m := s.a.next(fmt.Sprintf("room.%d", r.IntN(rooms)))
		o := client.PublishOptions{Key: s.a.key(), NoEcho: r.IntN(2) == 0}
		for {
			ack, err := s.conn.Publish(living, m.Channel, json.RawMessage(newContent(m, o.NoEcho)), o)
			if err == nil {
				s.a.note(m, true, ack.Position)
				break
			}
			var refused *client.Error
			if errors.As(err, &refused) && refused.Retry == "never" {
				s.t.unexpected(s.name, m.Channel, "%v", err)
			} else if pause(living, retryPause) {
				continue
			}
			s.a.note(m, false, "")
			break
		}
	}
}
