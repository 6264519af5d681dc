package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
)

// Limits of a run. They are far more than one machine can produce. They prevent that a typing error
// becomes an attack.
const (
	maxSubscribers = 200_000
	maxChannels    = 65_536 // a mark has 16 bits for the channel
	maxJoins       = 1_000  // the server's default limit for one session
	maxPublishers  = 4_096
	maxSize        = 1 << 20
	maxDuration    = 24 * time.Hour
	maxStreams     = 32 << 20 // 16 bytes each: half a GiB in total
)

// Options describe the load. A zero field means the default in its comment.
type Options struct {
	API string // URL of the server's API; default [client.DefaultAPI]
	Key string // API key; default none
	WS  string // URL for subscribers; default [client.DefaultWS]

	Subscribers int           // default 100
	Slow        int           // additional subscribers that join and then read nothing; default 0
	Channels    int           // default 1
	Joins       int           // channels that each subscriber joins; default 1
	Publishers  int           // default 8
	Rate        float64       // messages per second of all publishers together; 0 means as fast as the server replies
	Size        int           // bytes of a message, at least 61; default 100
	Duration    time.Duration // how long to publish; default 10 s
	ConnectRate float64       // new connections per second; 0 means as fast as possible, 64 at a time

	// Progress, if not nil, is called about once per second.
	Progress func(Progress)
}

// withDefaults sets omitted fields to their defaults, and returns an error if a field is invalid.
func (o Options) withDefaults() (Options, error) {
	o.API, o.WS = cmp.Or(o.API, client.DefaultAPI), cmp.Or(o.WS, client.DefaultWS)
	o.Subscribers, o.Channels, o.Joins = cmp.Or(o.Subscribers, 100), cmp.Or(o.Channels, 1), cmp.Or(o.Joins, 1)
	o.Publishers, o.Size, o.Duration = cmp.Or(o.Publishers, 8), cmp.Or(o.Size, 100), cmp.Or(o.Duration, 10*time.Second)
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o, errors.Join(
		within("subscribers", o.Subscribers, 1, maxSubscribers),
		within("slow subscribers", o.Slow, 0, maxSubscribers),
		within("channels", o.Channels, 1, maxChannels),
		within("joins", o.Joins, 1, min(maxJoins, o.Channels)),
		within("publishers", o.Publishers, 1, maxPublishers),
		within("size", o.Size, minSize, maxSize),
		within("duration", o.Duration, time.Millisecond, maxDuration),
		within("rate", o.Rate, 0, 10_000_000),
		within("connect rate", o.ConnectRate, 0, 1_000_000),
		within("subscribers × joins × publishers", o.Subscribers*o.Joins*o.Publishers, 1, maxStreams),
	)
}

func within[N int | float64 | time.Duration](what string, n, least, most N) error {
	if n < least || n > most {
		return fmt.Errorf("%s: %v is not between %v and %v", what, n, least, most)
	}
	return nil
}

// OnLoopback reports whether a URL leads only to this machine. It returns an error if the host
// cannot be resolved.
func OnLoopback(ctx context.Context, rawURL string) (bool, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return false, errors.New("it is not a URL") // the parser's error may repeat a password
	}
	addresses, err := net.DefaultResolver.LookupIPAddr(ctx, u.Hostname())
	if err != nil {
		return false, err
	}
	for _, a := range addresses {
		if !a.IP.IsLoopback() {
			return false, nil
		}
	}
	return len(addresses) > 0, nil
}

// Check returns an error if the options are invalid.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}
