package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// joinedOn returns a Conn with one subscription, of the channel "a" at position a0, and the
// server's end of its connection. The Conn's next request has id 2.
func joinedOn(t *testing.T, f *fake, o SubscribeOptions) (*Conn, *diary, *Subscription, *peer) {
	t.Helper()
	c, states := f.conn(ConnectOptions{})
	p := f.accept()
	subscribed := subscribe(t, c, "a", o)
	synctest.Wait()
	<-p.frames
	p.send(`{"id":1,"join":{"channels":[{"channel":"a","position":"a0"}]}}`)
	return c, states, subscribed(), p
}

// say sends the messages first to last of the channel "a".
func (p *peer) say(first, last int) {
	p.t.Helper()
	for i := first; i <= last; i++ {
		p.send(fmt.Sprintf(`{"channel":"a","message":%d,"position":"a%d"}`, i, i))
	}
}

func TestSubscriptionWithoutALoopIsLeftAndJoinedAgainAtItsPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, _, s, p := joinedOn(t, f, SubscribeOptions{Buffer: 4})
		p.say(1, 3)
		p.want()
		p.say(4, 4)
		p.want()
		<-time.After(patience)
		p.want(`{"id":2,"leave":{"channels":["a"]}}`)
		p.say(5, 6) // sent before the leave arrived
		p.send(`{"channel":"a","gap":{"reason":"slow","from":"a6","to":"a9"}}`)
		p.send(`{"id":2,"leave":{"channels":[{"channel":"a"}]}}`)
		p.want()
		for range s.Events(t.Context()) {
			break
		}
		p.want() // one free entry is not enough
		events := follow(t.Context(), s)
		events.want(t, "a 1 at a1", "a 2 at a2", "a 3 at a3")
		p.want(`{"id":3,"join":{"channels":[{"channel":"a","since":"a3","last":2147483647}]}}`)
		p.send(`{"id":3,"join":{"channels":[{"channel":"a","position":"a3","recovered":true}]}}`)
		p.say(4, 5)
		events.want(t, "a joined at a3 since a3, recovered true", "a 4 at a4", "a 5 at a5")
	})
}

func TestSlowLoopHoldsUpTheConnectionForAShortTimeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _, s, p := joinedOn(t, f, SubscribeOptions{Buffer: 2})
		other := subscribe(t, c, "b", SubscribeOptions{})
		p.want(`{"id":2,"join":{"channels":[{"channel":"b"}]}}`)
		p.send(`{"id":2,"join":{"channels":[{"channel":"b","position":"b0"}]}}`)
		eb := follow(t.Context(), other())
		eb.want(t, "b joined at b0")

		// The loop is a little slow, but its queue gets room in time.
		step := make(chan bool)
		ea := new(diary)
		go func() {
			for e, err := range s.Events(t.Context()) {
				ea.note("%s", describeEntry(e, err))
				<-step
			}
		}()
		ea.want(t, "a joined at a0")
		go p.say(1, 3) // one is in the body of the loop, two are queued, and one was read
		<-time.After(patience / 2)
		step <- true
		ea.want(t, "a 1 at a1")
		p.want()

		// Now the loop stops.
		began := time.Now()
		go func() {
			p.say(4, 5)
			p.send(`{"channel":"b","message":1,"position":"b1"}`)
		}()
		p.want()
		<-time.After(patience)
		p.want(`{"id":3,"leave":{"channels":["a"]}}`)
		p.send(`{"id":3,"leave":{"channels":[{"channel":"a"}]}}`)
		eb.want(t, "b 1 at b1")
		if took := time.Since(began); took != patience {
			t.Errorf("the other channel waited %v, want %v", took, patience)
		}

		// It continues at its position.
		step <- true
		ea.want(t, "a 2 at a2")
		p.want(`{"id":4,"join":{"channels":[{"channel":"a","since":"a3","last":2147483647}]}}`)
		p.send(`{"id":4,"join":{"channels":[{"channel":"a","position":"a3","recovered":true}]}}`)
		close(step)
		p.say(4, 4)
		ea.want(t, "a 3 at a3", "a joined at a3 since a3, recovered true", "a 4 at a4")
	})
}

func TestLoopMayCallWhileItsQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _, s, p := joinedOn(t, f, SubscribeOptions{Buffer: 2})
		d := new(diary)
		go func() {
			for e, err := range s.Events(t.Context()) {
				d.note("%s", describeEntry(e, err))
				if m, ok := e.(*Message); ok && m.Position == "a1" {
					ack, err := c.Publish(t.Context(), "a", "mine", PublishOptions{Key: "k"})
					d.note("published %s %v", ack.Position, err)
				}
			}
		}()
		d.want(t, "a joined at a0")
		began := time.Now()
		p.say(1, 1)
		p.want(`{"id":2,"publish":{"channel":"a","key":"k","message":"mine"}}`)
		p.say(2, 4)
		p.send(`{"id":2,"publish":{"position":"a5"}}`)
		d.want(t, "a 1 at a1", "published a5 <nil>", "a 2 at a2", "a 3 at a3")
		p.want(`{"id":3,"leave":{"channels":["a"]}}`, `{"id":4,"join":{"channels":[{"channel":"a","since":"a3","last":2147483647}]}}`)
		if took := time.Since(began); took != 0 {
			t.Errorf("the answer took %v", took)
		}
	})
}

// A loop can empty its queue just before the subscription is paused. The pause must wake it.
func TestPauseWakesALoopThatIsReadyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _, s, p := joinedOn(t, f, SubscribeOptions{})
		follow(t.Context(), s).want(t, "a joined at a0")
		c.mu.Lock()
		c.leave(s)
		s.pause()
		c.mu.Unlock()
		p.want(`{"id":2,"leave":{"channels":["a"]}}`, `{"id":3,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`)
	})
}

func TestMessageWithoutPositionEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, states, s, p := joinedOn(t, f, SubscribeOptions{})
		p.say(1, 1)
		p.send(`{"channel":"a","message":2}`)
		f.accept().want(`{"id":2,"join":{"channels":[{"channel":"a","since":"a1","last":2147483647}]}}`)
		follow(t.Context(), s).want(t, "a joined at a0", "a 1 at a1")
		states.want(
			t, "connecting 1", "connected s_1 ",
			`disconnected: the server sent a message on "a" without a position; again in 1s`, "connecting 2", "connected s_1 ",
		)
	})
}

func TestFullQueueIsNotJoinedOnANewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, _, s, p := joinedOn(t, f, SubscribeOptions{Buffer: 4})
		p.say(1, 3)
		p.want()
		p.conn.Close()
		p = f.accept()
		p.want()
		events := follow(t.Context(), s)
		p.want(`{"id":2,"join":{"channels":[{"channel":"a","since":"a3","last":2147483647}]}}`)
		events.want(t, "a joined at a0", "a 1 at a1", "a 2 at a2", "a 3 at a3")
		// A subscription that was left before the connection was lost is not joined either.
		p.send(`{"id":2,"join":{"channels":[{"channel":"a","position":"a3","recovered":true}]}}`)
		p.conn.Close()
		p = f.accept()
		p.want(`{"id":3,"join":{"channels":[{"channel":"a","since":"a3","last":2147483647}]}}`)
	})
}

// clause 4.11
func TestRefusedResumeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, states, s, p := joinedOn(t, f, SubscribeOptions{})
		events := follow(t.Context(), s)
		p.conn.Close()
		p = f.accept()
		const full = `"join":{"channels":[{"channel":"a","error":{"code":"too_many_subscribers","message":"Full.","retry":"later","retry_after_ms":500}}]}}`
		p.want(`{"id":2,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`)
		p.send(`{"id":2,` + full)
		<-time.After(1500 * time.Millisecond)
		p.want(`{"id":3,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`)
		p.send(`{"id":3,` + strings.Replace(full, "500", "5000", 1))
		<-time.After(2 * time.Second)
		p.want()
		// A scheduled attempt ends with the connection.
		p.conn.Close()
		p = f.accept()
		p.want(`{"id":4,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`)
		p.send(`{"id":4,` + strings.Replace(full, "500", "6000", 1))
		<-time.After(9 * time.Second)
		p.want()
		<-time.After(2 * time.Second)
		p.want(`{"id":5,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`)
		p.send(`{"id":5,"join":{"channels":[{"channel":"a","position":"a0","recovered":true}]}}`)
		events.want(t, "a joined at a0", "a joined at a0 since a0, recovered true")
		// A success resets the backoff.
		p.conn.Close()
		p = f.accept()
		p.want(`{"id":6,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`)
		p.send(`{"id":6,` + full)
		const refused = `refused: join "a": the server refused: Full. (too_many_subscribers); again in `
		states.want(
			t, "connecting 1", "connected s_1 ", "disconnected: the connection broke: unexpected EOF; again in 1s",
			"connecting 2", "connected s_1 ", refused+"1.5s", refused+"7s",
			"disconnected: the connection broke: unexpected EOF; again in 1s", "connecting 2", "connected s_1 ", refused+"10s",
			"disconnected: the connection broke: unexpected EOF; again in 1s", "connecting 2", "connected s_1 ", refused+"1.5s",
		)
	})
}

func TestFirstJoinThatIsRefusedFailsSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		p := f.accept()
		d := new(diary)
		try := func() {
			_, err := c.Subscribe(t.Context(), "a", SubscribeOptions{})
			d.note("%v", err)
		}
		for _, answer := range []string{
			`"join":{"channels":[{"channel":"a","error":{"code":"too_many_subscribers","message":"Full.","retry":"later"}}]}}`,
			`"error":{"code":"unauthenticated","message":"Who?","retry":"new_token"}}`,
			`"join":{"channels":[]}}`,
			`"join":{"channels":[{"channel":"a"}]}}`,
			`"leave":{}}`,
		} {
			go try()
			synctest.Wait()
			request := <-p.frames
			p.send(request[:strings.Index(request, `"join"`)] + answer)
			synctest.Wait()
		}
		d.want(
			t, `join "a": the server refused: Full. (too_many_subscribers)`, `join "a": the server refused: Who? (unauthenticated)`,
			`join "a": the server's answer has no result for it`, `join "a": the server's answer has no position`,
			`join "a": the server's answer has no result for it`,
		)
	})
}

func TestSubscribeEndsWithItsContextAndCanBeTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		p := f.accept()
		p.want()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Subscribe(ctx, "a", SubscribeOptions{})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
		p.want(`{"id":1,"join":{"channels":[{"channel":"a"}]}}`, `{"id":2,"leave":{"channels":["a"]}}`)
		again := subscribe(t, c, "a", SubscribeOptions{Last: 1})
		p.want(`{"id":3,"join":{"channels":[{"channel":"a","last":1}]}}`)
		p.send(`{"id":1,"join":{"channels":[{"channel":"a","position":"a0"}]}}`)
		p.say(1, 1) // belongs to the first join
		p.send(`{"id":2,"leave":{"channels":[{"channel":"a"}]}}`)
		p.send(`{"id":3,"join":{"channels":[{"channel":"a","position":"a0"}]}}`)
		p.say(1, 2)
		follow(t.Context(), again()).want(t, "a joined at a0", "a 1 at a1", "a 2 at a2")
	})
}

func TestLoopCanBeLeftAndEnteredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, _, s, p := joinedOn(t, f, SubscribeOptions{})
		p.say(1, 3)
		d := new(diary)
		for e, err := range s.Events(t.Context()) {
			d.note("%s", describeEntry(e, err))
			for _, err := range s.Events(t.Context()) {
				if !errors.Is(err, ErrInUse) {
					t.Errorf("a second loop got %v, want ErrInUse", err)
				}
			}
			if _, ok := e.(*Message); ok {
				break
			}
		}
		d.want(t, "a joined at a0", "a 1 at a1")
		ctx, cancel := context.WithCancelCause(t.Context())
		d = follow(ctx, s)
		d.want(t, "a 2 at a2", "a 3 at a3")
		cancel(errors.New("enough"))
		d.want(t, "error: enough", "end")
	})
}

func TestManyChannelsAreJoinedInRequestsThatTheServerReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		want := map[string]bool{}
		for i := range 30 {
			name := fmt.Sprintf("%s-%02d", strings.Repeat("<", 20), i)
			want[name] = true
			go c.Subscribe(t.Context(), name, SubscribeOptions{}) //nolint:errcheck // it ends with the Conn
		}
		synctest.Wait()
		p := f.accept()
		synctest.Wait()
		requests := 0
		for len(p.frames) > 0 {
			text := <-p.frames
			requests++
			if len(text) > 1000 {
				t.Errorf("a request has %d bytes, and the server takes 1000", len(text))
			}
			for name := range want {
				if strings.Contains(text, `{"channel":"`+name+`"}`) {
					delete(want, name)
				}
			}
		}
		if len(want) > 0 || requests < 2 {
			t.Errorf("%d requests left out %v", requests, want)
		}
		c.Close()
	})
}

func TestLargeMessagesFillTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, _, s, p := joinedOn(t, f, SubscribeOptions{Buffer: 1000})
		big := `"` + strings.Repeat("x", 1<<20) + `"`
		for i := range 5 {
			p.send(fmt.Sprintf(`{"channel":"a","message":%s,"position":"a%d"}`, big, i+1))
		}
		<-time.After(patience)
		p.want(`{"id":2,"leave":{"channels":["a"]}}`)
		if n := len(s.queue.entries); n != 5 {
			t.Errorf("%d entries were queued, want 5", n)
		}
	})
}

func TestLargeMessagesFlowThroughTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, _, s, p := joinedOn(t, f, SubscribeOptions{})
		events := new(diary)
		go func() {
			for e := range s.Events(t.Context()) {
				if m, ok := e.(*Message); ok {
					events.note("%s %d", m.Position, len(m.Data))
				}
			}
		}()
		big := `"` + strings.Repeat("x", 1<<20) + `"`
		var want []string
		for i := range 10 {
			p.send(fmt.Sprintf(`{"channel":"a","message":%s,"position":"a%d"}`, big, i+1))
			want = append(want, fmt.Sprintf("a%d %d", i+1, len(big)))
		}
		events.want(t, want...)
		p.want()
	})
}
