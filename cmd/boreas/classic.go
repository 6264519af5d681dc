package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
)

// checkTimeout is the timeout for asking the API about a token.
const checkTimeout = 3 * time.Second

// subscribeClassic prints messages from the classic wire.
func (v *viewer) subscribeClassic(ctx context.Context, url string) error {
	s, err := client.NewSubscriber(client.SubscriberOptions{
		URL: url, TokenFunc: v.obtainToken, Channels: v.channels, OnState: func(s client.State) { v.reportClassic(ctx, s) },
	})
	if err != nil {
		return usageError{err}
	}
	for m, err := range s.Messages(ctx) {
		switch {
		case errors.Is(err, client.ErrMayHaveMissed):
			v.p.note("%v", err)
			continue
		case err != nil && ctx.Err() != nil:
			return nil // interrupted, as intended
		case err != nil:
			return err
		}
		if done, err := v.print(line{Channel: m.Channel, Message: m.Data}); done || err != nil {
			return err
		}
	}
	return nil
}

// reportClassic notes a change of the connection on standard error.
func (v *viewer) reportClassic(ctx context.Context, s client.State) {
	switch s.Kind {
	case client.Connected:
		v.say("connected, listening to %q", v.channels)
		v.check(ctx)
	case client.Disconnected:
		v.p.note("%v; trying again in %v", s.Err, s.RetryIn.Round(time.Millisecond))
	case client.Connecting:
		if s.Attempt == 1 {
			v.say("connecting")
		}
	}
}

// check warns if the server has not accepted the token, because the classic wire does not report
// it. It needs access to the API.
func (v *viewer) check(ctx context.Context) {
	if v.own || v.token == "" || v.checked {
		return
	}
	v.checked = true
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	tokens, err := v.api.ActiveTokens(ctx, v.channels[0])
	if err != nil || slices.Contains(tokens, v.token) {
		return
	}
	v.p.note("warning: the server does not list this token on %q, so the token is not valid and no message will arrive "+
		"(or the server requires no tokens, or --api is another server)", v.channels[0])
}
