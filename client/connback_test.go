package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// clauses 8.3, 8.4, 8.5, 8.6, 8.7
func TestConnReconnectsAsTheServerAsks(t *testing.T) {
	const farewell = `{"goodbye":{"error":{"code":"shutting_down","message":"Going.","retry":"now"},"reconnect":{"after_ms":1840}}}`
	for name, c := range map[string]struct {
		end  func(f *fake, p *peer)
		want string // the next state
	}{
		"the connection breaks": {func(_ *fake, p *peer) { p.conn.Close() }, "disconnected: the connection broke: unexpected EOF; again in 1s"},
		"come back now": {
			func(_ *fake, p *peer) { p.sendClose(4100, "bye") },
			"disconnected: stay connected: the server closed the connection with 4100: bye; again in 1s",
		},
		"the server is wrong": {
			func(_ *fake, p *peer) { p.sendClose(1011, "") },
			"disconnected: stay connected: the server closed the connection with 1011; again in 1s",
		},
		"the slot counts from the goodbye on": {func(_ *fake, p *peer) {
			p.send(farewell)
			<-time.After(time.Second)
			p.sendClose(4100, "bye")
		}, "disconnected: stay connected: the server closed the connection with 4100: Going. (shutting_down); again in 840ms"},
		"the server is isolated": {func(_ *fake, p *peer) {
			p.send(`{"goodbye":{"error":{"code":"node_isolated","message":"No contact.","retry":"now"},"reconnect":{"after_ms":120}}}`)
			p.sendClose(4104, "node_isolated")
		}, "disconnected: stay connected: the server closed the connection with 4104: No contact. (node_isolated); again in 120ms"},
		"what it sent was malformed": {
			func(_ *fake, p *peer) { p.send(`{"error":{"code":"malformed","message":"No JSON.","retry":"never"}}`) },
			"disconnected: talk to the server: the server refused: No JSON. (malformed); again in 1s",
		},
		"a binary message": {
			func(_ *fake, p *peer) { p.conn.WriteMessage(2, []byte("{}")) }, //nolint:errcheck // the test checks the effect
			"disconnected: the server sent a binary message, which protocol 2 does not have; again in 1s",
		},
		"no JSON": {
			func(_ *fake, p *peer) { p.send("hello") },
			"disconnected: the server sent a message that is not of protocol 2: invalid character 'h' looking for beginning of value; again in 1s",
		},
		"a slot that is over": {func(_ *fake, p *peer) {
			p.send(farewell)
			<-time.After(10 * time.Second)
			p.conn.Close()
		}, "disconnected: stay connected: the server refused: Going. (shutting_down); again in 0s"},
		"a goodbye for good": {func(_ *fake, p *peer) {
			p.send(`{"goodbye":{"error":{"code":"terminated","message":"Out.","retry":"never"}}}`)
			p.sendClose(4400, "out")
		}, "ended: stay connected: the server closed the connection with 4400: Out. (terminated)"},
		"a code for good": {
			func(_ *fake, p *peer) { p.sendClose(4499, "out") },
			"ended: stay connected: the server closed the connection with 4499: out",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				_, states := f.conn(ConnectOptions{})
				p := f.accept()
				states.want(t, "connecting 1", "connected s_1 ")
				c.end(f, p)
				synctest.Wait()
				if got := states.next(); got != c.want {
					t.Errorf("state %q\nwant %q", got, c.want)
				}
			})
		})
	}
}

func TestConnWaitsLongerAfterEachFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, states := f.conn(ConnectOptions{})
		p := f.accept()
		f.refuse <- func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"error":{"code":"overloaded","message":"Too many.","retry":"later"}}`)
		}
		f.refuse <- http.NotFound // the server may be in the middle of a replacement
		p.conn.Close()
		p = f.accept()
		synctest.Wait()
		p.sendClose(4200, "slow")
		p = f.accept()
		<-time.After(20 * time.Second)
		p.send(`{"heartbeat":{}}`)
		<-time.After(11 * time.Second)
		p.sendClose(4200, "slow") // a long connection, but the code means "later"
		p = f.accept()
		<-time.After(20 * time.Second)
		p.send(`{"heartbeat":{}}`)
		<-time.After(11 * time.Second)
		p.sendClose(4100, "bye")
		f.accept()
		states.want(
			t, "connecting 1", "connected s_1 ",
			"disconnected: the connection broke: unexpected EOF; again in 1s", "connecting 2",
			"disconnected: connect: the server answered 503 Service Unavailable: Too many. (overloaded); again in 9s", "connecting 3",
			"disconnected: connect: the server answered 404 Not Found; again in 4s", "connecting 4",
			"connected s_1 ",
			"disconnected: stay connected: the server closed the connection with 4200: slow; again in 8s", "connecting 5",
			"connected s_1 ",
			"disconnected: stay connected: the server closed the connection with 4200: slow; again in 16s", "connecting 6",
			"connected s_1 ",
			"disconnected: stay connected: the server closed the connection with 4100: bye; again in 1s", "connecting 2",
			"connected s_1 ",
		)
	})
}

// clause 8.1
func TestConnNoticesThatTheServerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, states := f.conn(ConnectOptions{})
		p := f.accept()
		states.want(t, "connecting 1", "connected s_1 ")
		began := time.Now()
		<-time.After(30 * time.Second)
		p.send(`{"heartbeat":{}}`)
		<-f.accepted
		if took, want := time.Since(began), 30*time.Second+37500*time.Millisecond+time.Second; took != want {
			t.Errorf("reconnected after %v, want %v", took, want)
		}
		states.want(t, "disconnected: the server sent nothing for too long for 37.5s; again in 1s", "connecting 2")
	})
}

func TestConnWithoutHeartbeatsPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, states := f.conn(ConnectOptions{})
		p := <-f.accepted
		p.send(`{"hello":{"protocol":2,"session":"s_1","heartbeat":0,"limits":{}}}`)
		states.want(t, "connecting 1", "connected s_1 ")
		<-time.After(24 * time.Second)
		p.want()
		<-time.After(2 * time.Second)
		p.want(`{"id":0,"ping":{}}`)
		p.send(`{"id":0,"ping":{}}`)
		<-time.After(24 * time.Second)
		p.want()
		<-time.After(2 * time.Second)
		p.want(`{"id":0,"ping":{}}`)
		<-time.After(12 * time.Second)
		states.want(t, "disconnected: the server sent nothing for too long for 37.5s; again in 1s")
	})
}

func TestConnTriesAgainWhenTheHandshakeTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, states := f.conn(ConnectOptions{Token: "T"})
		<-f.accepted // without a hello
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T"}}`) // without a reply
		<-f.accepted
		states.want(
			t, "connecting 1",
			"disconnected: the server did not send the hello of protocol 2: is the URL correct?; again in 1s", "connecting 2",
			"disconnected: the server did not answer the token in time; again in 2s", "connecting 3",
		)
	})
}

func TestConnGivesUpIfTheURLIsNotAServer(t *testing.T) {
	for name, c := range map[string]struct {
		refuse http.HandlerFunc
		frame  string
		want   string
	}{
		"no such path":     {refuse: http.NotFound, want: "ended: connect: the server answered 404 Not Found"},
		"no hello":         {frame: `{"message":1,"channel":"a","position":"p"}`, want: "ended: the server did not send the hello of protocol 2: is the URL correct?"},
		"another protocol": {frame: strings.Replace(fakeHello, ":2", ":3", 1), want: "ended: the server speaks protocol 3, and this client speaks 2"},
		"a goodbye at once": {
			frame: `{"goodbye":{"error":{"code":"overloaded","message":"Full.","retry":"never"}}}`,
			want:  "ended: stay connected: the server closed the connection with 1001: Full. (overloaded)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				if c.refuse != nil {
					f.refuse <- c.refuse
				}
				conn, states := f.conn(ConnectOptions{})
				if c.frame != "" {
					p := <-f.accepted
					p.send(c.frame)
					if strings.Contains(c.frame, "goodbye") {
						p.sendClose(1001, "")
					}
				}
				<-conn.Done()
				states.want(t, "connecting 1", c.want)
				if _, err := conn.Subscribe(t.Context(), "a", SubscribeOptions{}); !errors.Is(err, conn.Err()) {
					t.Errorf("a call after the end got %v", err)
				}
			})
		})
	}
}

// clauses 3.3, 3.6
func TestConnAsksForAnotherToken(t *testing.T) {
	const invalid = `"error":{"code":"invalid_token","message":"No.","retry":"new_token"}}`
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		calls := 0
		c, states := f.conn(ConnectOptions{TokenFunc: func(context.Context) (string, error) {
			if calls++; calls == 1 {
				return "", errors.New("the shop is closed")
			}
			return fmt.Sprint("T", calls), nil
		}})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T2"}}`)
		p.send(`{"id":1,` + invalid)
		p.want(`{"id":2,"auth":{"token":"T3"}}`)
		p.send(`{"id":2,"auth":{"user":"u"}}`)
		synctest.Wait()
		p.sendClose(4300, "revoked")
		p = f.accept()
		p.want(`{"id":3,"auth":{"token":"T4"}}`)
		p.send(`{"id":3,` + invalid)
		p.want(`{"id":4,"auth":{"token":"T5"}}`)
		p.send(`{"id":4,` + invalid)
		<-c.Done()
		states.want(
			t, "connecting 1", "disconnected: get a token: the shop is closed; again in 1s", "connecting 2", "connected s_1 u",
			"disconnected: stay connected: the server closed the connection with 4300: revoked; again in 2s", "connecting 3",
			"ended: authenticate: the server refused: No. (invalid_token)",
		)
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, states := f.conn(ConnectOptions{TokenFunc: func(context.Context) (string, error) {
			return "", &Error{Op: "make a token", Status: 403, Message: "Not you."}
		}})
		<-c.Done()
		states.want(t, "connecting 1", "ended: get a token: make a token: the server answered 403 Forbidden: Not you.")
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, states := f.conn(ConnectOptions{Token: "T"})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T"}}`)
		p.send(`{"id":1,` + invalid)
		<-c.Done()
		states.want(t, "connecting 1", "ended: authenticate: the server refused: No. (invalid_token)")
	})
}
