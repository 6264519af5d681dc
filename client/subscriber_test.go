package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

// A listener runs a subscriber's loop and records its events.
type listener struct {
	done chan struct{}

	mu  sync.Mutex
	log []string // guarded by mu
}

// listen starts the loop. take is the body of the loop, or nil; if it returns false, the loop is
// left.
func listen(ctx context.Context, s *Subscriber, take func(Message, error) bool) *listener {
	l := &listener{done: make(chan struct{})}
	s.o.OnState = func(state State) { l.note(describe(state)) }
	go func() {
		defer close(l.done)
		for m, err := range s.Messages(ctx) {
			if err != nil {
				l.note("error: " + err.Error())
			} else {
				l.note(m.Channel + " " + string(m.Data))
			}
			if take != nil && !take(m, err) {
				return
			}
		}
	}()
	return l
}

func (l *listener) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The clock of a synctest bubble never waits, so a subscriber that can never connect would fill
	// the memory.
	if l.log = append(l.log, text); len(l.log) > 1000 {
		panic("the subscriber retries forever")
	}
}

func describe(s State) string {
	switch s.Kind {
	case Connecting:
		return fmt.Sprintf("connecting %d", s.Attempt)
	case Connected:
		return "connected"
	}
	return fmt.Sprintf("disconnected: %v; again in %v", s.Err, s.RetryIn)
}

// got waits until all goroutines are blocked, and returns all events so far.
func (l *listener) got() []string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.log)
}

func (l *listener) want(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, l.got()); diff != "" {
		t.Errorf("the subscriber reports (-want +got):\n%s", diff)
	}
}

func (p *peer) want(want ...string) {
	p.t.Helper()
	synctest.Wait()
	var got []string
	for len(p.frames) > 0 {
		got = append(got, <-p.frames)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("the server receives (-want +got):\n%s", diff)
	}
}

func TestSubscriberAuthenticatesJoinsAndYieldsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		s := f.subscriber(SubscriberOptions{Token: "T-1", Channels: []string{"b", "a<&>"}})
		l := listen(ctx, s, nil)
		p := <-f.accepted
		p.want(`{"access_token":"T-1"}`, `{"channels":{"join":["a<&>","b"],"leave":[]}}`)
		p.send(`{"message": {"z": 1.0, "a": 1e400}, "channel": "b"}`)
		p.send(`{"message": "\u00e9", "channel": "a<&>"}`)
		synctest.Wait()

		if err := s.Join("c", "c"); err != nil {
			t.Error(err)
		}
		p.want(`{"channels":{"join":["c"],"leave":[]}}`)
		s.Leave("b", "never joined")
		p.want(`{"channels":{"join":[],"leave":["b"]}}`)

		cancel(errors.New("enough"))
		<-l.done
		l.want(t, "connecting 1", "connected", `b {"z": 1.0, "a": 1e400}`, `a<&> "\u00e9"`, "error: enough")
		if err := <-p.gone; !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("the server saw %v, want a normal closure", err)
		}
	})
}

func TestSubscriberReconnectsAndReportsThatMessagesMayBeMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		ctx, cancel := context.WithCancel(t.Context())
		s := f.subscriber(SubscriberOptions{Token: "T", Channels: []string{"a"}})
		var missed []error
		l := listen(ctx, s, func(_ Message, err error) bool {
			if errors.Is(err, ErrMayHaveMissed) {
				missed = append(missed, err)
			}
			return true
		})
		p := <-f.accepted
		p.want(`{"access_token":"T"}`, `{"channels":{"join":["a"],"leave":[]}}`)
		if err := s.Join("b"); err != nil {
			t.Error(err)
		}
		p.want(`{"channels":{"join":["b"],"leave":[]}}`)
		p.send(`{"message": 1, "channel": "a"}`)
		synctest.Wait()

		// Two refusals in between are part of the same gap.
		f.refuse <- func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			http.Error(w, "too many connections", http.StatusServiceUnavailable)
		}
		f.refuse <- http.NotFound
		p.sendClose(websocket.CloseGoingAway, "shutting down")
		p = <-f.accepted
		p.want(`{"access_token":"T"}`, `{"channels":{"join":["a","b"],"leave":[]}}`)
		p.send(`{"message": 2, "channel": "b"}`)
		synctest.Wait()

		p.conn.Close()
		<-f.accepted
		synctest.Wait()
		cancel()
		<-l.done
		const lost = "the server closed the connection with 1001: shutting down"
		l.want(
			t, "connecting 1", "connected", "a 1",
			"disconnected: "+lost+"; again in 500ms", "connecting 2",
			"disconnected: connect: the server answered 503 Service Unavailable: too many connections; again in 8s", "connecting 3",
			"disconnected: connect: the server answered 404 Not Found: 404 page not found; again in 2s", "connecting 4",
			"connected", "error: reconnected after 10.5s without a connection ("+lost+"): messages may have been missed", "b 2",
			"disconnected: the connection broke: unexpected EOF; again in 4s", "connecting 5", "connected",
			"error: reconnected after 4s without a connection (the connection broke: unexpected EOF): messages may have been missed",
			"error: context canceled",
		)
		if len(missed) != 2 {
			t.Errorf("%d of the errors are ErrMayHaveMissed, want 2", len(missed))
		}
	})
}

func TestSubscriberHoldsMessagesBackUntilItsJoinsAreProcessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.deaf = true // the server reads no frames, so it does not process the joins
		ctx, cancel := context.WithCancel(t.Context())
		l := listen(ctx, f.subscriber(SubscriberOptions{Channels: []string{"a"}}), nil)
		p := <-f.accepted
		p.send(`{"message": 1, "channel": "a"}`)
		l.want(t, "connecting 1")
		go p.read()
		l.want(t, "connecting 1", "connected", "a 1")
		cancel()
		<-l.done
	})
}

func TestSubscriberAcceptsAnySignOfLifeInsteadOfAPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.deaf = true
		ctx, cancel := context.WithCancel(t.Context())
		l := listen(ctx, f.subscriber(SubscriberOptions{Channels: []string{"a"}}), nil)
		p := <-f.accepted
		p.conn.SetPingHandler(func(string) error { return nil }) // violates the RFC, but such servers exist
		go p.read()
		p.want(`{"channels":{"join":["a"],"leave":[]}}`)
		<-time.After(time.Second)
		p.send(`{"message": 1, "channel": "a"}`)
		l.want(t, "connecting 1")
		<-time.After(defaultPingTimeout)
		l.want(t, "connecting 1", "connected", "a 1")
		cancel()
		<-l.done
	})
}

func TestSubscriberYieldsHeldMessagesWhenTheConnectionBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.deaf = true
		l := listen(t.Context(), f.subscriber(SubscriberOptions{Channels: []string{"a"}}), func(Message, error) bool { return false })
		p := <-f.accepted
		p.send(`{"message": 1, "channel": "a"}`)
		l.want(t, "connecting 1")
		p.conn.Close()
		<-l.done
		l.want(t, "connecting 1", "connected", "a 1")
	})
}

func TestSubscriberNoticesADeadConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		l := listen(ctx, f.subscriber(SubscriberOptions{PingAfter: 10 * time.Second, PingTimeout: 5 * time.Second}), nil)
		p := <-f.accepted
		p.want()
		// The server's own ping is a sign of life. After it the server is silent.
		<-time.After(9 * time.Second)
		p.conn.SetPingHandler(func(string) error { return nil })
		if err := p.conn.WriteControl(websocket.PingMessage, nil, time.Time{}); err != nil {
			t.Error(err)
		}
		<-f.accepted
		if took, want := time.Since(began), 9*time.Second+15*time.Second+500*time.Millisecond; took != want {
			t.Errorf("reconnected after %v, want %v", took, want)
		}
		l.want(
			t, "connecting 1", "connected",
			"disconnected: the server sent nothing for too long for 5s; again in 500ms",
			"connecting 2", "connected",
			"error: reconnected after 500ms without a connection (the server sent nothing for too long for 5s): messages may have been missed",
		)
		// A silent server that answers pings is not dead.
		<-time.After(time.Hour)
		if got := l.got(); len(got) != 6 {
			t.Errorf("the silent connection caused events: %q", got[6:])
		}
		cancel()
		<-l.done
	})
}

func TestSubscriberIsNotMisledByASlowCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		ctx, cancel := context.WithCancel(t.Context())
		l := listen(ctx, f.subscriber(SubscriberOptions{Channels: []string{"a"}}), func(Message, error) bool {
			<-time.After(10 * time.Minute)
			return true
		})
		p := <-f.accepted
		p.want(`{"channels":{"join":["a"],"leave":[]}}`)
		p.send(`{"message": 1, "channel": "a"}`)
		p.send(`{"message": 2, "channel": "a"}`)
		p.send(`{"message": 3, "channel": "a"}`)
		<-time.After(time.Hour)
		l.want(t, "connecting 1", "connected", "a 1", "a 2", "a 3")
		cancel()
		<-l.done
	})
}

func TestSubscriberEndsWhenItsLoopIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		s := f.subscriber(SubscriberOptions{Channels: []string{"a"}})
		l := listen(t.Context(), s, func(Message, error) bool {
			for _, err := range s.Messages(t.Context()) {
				if !errors.Is(err, ErrInUse) {
					t.Errorf("a second loop got %v, want ErrInUse", err)
				}
			}
			return false
		})
		p := <-f.accepted
		p.send(`{"message": 1, "channel": "a"}`)
		p.send(`{"message": 2, "channel": "a"}`)
		<-l.done
		l.want(t, "connecting 1", "connected", "a 1")
		if err := <-p.gone; !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("the server saw %v, want a normal closure", err)
		}
	})
}

func TestSubscriberEndsSoonThoughTheServerIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.deaf = true
		ctx, cancel := context.WithCancel(t.Context())
		l := listen(ctx, f.subscriber(SubscriberOptions{Token: "T"}), nil)
		p := <-f.accepted
		synctest.Wait()
		began := time.Now()
		cancel()
		<-l.done
		if took := time.Since(began); took > closeWait {
			t.Errorf("took %v, want at most %v", took, closeWait)
		}
		p.conn.Close()
	})
}

func TestSubscriberGivesUpOnAWrongURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.refuse <- http.NotFound
		l := listen(t.Context(), f.subscriber(SubscriberOptions{}), nil)
		<-l.done
		l.want(t, "connecting 1", "error: connect: the server answered 404 Not Found: 404 page not found")
	})
}

func TestSubscriberTriesAgainWhenThereIsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		l := listen(ctx, f.subscriber(SubscriberOptions{TokenFunc: func(context.Context) (string, error) {
			if calls++; calls == 1 {
				return "", errors.New("the shop is closed")
			}
			return fmt.Sprint("T-", calls), nil
		}}), nil)
		p := <-f.accepted
		p.want(`{"access_token":"T-2"}`)
		l.want(t, "connecting 1", "disconnected: get a token: the shop is closed; again in 500ms", "connecting 2", "connected")
		cancel()
		<-l.done
	})
}

func TestSubscriberRefusesFramesThatAreNotMessages(t *testing.T) {
	for name, c := range map[string]struct {
		frame string
		kind  int
		want  string
	}{
		"too large":  {`{"message": "` + strings.Repeat("x", 1000) + `", "channel": "a"}`, websocket.TextMessage, "a message is larger than ReadLimit: "},
		"not JSON":   {"hello", websocket.TextMessage, "the server sent a message that is not a classic one"},
		"no channel": {`{"message": 1}`, websocket.TextMessage, "the server sent a message that is not a classic one"},
		"no message": {`{"channel": "a"}`, websocket.TextMessage, "the server sent a message that is not a classic one"},
		"binary":     {`{"message": 1, "channel": "a"}`, websocket.BinaryMessage, "the server sent a message that is not a classic one"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				ctx, cancel := context.WithCancel(t.Context())
				l := listen(ctx, f.subscriber(SubscriberOptions{ReadLimit: 500}), nil)
				p := <-f.accepted
				synctest.Wait()
				if err := p.conn.WriteMessage(c.kind, []byte(c.frame)); err != nil && name != "too large" {
					t.Error(err)
				}
				<-f.accepted
				if got := l.got(); !strings.HasPrefix(got[2], "disconnected: "+c.want) {
					t.Errorf("told %q, want a disconnect: %s", got[2], c.want)
				}
				cancel()
				<-l.done
			})
		})
	}
}

func TestSubscriberOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		o    SubscriberOptions
		want string
	}{
		{SubscriberOptions{URL: "http://host/"}, `WebSocket URL "http://host/": give it as ws://HOST:PORT/ or wss://HOST:PORT/`},
		{SubscriberOptions{URL: "ws://user:secret@"}, `WebSocket URL "ws://xxxxx@": give it as ws://HOST:PORT/ or wss://HOST:PORT/`},
		{SubscriberOptions{Token: "T", TokenFunc: func(context.Context) (string, error) { return "", nil }}, "both Token and TokenFunc are set; set one of them"},
		{SubscriberOptions{Channels: []string{"a", ""}}, "the channel's name is empty"},
		{SubscriberOptions{Channels: []string{"a\n"}}, `channel "a\n": the name must be UTF-8 without control characters`},
		{SubscriberOptions{Channels: []string{strings.Repeat("é", 128)}}, `channel "éééééééééééééééééééé"…: the name has 256 bytes; 255 are allowed`},
	} {
		if _, err := NewSubscriber(c.o); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}
