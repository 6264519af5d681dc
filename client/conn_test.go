package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const fakeHello = `{"hello":{"protocol":2,"session":"s_1","heartbeat":25,"limits":{"frame_bytes":1000}}}`

// A diary collects the events of a test as lines.
type diary struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// The clock of a synctest bubble never waits. If a test waited for an event that never happens,
	// a reconnecting client would fill the memory.
	if d.lines = append(d.lines, fmt.Sprintf(format, args...)); len(d.lines) > 10_000 {
		panic("the test waits for an event that never happens; meanwhile the client reports:\n" + strings.Join(d.lines[:20], "\n"))
	}
}

// want waits until all goroutines are blocked, and compares the lines since the last call.
func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if diff := cmp.Diff(want, slices.Clone(d.lines)); diff != "" {
		t.Errorf("the client reports (-want +got):\n%s", diff)
	}
	d.lines = nil
}

// next waits until all goroutines are blocked, and returns the first line since the last call.
func (d *diary) next() string {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.lines = nil }()
	return append(d.lines, "nothing")[0]
}

// conn returns a Conn that is connected to the fake, and the diary of its states. Its jitter is
// always the upper bound.
func (f *fake) conn(o ConnectOptions) (*Conn, *diary) {
	f.t.Helper()
	d := new(diary)
	o.URL, o.HTTP = "ws://fake", f.http
	o.OnState = func(s State) {
		switch s.Kind {
		case Connecting:
			d.note("connecting %d", s.Attempt)
		case Connected:
			d.note("connected %s %s", s.Session, s.User)
		case Disconnected:
			d.note("disconnected: %v; again in %v", s.Err, s.RetryIn)
		case Refused:
			d.note("refused: %v; again in %v", s.Err, s.RetryIn)
		case Ended:
			d.note("ended: %v", s.Err)
		case Expiring:
			d.note("expiring in %v: %v; again in %v", s.EndsIn, s.Err, s.RetryIn)
		case Refreshed:
			d.note("refreshed %s %s", s.Session, s.User)
		}
	}
	o, err := o.withDefaults()
	if err != nil {
		f.t.Fatal(err)
	}
	c := connect(o, func(limit time.Duration) time.Duration { return limit })
	f.t.Cleanup(c.Close)
	return c, d
}

// accept waits for a connection and sends the hello.
func (f *fake) accept() *peer {
	f.t.Helper()
	p := <-f.accepted
	p.send(fakeHello)
	return p
}

// subscribe calls Subscribe in the background. The returned function waits for the subscription.
func subscribe(t *testing.T, c *Conn, channel string, o SubscribeOptions) func() *Subscription {
	t.Helper()
	done := make(chan *Subscription, 1)
	go func() {
		s, err := c.Subscribe(t.Context(), channel, o)
		if err != nil {
			t.Error(err)
		}
		done <- s
	}()
	return func() *Subscription { return <-done }
}

// describeEntry describes an event or an error of a loop over events.
func describeEntry(e Event, err error) string {
	var gap *Gap
	switch {
	case errors.As(err, &gap):
		return fmt.Sprintf("%s gap %s %s-%s %s", gap.Channel, gap.Reason, gap.From, gap.To, gap.Oldest)
	case err != nil:
		return "error: " + err.Error()
	}
	switch e := e.(type) {
	case *Message:
		return fmt.Sprintf("%s %s at %s", e.Channel, e.Data, e.Position)
	case *Joined:
		text := fmt.Sprintf("%s joined at %s", e.Channel, e.Position)
		if e.Since != "" {
			text += fmt.Sprintf(" since %s, recovered %t", e.Since, e.Recovered)
		}
		if e.Presence != nil {
			there, _ := json.Marshal(e.Presence)
			text += " " + string(there)
		}
		return text
	case *PresenceChange:
		change, _ := json.Marshal(e)
		return e.Channel + " " + string(change)
	}
	return fmt.Sprintf("%T", e)
}

// follow ranges over a subscription in the background and records its events.
func follow(ctx context.Context, s *Subscription) *diary {
	d := new(diary)
	go func() {
		for e, err := range s.Events(ctx) {
			d.note("%s", describeEntry(e, err))
		}
		d.note("end")
	}()
	return d
}

// clauses 3.1, 3.2, 4.1, 4.2, 5.1
func TestConnAuthenticatesJoinsAndYieldsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, states := f.conn(ConnectOptions{Token: "T<1>"})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T<1>"}}`)
		p.send(`{"heartbeat":{}}`)
		p.send(`{"id":1,"auth":{"user":"u1"}}`)
		states.want(t, "connecting 1", "connected s_1 u1")

		subscribed := subscribe(t, c, "chat", SubscribeOptions{Last: 2, Presence: true, Info: map[string]string{"name": "<Ann>"}})
		p.want(`{"id":2,"join":{"channels":[{"channel":"chat","last":2,"presence":true,"info":{"name":"\u003cAnn\u003e"}}]}}`)
		p.send(`{"channel":"chat","message":"before its time","position":"p0"}`)
		p.send(`{"id":2,"join":{"channels":[{"channel":"chat","position":"p1","presence":{"channel":"chat","users":1,"sessions":1,"members":[{"user":"u1","sessions":["s_1"]}]}}]}}`)
		p.send(`{"channel":"chat","message":{ "z": 1.0, "a": 1e400 },"position":"p2"}`)
		p.send(`{"channel":"chat","presence":{"event":"join","user":"u2","info":null,"users":2,"sessions":2}}`)
		p.send(`{"channel":"chat","message":null,"position":"p3"}`)
		p.send(`{"channel":"chat","typing":{}}`)
		p.send(`{"channel":"other","message":1,"position":"p3"}`)
		p.send(`{"channel":"chat","gap":{"reason":"slow","from":"p3","to":"p9"}}`)
		p.send(`{"channel":"chat","message":"\u00e9","position":"p10"}`)
		s := subscribed()
		events := follow(t.Context(), s)
		events.want(
			t,
			`chat joined at p1 {"users":1,"sessions":1,"members":[{"user":"u1","sessions":["s_1"]}]}`,
			`chat { "z": 1.0, "a": 1e400 } at p2`,
			`chat {"event":"join","user":"u2","info":null,"users":2,"sessions":2}`,
			`chat null at p3`,
			`chat gap slow p3-p9 `,
			`chat "\u00e9" at p10`,
		)
		s.Close()
		p.want(`{"id":3,"leave":{"channels":["chat"]}}`)
		events.want(t, "error: closed", "end")
		c.Close()
		states.want(t, "ended: closed")
	})
}

// clause 8.8
func TestConnResumesEverySubscriptionAtItsPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, states := f.conn(ConnectOptions{})
		p := f.accept()
		a := subscribe(t, c, "a", SubscribeOptions{})
		p.want(`{"id":1,"join":{"channels":[{"channel":"a"}]}}`)
		b := subscribe(t, c, "b", SubscribeOptions{Since: "b0", Last: 5})
		p.want(`{"id":2,"join":{"channels":[{"channel":"b","since":"b0","last":5}]}}`)
		d := subscribe(t, c, "d", SubscribeOptions{})
		p.want(`{"id":3,"join":{"channels":[{"channel":"d"}]}}`)
		p.send(`{"id":1,"join":{"channels":[{"channel":"a","position":"a0"}]}}`)
		p.send(`{"id":2,"join":{"channels":[{"channel":"b","position":"b4","recovered":false,"oldest":"b2","gap":{"reason":"expired","from":"b0","to":"b4"}}]}}`)
		p.send(`{"id":3,"join":{"channels":[{"channel":"d","position":"d0"}]}}`)
		p.send(`{"channel":"a","message":1,"position":"a1"}`)
		p.send(`{"channel":"b","gap":{"reason":"slow","from":"b4","to":"b7"}}`)
		ea, eb, ed := follow(t.Context(), a()), follow(t.Context(), b()), follow(t.Context(), d())
		ea.want(t, "a joined at a0", "a 1 at a1")
		eb.want(t, "b joined at b4 since b0, recovered false", "b gap expired b0-b4 b2", "b gap slow b4-b7 ")
		ed.want(t, "d joined at d0")

		p.sendClose(4101, "no answer to ping")
		p = f.accept()
		p.want(`{"id":4,"join":{"channels":[{"channel":"a","since":"a1","last":2147483647},{"channel":"b","since":"b7","last":2147483647},{"channel":"d","since":"d0","last":2147483647}]}}`)
		p.send(`{"id":4,"join":{"channels":[{"channel":"a","position":"a1","recovered":true},` +
			`{"channel":"b","position":"b9","recovered":false,"gap":{"reason":"unknown_epoch","from":"b7","to":"b9"},"oldest":"b8"},` +
			`{"channel":"d","error":{"code":"not_permitted","message":"Not you.","retry":"never"}}]}}`)
		p.send(`{"channel":"a","message":2,"position":"a2"}`)
		ea.want(t, "a joined at a1 since a1, recovered true", "a 2 at a2")
		eb.want(t, "b joined at b9 since b7, recovered false", "b gap unknown_epoch b7-b9 b8")
		ed.want(t, `error: join "d": the server refused: Not you. (not_permitted)`, "end")
		states.want(
			t, "connecting 1", "connected s_1 ",
			"disconnected: stay connected: the server closed the connection with 4101: no answer to ping; again in 1s",
			"connecting 2", "connected s_1 ",
		)
		// Subscriptions that are refused for good are dropped; the others continue.
		p.conn.Close()
		p = f.accept()
		p.want(`{"id":5,"join":{"channels":[{"channel":"a","since":"a2","last":2147483647},{"channel":"b","since":"b9","last":2147483647}]}}`)
		c.Close()
		ea.want(t, "error: closed", "end")
		eb.want(t, "error: closed", "end")
	})
}

func TestConnectOptionsAreChecked(t *testing.T) {
	token := func(context.Context) (string, error) { return "", nil }
	for _, c := range []struct {
		o    ConnectOptions
		want string // the URL or the error
	}{
		{ConnectOptions{}, "ws://127.0.0.1:8002/v2"},
		{ConnectOptions{URL: "wss://h", Token: "T"}, "wss://h/v2"},
		{ConnectOptions{URL: "wss://h/", TokenFunc: token}, "wss://h/v2"},
		{ConnectOptions{URL: "wss://h/push/v2?a=b"}, "wss://h/push/v2?a=b"},
		{ConnectOptions{URL: "http://h"}, `WebSocket URL "http://h": give it as ws://HOST:PORT or wss://HOST:PORT`},
		{ConnectOptions{URL: "ws://u:secret@"}, `WebSocket URL "ws://xxxxx@": give it as ws://HOST:PORT or wss://HOST:PORT`},
		{ConnectOptions{URL: "ws://["}, "WebSocket URL: missing ']' in host"},
		{ConnectOptions{Token: "T", TokenFunc: token}, "both Token and TokenFunc are set; set one of them"},
	} {
		o, err := c.o.withDefaults()
		got := o.URL
		if err != nil {
			got = err.Error()
			if conn, again := Connect(c.o); conn != nil || again == nil {
				t.Errorf("Connect accepted %q", c.o.URL)
			}
		}
		if got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
