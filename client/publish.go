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
	// Key makes the publish idempotent. While the server remembers the key (2 minutes by default),
	// a second publish with the same key and message on the channel publishes nothing and returns
	// the same result. It has 1 to 128 bytes.
	//
	// Over a [Conn], "" means a random key, with which the Conn repeats a request whose reply was
	// lost. Over HTTP, "" means no key. Set your own key to retry yourself, perhaps in another
	// process.
	Key string

	// NoEcho does not deliver the message to the Conn's own subscription of the channel. This holds
	// even after a reconnect or a rejoin, because the Conn remembers its newest 10,000 publications
	// of this kind. It works only over a [Conn].
	NoEcho bool

	// DryRun makes the server check the request without publishing the message. It works only over
	// HTTP.
	DryRun bool
}

// An Ack is the server's confirmation that it has published a message.
type Ack struct {
	// Position is the message's position in the channel.
	Position string `json:"position"`

	// Duplicate reports whether the key was used before, so that nothing was published now.
	Duplicate bool `json:"duplicate,omitempty"`

	// Subscribers is the number of sessions on the channel. It is set only over HTTP.
	Subscribers int `json:"subscribers,omitempty"`
}

// Publish publishes a message on a channel whose rule allows clients to publish. The message is
// marshalled with encoding/json; a json.RawMessage is sent unchanged.
//
// If the connection is lost before the reply arrives, the Conn repeats the request on the next
// connection. The request's key ensures that the message is published only once. If the context
// ends before the reply arrives, the message may or may not have been published.
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
		// The caller did not ask for this key, so the publish must not fail because of it.
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

// rawParams is the finished JSON of a request's parameters.
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
	// Append the message unencoded, because encoding it again would change it.
	return fmt.Appendf(params[:len(params)-1], `,"message":%s}`, payload), nil
}
