package client

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// clause 6.2: the client does not receive its own publications without echo, even after a rejoin at
// an older position.
func TestOwnMessagesWithoutEchoStayAwayAfterARejoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _, s, p := joinedOn(t, f, SubscribeOptions{})
		d := new(diary)
		publish := func(ctx context.Context, text, key string, noEcho bool) {
			_, err := c.Publish(ctx, "a", text, PublishOptions{Key: key, NoEcho: noEcho})
			d.note("%s: %v", text, err)
		}
		go publish(t.Context(), "mine", "k1", true)
		p.want(`{"id":2,"publish":{"channel":"a","key":"k1","echo":false,"message":"mine"}}`)
		p.send(`{"id":2,"publish":{"position":"a1"}}`)
		d.want(t, "mine: <nil>")
		go publish(t.Context(), "echoed", "k2", false)
		p.want(`{"id":3,"publish":{"channel":"a","key":"k2","message":"echoed"}}`)
		p.send(`{"id":3,"publish":{"position":"a2"}}`)
		d.want(t, "echoed: <nil>")
		// The caller gives up one publication before its reply, and the reply to another is lost.
		ctx, cancel := context.WithCancel(t.Context())
		go publish(ctx, "impatient", "k3", true)
		p.want(`{"id":4,"publish":{"channel":"a","key":"k3","echo":false,"message":"impatient"}}`)
		cancel()
		d.want(t, "impatient: publish on \"a\": no answer came: context canceled")
		p.send(`{"id":4,"publish":{"position":"a3"}}`)
		go publish(t.Context(), "lost", "k4", true)
		p.want(`{"id":5,"publish":{"channel":"a","key":"k4","echo":false,"message":"lost"}}`)
		p.conn.Close()
		p = f.accept()
		p.want(
			`{"id":5,"publish":{"channel":"a","key":"k4","echo":false,"message":"lost"}}`,
			`{"id":6,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`,
		)
		p.send(`{"id":5,"publish":{"position":"a4","duplicate":true}}`)
		p.send(`{"id":6,"join":{"channels":[{"channel":"a","position":"a0","recovered":true}]}}`)
		p.say(1, 5)
		follow(t.Context(), s).want(t, "a joined at a0", "a joined at a0 since a0, recovered true", "a 2 at a2", "a 5 at a5")
		// The position also advances for publications that are not delivered.
		go publish(t.Context(), "last", "k6", true)
		p.want(`{"id":7,"publish":{"channel":"a","key":"k6","echo":false,"message":"last"}}`)
		p.send(`{"id":7,"publish":{"position":"a6"}}`)
		p.say(6, 6)
		synctest.Wait()
		p.conn.Close()
		<-time.After(time.Second)
		f.accept().want(`{"id":8,"join":{"channels":[{"channel":"a","since":"a6","last":2147483647}]}}`)
	})
}

func TestAConnRemembersItsNewestPublications(t *testing.T) {
	var o own
	at := func(i int) place { return place{"a", fmt.Sprint(i)} }
	for i := range 3 * maxOwn {
		o.add(at(i))
		o.add(at(i))
	}
	if len(o.known) != maxOwn || !o.has(at(2*maxOwn)) || !o.has(at(3*maxOwn-1)) || o.has(at(2*maxOwn-1)) || o.has(place{"b", "29999"}) {
		t.Errorf("the Conn remembers %d publications", len(o.known))
	}
}
