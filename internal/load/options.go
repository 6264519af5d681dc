package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/boreas-pubsub/boreas/client"
)

// Bounds of a run. They are far beyond what one machine can load, and keep a slip
// of the finger from becoming an attack.
const (
	maxSubscribers = 200_000
	maxChannels    = 65_536 // a mark has 16 bits for the channel
	maxJoins       = 1_000  // what a server lets one session join by default
	maxPublishers  = 4_096
	maxSize        = 1 << 20
	maxDuration    = 24 * time.Hour
	maxStreams     = 32 << 20 // of 16 bytes each: half a GiB
)

// Options say what load to make. Zero fields get the defaults that are named.
type Options struct {
	API string // URL of the server's API; [client.DefaultAPI]
	Key string // API key; none
	WS  string // URL where it takes subscribers; [client.DefaultWS]

	Subscribers int           // 100
	Slow        int           // further subscribers that join and then read nothing; 0
	Channels    int           // 1
	Joins       int           // channels that each subscriber joins; 1
	Publishers  int           // 8
	Rate        float64       // messages a second of all publishers together; 0: as fast as they are answered
	Size        int           // bytes of a message, at least 61; 100
	Duration    time.Duration // for how long to publish; 10 s
	ConnectRate float64       // new connections a second; 0: as fast as they come, 64 at a time

	// Progress, if not nil, is told about once a second how far the run is.
	Progress func(Progress)
}

// withDefaults fills in what was left out, and refuses what cannot be done.
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

// OnLoopback tells whether a URL leads to this machine only. An error means that
// its host cannot be found.
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

// Check says what is wrong with the options.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}
