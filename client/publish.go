package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
)

// PublishOptions are the options of a publish. The zero value delivers the message to all
// subscribers, once.
type PublishOptions struct {
	// Key makes the publish idempotent. While the server remembers it (2 minutes by default), a
	// second publish with the same key and message on the channel adds nothing and gets the same
	// answer. Over a [Conn], "" means a random key, with which the Conn repeats a request if its
	// answer was lost; over HTTP it means none. Set your own key to retry yourself, perhaps in
	// another process. It has 1 to 128 bytes.
	Key string

	// NoEcho does not deliver the message to the Conn's own subscription of the channel, even after
	// a reconnect or a rejoin: the Conn remembers its newest 10,000 publications of this kind. It
	// works only over a [Conn].
	NoEcho bool

	// DryRun has the server check everything and publish nothing. Over HTTP only.
	DryRun bool
}

// An Ack is the server's word that it has a message.
type Ack struct {
	// Position is the place after the message in the channel's log.
	Position string `json:"position"`

	// Duplicate tells that the key was used before, so nothing was published now.
	Duplicate bool `json:"duplicate,omitempty"`

	// Subscribers is how many sessions were on the channel. Over HTTP only.
	Subscribers int `json:"subscribers,omitempty"`
}

// Publish sends a message to everyone on a channel whose rule lets clients publish.
// The message is marshalled with encoding/json; a json.RawMessage goes out as it is.
//
// If the connection is lost before the answer has come, the request is made again on
// the next one: its key sees to it that the message is published once. If the context
// ends before, the message may or may not have been published.
func (c *Conn) Publish(ctx context.Context, channel string, message any, o PublishOptions) (Ack, error) {
	op := fmt.Sprintf("publish on %q", channel)
	if err := checkChannel(channel); err != nil {
		return Ack{}, err
	}
	if err := checkKey(o.Key); err != nil {
		return Ack{}, opError(op, err)
	}
	if o.DryRun {
		return Ack{}, fmt.Errorf("%s: DryRun is for publishing over HTTP", op)
	}
	payload, err := payloadOf(message)
	if err != nil {
		return Ack{}, fmt.Errorf("%s: %w", op, err)
	}
	key := o.Key
	if key == "" {
		key = rand.Text()
	}
	ack, err := c.publish(ctx, op, channel, payload, key, o.NoEcho)
	var refusal *Error
	if o.Key == "" && errors.As(err, &refusal) && refusal.Code == CodeTooManyKeys {
		// The key was our idea, so it must not be what the publish fails for.
		return c.publish(ctx, op, channel, payload, "", o.NoEcho)
	}
	return ack, err
}

func (c *Conn) publish(ctx context.Context, op, channel string, payload []byte, key string, noEcho bool) (Ack, error) {
	params, err := publishRequest(channel, payload, key, noEcho)
	if err != nil {
		return Ack{}, fmt.Errorf("%s: %w", op, err)
	}
	var ack Ack
	var remember func(*frame)
	if noEcho {
		remember = func(f *frame) {
			var ack Ack
			if readReply(op, f.Publish, &ack) == nil {
				c.own.add(place{channel, ack.Position})
			}
		}
	}
	f, err := c.doThen(ctx, op, "publish", params, key != "", remember)
	if err != nil {
		return Ack{}, err
	}
	return ack, readReply(op, f.Publish, &ack)
}

// rawParams is the JSON of a request that is not to be changed.
type rawParams []byte

func publishRequest(channel string, payload []byte, key string, noEcho bool) (rawParams, error) {
	var echo *bool
	if noEcho {
		echo = new(bool)
	}
	params, err := encode(struct {
		Channel string `json:"channel"`
		Key     string `json:"key,omitempty"`
		Echo    *bool  `json:"echo,omitempty"`
	}{channel, key, echo})
	if err != nil {
		return nil, err
	}
	// The message last, and as it is: encoding it again would change it.
	return fmt.Appendf(params[:len(params)-1], `,"message":%s}`, payload), nil
}
