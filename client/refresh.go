package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var (
	errNoOtherToken = errors.New("the token expires soon, and there is no TokenFunc to get another one")
	errSameToken    = errors.New("TokenFunc gave the same token again")
)

// expiring announces that the session's token expires soon (clause 3.8).
type expiring struct {
	InMS int64 `json:"in_ms"`
}

// oneByOne returns a function that calls onState and is safe for concurrent use.
func oneByOne(onState func(State)) func(State) {
	var mu sync.Mutex
	return func(s State) {
		mu.Lock()
		defer mu.Unlock()
		onState(s)
	}
}

// A refresh gets another token for a link and sends it to the server, concurrently with other
// requests.
type refresh struct {
	l   *link
	end time.Time // end of the session's token
}

// expire starts a refresh unless one is under way. Only the reader calls it.
func (l *link) expire(x *expiring) {
	c := l.c
	state := State{Kind: Expiring, EndsIn: time.Duration(x.InMS) * time.Millisecond}
	if c.o.TokenFunc == nil {
		state.Err = errNoOtherToken
	}
	c.o.OnState(state)
	if c.o.TokenFunc == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.refresh == nil {
		l.refresh = &refresh{l, time.Now().Add(state.EndsIn)}
		l.running.Go(l.refresh.run)
	}
}

// run gets another token and sends it. It repeats this until the server accepts a token or the
// connection ends, which happens when the token expires.
func (r *refresh) run() {
	l, c := r.l, r.l.c
	wait := backoff{base: c.o.MinBackoff, max: c.o.MaxBackoff, random: c.random}
	refused := "" // the token that the server refused last
	for {
		token, err := r.renew(refused)
		if l.ctx.Err() != nil || r.over() {
			return
		}
		var refusal *Error
		var atLeast time.Duration
		if errors.As(err, &refusal) {
			atLeast = refusal.RetryAfter
			if refusal.Retry == "new_token" {
				refused = token
			}
		}
		pause := max(atLeast, wait.next(false))
		c.o.OnState(State{Kind: Expiring, Err: err, RetryIn: pause, EndsIn: max(0, time.Until(r.end))})
		if sleep(l.ctx, pause) != nil || r.over() {
			return
		}
	}
}

// over reports whether the server has accepted a token of this refresh.
func (r *refresh) over() bool {
	r.l.c.mu.Lock()
	defer r.l.c.mu.Unlock()
	return r.l.refresh != r
}

// renew gets a token and sends it, unless the server has seen this token already.
func (r *refresh) renew(refused string) (token string, err error) {
	l, c := r.l, r.l.c
	ctx, cancel := context.WithTimeout(l.ctx, c.o.HandshakeTimeout)
	defer cancel()
	token, err = c.o.token(ctx)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	same := token == "" || token == l.token || token == refused
	c.mu.Unlock()
	if same {
		return token, fmt.Errorf("get another token: %w", errSameToken)
	}
	f, err := c.doThen(ctx, "authenticate", "auth", authRequest{token}, false, func(f *frame) { r.take(token, f.Auth) })
	if err == nil && f.Auth == nil {
		err = errors.New("authenticate: the kind of the server's answer differs from the request")
	}
	return token, err
}

// take ends the refresh after the server has accepted the token. The reader calls it with mu
// held, before it reads the next frame, which may already announce the expiry of this token.
func (r *refresh) take(token string, answer *authReply) {
	if answer == nil {
		return
	}
	l := r.l
	l.token = token
	l.c.states = append(l.c.states, State{Kind: Refreshed, Session: l.hello.Session, User: answer.User})
	if l.refresh == r {
		l.refresh = nil
	}
}
