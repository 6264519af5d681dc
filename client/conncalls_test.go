package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A caller makes calls in the background and records their results.
type caller struct {
	diary
	c *Conn
	t *testing.T
}

func (c *caller) publish(ctx context.Context, message string, o PublishOptions) {
	go func() {
		ack, err := c.c.Publish(ctx, "chat", json.RawMessage(message), o)
		c.note("%v %v", ack, err)
	}()
	synctest.Wait()
}

// clauses 6.1, 6.2, 6.3, 7.1, 7.2, 7.4, 9.3
func TestConnCallsAndTheirAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		p := f.accept()
		calls := &caller{c: c, t: t}
		p.want()

		calls.publish(t.Context(), `{ "a": "<" }`, PublishOptions{Key: "k<", NoEcho: true})
		p.want(`{"id":1,"publish":{"channel":"chat","key":"k<","echo":false,"message":{ "a": "<" }}}`)
		p.send(`{"id":1,"publish":{"position":"p1","duplicate":true}}`)
		calls.want(t, "{p1 true 0} <nil>")

		calls.publish(t.Context(), `1`, PublishOptions{})
		var sent struct {
			ID      int
			Publish struct{ Key string }
		}
		if err := json.Unmarshal([]byte(<-p.frames), &sent); err != nil || sent.ID != 2 || len(sent.Publish.Key) < 20 {
			t.Errorf("sent %+v, %v; want a random key", sent, err)
		}
		p.send(`{"id":2,"error":{"code":"too_many_keys","message":"Full.","retry":"later"}}`)
		p.want(`{"id":3,"publish":{"channel":"chat","message":1}}`)
		p.send(`{"id":3,"publish":{"position":"p2"}}`)
		calls.want(t, "{p2 false 0} <nil>")

		calls.publish(t.Context(), `1`, PublishOptions{Key: "k"})
		p.want(`{"id":4,"publish":{"channel":"chat","key":"k","message":1}}`)
		p.send(`{"id":4,"error":{"code":"too_many_keys","message":"Full.","retry":"later","retry_after_ms":5}}`)
		calls.want(t, `{ false 0} publish on "chat": the server refused: Full. (too_many_keys)`)

		go func() {
			page, err := c.History(t.Context(), "chat", HistoryOptions{Since: "p0", Limit: 2})
			calls.note("%+v %v", page, err)
			_, err = c.History(t.Context(), "chat", HistoryOptions{Since: "p9"})
			var refusal *Error
			if errors.As(err, &refusal) {
				calls.note("%s, oldest %s", refusal.Code, refusal.Oldest)
			}
			state, err := c.Presence(t.Context(), "chat")
			calls.note("%+v %v", state, err)
		}()
		p.want(`{"id":5,"history":{"channel":"chat","since":"p0","limit":2}}`)
		p.send(`{"id":5,"history":{"channel":"chat","messages":[{"message":1,"position":"p1"},{"message":null,"position":"p2","time":"2026-11-29T10:11:12.345Z"}],"position":"p2","more":true}}`)
		p.want(`{"id":6,"history":{"channel":"chat","since":"p9"}}`)
		p.send(`{"id":6,"error":{"code":"ahead","message":"Lost.","retry":"never","oldest":"p5"}}`)
		p.want(`{"id":7,"presence":{"channel":"chat"}}`)
		p.send(`{"id":7,"presence":{"channel":"chat","users":2,"sessions":3}}`)
		calls.want(
			t, "{Messages:[{Channel:chat Data:[49] Position:p1 Time:0001-01-01 00:00:00 +0000 UTC} {Channel:chat Data:[110 117 108 108] Position:p2 Time:2026-11-29 10:11:12.345 +0000 UTC}] Position:p2 More:true} <nil>",
			"ahead, oldest p5", "{Users:2 Sessions:3 Members:[]} <nil>",
		)
	})
}

// clause 1.3: the server would close the connection because of a larger frame.
func TestConnDoesNotSendARequestThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		p := f.accept()
		p.want()
		calls := &caller{c: c, t: t}
		calls.publish(t.Context(), `"`+strings.Repeat("x", 1000)+`"`, PublishOptions{Key: "k"})
		p.want()
		calls.want(t, `{ false 0} publish on "chat": the server refused: the request has 1060 bytes, and this server accepts 1000; `+
			`publish larger messages over HTTP (too_large)`)
	})
}

// clause 6.4
func TestConnRepeatsACallAfterALostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		calls := &caller{c: c, t: t}
		calls.publish(t.Context(), `"early"`, PublishOptions{Key: "k0"})
		p := f.accept()
		p.want(`{"id":1,"publish":{"channel":"chat","key":"k0","message":"early"}}`)
		calls.publish(t.Context(), `2`, PublishOptions{Key: "k2"})
		p.want(`{"id":2,"publish":{"channel":"chat","key":"k2","message":2}}`)
		p.send(`{"id":1,"publish":{"position":"p1"}}`)
		calls.want(t, "{p1 false 0} <nil>")
		p.conn.Close()
		p = f.accept()
		calls.publish(t.Context(), `3`, PublishOptions{Key: "k3"})
		p.want(
			`{"id":2,"publish":{"channel":"chat","key":"k2","message":2}}`,
			`{"id":3,"publish":{"channel":"chat","key":"k3","message":3}}`,
		)
		p.send(`{"id":2,"publish":{"position":"p2","duplicate":true}}`)
		calls.want(t, "{p2 true 0} <nil>")
		p.send(`{"id":3,"publish":{"position":"p3"}}`)
		calls.want(t, "{p3 false 0} <nil>")
	})
}

func TestConnSendsPendingRequestsInTheOrderOfTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		calls := &caller{c: c, t: t}
		var want []string
		for i := range 20 {
			calls.publish(t.Context(), fmt.Sprint(i), PublishOptions{Key: "k"})
			want = append(want, fmt.Sprintf(`{"id":%d,"publish":{"channel":"chat","key":"k","message":%d}}`, i+1, i))
		}
		go c.History(t.Context(), "chat", HistoryOptions{}) //nolint:errcheck // it ends with the Conn
		synctest.Wait()
		go c.Presence(t.Context(), "chat") //nolint:errcheck // it ends with the Conn
		synctest.Wait()
		want = append(want, `{"id":21,"history":{"channel":"chat"}}`, `{"id":22,"presence":{"channel":"chat"}}`)
		f.accept().want(want...)
		p := <-f.accepted // the server was silent, so the client connects again
		p.send(fakeHello)
		p.want(want...)
	})
}

func TestConnFailsACallThatCannotBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		p := f.accept()
		calls := &caller{c: c, t: t}
		go func() {
			_, err := c.publish(t.Context(), "publish", "chat", []byte("1"), "", false)
			calls.note("%v %t", err, errors.Is(err, ErrInterrupted))
		}()
		p.want(`{"id":1,"publish":{"channel":"chat","message":1}}`)
		p.conn.Close()
		f.accept().want()
		calls.want(t, "publish: "+ErrInterrupted.Error()+" (the connection broke: unexpected EOF) true")
	})
}

func TestConnCallsEndWithTheirContextAndWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		calls := &caller{c: c, t: t}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		calls.publish(ctx, `1`, PublishOptions{})
		<-ctx.Done()
		calls.want(t, `{ false 0} publish on "chat": there is no connection: context deadline exceeded`)
		p := f.accept()
		p.want() // the client does not send requests that were given up

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		calls.publish(ctx, `2`, PublishOptions{Key: "k"})
		<-ctx.Done()
		calls.want(t, `{ false 0} publish on "chat": no answer came: context deadline exceeded`)
		p.want(`{"id":2,"publish":{"channel":"chat","key":"k","message":2}}`)
		p.send(`{"id":2,"publish":{"position":"late"}}`)

		calls.publish(t.Context(), `3`, PublishOptions{Key: "k"})
		c.Close()
		calls.want(t, `{ false 0} publish on "chat": closed`)
		calls.publish(t.Context(), `4`, PublishOptions{Key: "k"})
		calls.want(t, `{ false 0} publish on "chat": closed`)
	})
}

func TestConnRefusesWrongCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		p := f.accept()
		taken := subscribe(t, c, "taken", SubscribeOptions{})
		p.want(`{"id":1,"join":{"channels":[{"channel":"taken"}]}}`)
		p.send(`{"id":1,"join":{"channels":[{"channel":"taken","position":"p"}]}}`)
		taken()
		_, noChannel := c.Subscribe(t.Context(), "", SubscribeOptions{})
		_, negative := c.Subscribe(t.Context(), "a", SubscribeOptions{Last: -1})
		_, again := c.Subscribe(t.Context(), "taken", SubscribeOptions{})
		_, info := c.Subscribe(t.Context(), "a", SubscribeOptions{Info: func() {}})
		_, dry := c.Publish(t.Context(), "a", 1, PublishOptions{DryRun: true})
		_, nowhere := c.Publish(t.Context(), "", 1, PublishOptions{})
		_, nonsense := c.Publish(t.Context(), "a", json.RawMessage("{"), PublishOptions{})
		got := fmt.Sprint(noChannel, "\n", negative, "\n", again, "\n", info, "\n", dry, "\n", nowhere, "\n", nonsense)
		want := `the channel's name is empty
join "a": Last and Buffer can't be negative
join "taken": ` + ErrSubscribed.Error() + `
join "a": info: json: unsupported type: func()
publish on "a": DryRun is for publishing over HTTP
the channel's name is empty
publish on "a": the message is not valid JSON`
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		p.want()
	})
}
