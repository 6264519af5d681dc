package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var (
	errNoOtherToken = errors.New("the token ends soon, and there is no TokenFunc to get another from")
	errSameToken    = errors.New("TokenFunc gave the same token again")
)

// expiring is the server's word that the session's token ends. Clause 3.8.
type expiring struct {
	InMS int64 `json:"in_ms"`
}

// oneByOne returns onState as it can be called by several goroutines.
func oneByOne(onState func(State)) func(State) {
	var mu sync.Mutex
	return func(s State) {
		mu.Lock()
		defer mu.Unlock()
		onState(s)
	}
}

// expire deals with it: another token is got and shown beside all else that goes on.
// Only the reader calls it.
func (l *link) expire(x *expiring) {
	c := l.c
	state := State{Kind: Expiring, EndsIn: time.Duration(x.InMS) * time.Millisecond}
	if c.o.TokenFunc == nil {
		state.Err = errNoOtherToken
	}
	c.o.OnState(state)
	if c.o.TokenFunc == nil || !l.refreshing.CompareAndSwap(false, true) {
		return
	}
	end := time.Now().Add(state.EndsIn)
	l.running.Go(func() {
		defer l.refreshing.Store(false)
		l.refresh(end)
	})
}

// refresh gets another token and shows it, again and again until the server has taken
// one or the connection has ended, as it does at the token's end.
func (l *link) refresh(end time.Time) {
	c := l.c
	wait := backoff{base: c.o.MinBackoff, max: c.o.MaxBackoff, random: c.random}
	refused := "" // the token that the server refused last
	for {
		token, user, err := l.renew(refused)
		if l.ctx.Err() != nil {
			return
		}
		if err == nil {
			l.token = token
			c.o.OnState(State{Kind: Refreshed, Session: l.hello.Session, User: user})
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
		c.o.OnState(State{Kind: Expiring, Err: err, RetryIn: pause, EndsIn: max(0, time.Until(end))})
		if sleep(l.ctx, pause) != nil {
			return
		}
	}
}

// renew gets a token and shows it, unless the server has seen it already.
func (l *link) renew(refused string) (token, user string, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.c.o.HandshakeTimeout)
	defer cancel()
	token, err = l.c.o.token(ctx)
	switch {
	case err != nil:
		return "", "", err
	case token == "" || token == l.token || token == refused:
		return token, "", fmt.Errorf("get another token: %w", errSameToken)
	}
	f, err := l.c.do(ctx, "authenticate", "auth", authRequest{token}, false)
	switch {
	case err != nil:
		return token, "", err
	case f.Auth == nil:
		return token, "", errors.New("authenticate: the server's answer is of another kind than the request")
	}
	return token, f.Auth.User, nil
}
