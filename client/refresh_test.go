package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

const fakeExpiring = `{"expiring":{"expires":"2026-11-22T10:00:00Z","in_ms":60000}}`

// clauses 3.8, 3.4
func TestConnShowsAnotherTokenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		tokens := []string{"T1", "T2", "T2", "T3"}
		c, states := f.conn(ConnectOptions{TokenFunc: func(context.Context) (string, error) {
			token := tokens[0]
			tokens = tokens[1:]
			return token, nil
		}})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T1"}}`)
		p.send(`{"id":1,"auth":{"user":"u1"}}`)
		subscribed := subscribe(t, c, "a", SubscribeOptions{})
		p.want(`{"id":2,"join":{"channels":[{"channel":"a"}]}}`)
		p.send(`{"id":2,"join":{"channels":[{"channel":"a","position":"a0"}]}}`)
		events := follow(t.Context(), subscribed())
		p.send(fakeExpiring)
		p.send(`{"channel":"a","message":1,"position":"a1"}`)
		p.want(`{"id":3,"auth":{"token":"T2"}}`)
		p.send(`{"id":3,"auth":{"user":"u2"}}`)
		p.send(`{"channel":"a","message":2,"position":"a2"}`)
		// The same again, for the next token.
		p.send(fakeExpiring)
		p.want()
		<-time.After(time.Second)
		p.want(`{"id":4,"auth":{"token":"T3"}}`)
		p.send(fakeExpiring) // a refresh is already in progress
		p.want()
		p.send(`{"id":4,"auth":{"user":"u3"}}`)
		events.want(t, "a joined at a0", "a 1 at a1", "a 2 at a2")
		states.want(
			t, "connecting 1", "connected s_1 u1",
			"expiring in 1m0s: <nil>; again in 0s", "refreshed s_1 u2",
			"expiring in 1m0s: <nil>; again in 0s",
			"expiring in 1m0s: get another token: TokenFunc gave the same token again; again in 1s",
			"expiring in 1m0s: <nil>; again in 0s", "refreshed s_1 u3",
		)
		c.Close()
		p.want()
	})
}

// clause 3.8
func TestATokenThatExpiresSoonIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		n := 0
		c, states := f.conn(ConnectOptions{TokenFunc: func(context.Context) (string, error) {
			n++
			return fmt.Sprint("T", n), nil
		}})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T1"}}`)
		p.send(`{"id":1,"auth":{"user":"u1"}}`)
		p.send(fakeExpiring)
		// The next frame after the reply announces the expiry of the new token.
		for id := 2; id < 10; id++ {
			p.want(fmt.Sprintf(`{"id":%d,"auth":{"token":"T%d"}}`, id, id))
			states.next()
			p.sendTogether(fmt.Sprintf(`{"id":%d,"auth":{"user":"u%d"}}`, id, id), fakeExpiring)
			states.want(t, fmt.Sprintf("refreshed s_1 u%d", id), "expiring in 1m0s: <nil>; again in 0s")
		}
		c.Close()
	})
}

// clauses 3.8, 3.9
func TestAnAnswerThatComesLateEndsTheAttemptsToGetAnotherToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		n := 0
		c, states := f.conn(ConnectOptions{HandshakeTimeout: time.Second, TokenFunc: func(context.Context) (string, error) {
			n++
			return fmt.Sprint("T", n), nil
		}})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T1"}}`)
		p.send(`{"id":1,"auth":{"user":"u1"}}`)
		p.send(fakeExpiring)
		p.want(`{"id":2,"auth":{"token":"T2"}}`)
		<-time.After(1500 * time.Millisecond) // the client waits before its next attempt
		p.send(`{"id":2,"auth":{"user":"u2"}}`)
		<-time.After(time.Minute / 2)
		p.want()
		states.want(
			t, "connecting 1", "connected s_1 u1", "expiring in 1m0s: <nil>; again in 0s",
			"expiring in 59s: authenticate: no answer came: context deadline exceeded; again in 1s", "refreshed s_1 u2",
		)
		p.send(fakeExpiring)
		p.want(`{"id":3,"auth":{"token":"T3"}}`)
		c.Close()
	})
}

// clauses 2.9, 3.3, 3.8
func TestConnTriesToGetAnotherTokenUntilTheEnd(t *testing.T) {
	const invalid = `"error":{"code":"invalid_token","message":"No.","retry":"new_token"}}`
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		tokens := []string{"T1", "", "T1", "T2", "T2", "T3", "T3"}
		c, states := f.conn(ConnectOptions{TokenFunc: func(context.Context) (string, error) {
			token := tokens[0]
			tokens = tokens[1:]
			if token == "" {
				return "", errors.New("the shop is closed")
			}
			return token, nil
		}})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T1"}}`)
		p.send(`{"id":1,"auth":{"user":"u1"}}`)
		p.send(fakeExpiring)
		p.want()
		<-time.After(time.Second) // T1 is the token that expires
		p.want()
		<-time.After(2 * time.Second)
		p.want(`{"id":2,"auth":{"token":"T2"}}`)
		p.send(`{"id":2,` + invalid)
		<-time.After(4 * time.Second) // the server refused T2
		p.want()
		<-time.After(8 * time.Second)
		p.want(`{"id":3,"auth":{"token":"T3"}}`)
		p.send(`{"heartbeat":{}}`)
		p.send(`{"id":3,"error":{"code":"rate_limited","message":"Wait.","retry":"later","retry_after_ms":20000}}`)
		<-time.After(20 * time.Second) // a token that was refused with "later" may be sent again
		p.want(`{"id":4,"auth":{"token":"T3"}}`)
		p.send(`{"id":4,"auth":{"user":"u3"}}`)
		states.want(
			t, "connecting 1", "connected s_1 u1", "expiring in 1m0s: <nil>; again in 0s",
			"expiring in 1m0s: get a token: the shop is closed; again in 1s",
			"expiring in 59s: get another token: TokenFunc gave the same token again; again in 2s",
			"expiring in 57s: authenticate: the server refused: No. (invalid_token); again in 4s",
			"expiring in 53s: get another token: TokenFunc gave the same token again; again in 8s",
			"expiring in 45s: authenticate: the server refused: Wait. (rate_limited); again in 20s",
			"refreshed s_1 u3",
		)
		c.Close()
	})
}

// clauses 3.8, 3.9
func TestAttemptToGetAnotherTokenEndsWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		calls := 0
		c, states := f.conn(ConnectOptions{TokenFunc: func(ctx context.Context) (string, error) {
			if calls++; calls == 2 {
				<-ctx.Done()
				return "", context.Cause(ctx)
			}
			return fmt.Sprint("T", calls), nil
		}})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T1"}}`)
		p.send(`{"id":1,"auth":{"user":"u1"}}`)
		p.send(fakeExpiring)
		synctest.Wait()
		began := time.Now()
		p.send(`{"goodbye":{"error":{"code":"token_expired","message":"Over.","retry":"new_token"},"reconnect":{"after_ms":0}}}`)
		p.sendClose(4302, "over")
		p = f.accept()
		if took := time.Since(began); took != 0 {
			t.Errorf("an attempt in progress delayed the next connection by %v", took)
		}
		p.want(`{"id":2,"auth":{"token":"T3"}}`)
		states.want(
			t, "connecting 1", "connected s_1 u1", "expiring in 1m0s: <nil>; again in 0s",
			"disconnected: stay connected: the server closed the connection with 4302: Over. (token_expired); again in 0s", "connecting 2",
		)
		c.Close()
	})
}

// clauses 3.8, 3.9, 8.6
func TestConnEndsWhenItsTokenExpiresWithoutAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, states := f.conn(ConnectOptions{Token: "T"})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T"}}`)
		p.send(`{"id":1,"auth":{"user":"u1"}}`)
		p.send(fakeExpiring)
		<-time.After(20 * time.Second)
		p.want()
		p.sendClose(4302, "over")
		<-c.Done()
		states.want(
			t, "connecting 1", "connected s_1 u1",
			"expiring in 1m0s: the token expires soon, and there is no TokenFunc to get another one; again in 0s",
			"ended: stay connected: the server closed the connection with 4302: over; there is no TokenFunc to get another token",
		)
	})
	for _, end := range []func(*peer){
		func(p *peer) { p.sendClose(4300, "revoked") },
		func(p *peer) {
			p.send(`{"goodbye":{"error":{"code":"token_revoked","message":"revoked","retry":"new_token"},"reconnect":{"after_ms":0}}}`)
			p.conn.Close()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			c, _ := f.conn(ConnectOptions{TokenFunc: func(context.Context) (string, error) { return "T", nil }})
			p := f.accept()
			p.want(`{"id":1,"auth":{"token":"T"}}`)
			p.send(`{"id":1,"auth":{"user":"u1"}}`)
			synctest.Wait()
			end(p)
			<-c.Done()
			if !errors.Is(c.Err(), errSameToken) || !errors.As(c.Err(), new(*Error)) {
				t.Errorf("ended for %v", c.Err())
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, states := f.conn(ConnectOptions{TokenFunc: func(context.Context) (string, error) { return "T", nil }})
		p := f.accept()
		p.want(`{"id":1,"auth":{"token":"T"}}`)
		p.send(`{"id":1,"error":{"code":"token_expired","message":"Over.","retry":"new_token"}}`)
		<-c.Done()
		states.want(t, "connecting 1", "ended: authenticate: the server refused: Over. (token_expired); TokenFunc gave the same token again")
	})
}

// clauses 3.11, 4.11
func TestConnReconnectsWhenItsRulesHaveChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, states := f.conn(ConnectOptions{})
		p := f.accept()
		a := subscribe(t, c, "a", SubscribeOptions{})
		p.want(`{"id":1,"join":{"channels":[{"channel":"a"}]}}`)
		p.send(`{"id":1,"join":{"channels":[{"channel":"a","position":"a0"}]}}`)
		admin := subscribe(t, c, "admin", SubscribeOptions{})
		p.want(`{"id":2,"join":{"channels":[{"channel":"admin"}]}}`)
		p.send(`{"id":2,"join":{"channels":[{"channel":"admin","position":"z0"}]}}`)
		ea, eb := follow(t.Context(), a()), follow(t.Context(), admin())
		p.send(`{"goodbye":{"error":{"code":"rules_changed","message":"Changed.","retry":"now"},"reconnect":{"after_ms":0}}}`)
		p.sendClose(4102, "changed")
		p = f.accept()
		p.want(`{"id":3,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647},{"channel":"admin","since":"z0","last":2147483647}]}}`)
		p.send(`{"id":3,"join":{"channels":[{"channel":"a","position":"a0","recovered":true},` +
			`{"channel":"admin","error":{"code":"not_permitted","message":"Rule 2.","retry":"never"}}]}}`)
		ea.want(t, "a joined at a0", "a joined at a0 since a0, recovered true")
		eb.want(t, "admin joined at z0", `error: join "admin": the server refused: Rule 2. (not_permitted)`, "end")
		states.want(
			t, "connecting 1", "connected s_1 ",
			"disconnected: stay connected: the server closed the connection with 4102: Changed. (rules_changed); again in 0s",
			"connecting 2", "connected s_1 ",
		)
		c.Close()
	})
}

// clause 3.10
func TestConnKnowsTheUserOfItsHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, states := f.conn(ConnectOptions{})
		p := <-f.accepted
		p.send(`{"hello":{"protocol":2,"session":"s_1","user":"u1","expires":"2026-11-22T10:00:00Z","heartbeat":25,"limits":{}}}`)
		states.want(t, "connecting 1", "connected s_1 u1")
	})
}

// clause 2.9
func TestLeaveOverTheRateLimitReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		_, states, s, p := joinedOn(t, f, SubscribeOptions{})
		s.Close()
		p.want(`{"id":2,"leave":{"channels":["a"]}}`)
		p.send(`{"id":2,"error":{"code":"rate_limited","message":"Wait.","retry":"later","retry_after_ms":2000}}`)
		p = f.accept()
		p.want()
		states.want(
			t, "connecting 1", "connected s_1 ", "disconnected: leave: the server refused: Wait. (rate_limited); again in 1s",
			"connecting 2", "connected s_1 ",
		)
	})
}

// clause 2.9
func TestJoinsOverTheRateLimitAreRetriedTogether(t *testing.T) {
	const limited = `"error":{"code":"rate_limited","message":"Wait.","retry":"later","retry_after_ms":2000}}`
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, states := f.conn(ConnectOptions{})
		a, b := subscribe(t, c, "a", SubscribeOptions{}), subscribe(t, c, "b", SubscribeOptions{})
		synctest.Wait() // both wait for the connection, so they are joined by one request
		p := f.accept()
		p.want(`{"id":1,"join":{"channels":[{"channel":"a"},{"channel":"b"}]}}`)
		p.send(`{"id":1,` + limited)
		<-time.After(3*time.Second - 1)
		p.want()
		<-time.After(1)
		p.want(`{"id":2,"join":{"channels":[{"channel":"a"},{"channel":"b"}]}}`)
		p.send(`{"id":2,"join":{"channels":[{"channel":"a","position":"a0"},{"channel":"b","position":"b0"}]}}`)
		ea := follow(t.Context(), a())
		ea.want(t, "a joined at a0")
		// A subscription that was closed meanwhile is not joined again; the other one is.
		p.conn.Close()
		p = f.accept()
		p.want(`{"id":3,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647},{"channel":"b","since":"b0","last":2147483647}]}}`)
		p.send(`{"id":3,` + limited)
		const refused = `: the server refused: Wait. (rate_limited); again in 3s`
		states.want(
			t, "connecting 1", "connected s_1 ", `refused: join "a"`+refused, `refused: join "b"`+refused,
			"disconnected: the connection broke: unexpected EOF; again in 1s", "connecting 2", "connected s_1 ",
			`refused: join "a"`+refused, `refused: join "b"`+refused,
		)
		b().Close()
		<-time.After(3 * time.Second)
		p.want(`{"id":4,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`)
		// A subscription that was added after the token expired is also joined again; a call fails.
		p.send(`{"id":4,"join":{"channels":[{"channel":"a","error":{"code":"token_expired","message":"Over.","retry":"new_token"}}]}}`)
		<-time.After(2 * time.Second)
		p.want(`{"id":5,"join":{"channels":[{"channel":"a","since":"a0","last":2147483647}]}}`)
		done := make(chan error, 1)
		go func() {
			_, err := c.Publish(t.Context(), "a", 1, PublishOptions{Key: "k"})
			done <- err
		}()
		p.want(`{"id":6,"publish":{"channel":"a","key":"k","message":1}}`)
		p.send(`{"id":6,` + limited)
		var refusal *Error
		if err := <-done; !errors.As(err, &refusal) || refusal.Code != CodeRateLimited || refusal.RetryAfter != 2*time.Second {
			t.Errorf("the publish got %v", err)
		}
		c.Close()
		ea.want(t, "error: closed", "end")
	})
}
