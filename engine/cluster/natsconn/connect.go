package natsconn

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// dialTimeout bounds one attempt to connect to one server.
	dialTimeout = 2 * time.Second

	// redialPause is the pause before a lost connection is tried again, and redialJitter is added at
	// random, so that the nodes of a cluster do not all come at once.
	redialPause  = 100 * time.Millisecond
	redialJitter = 100 * time.Millisecond

	// tellInterval is how often the log says that no server can be reached.
	tellInterval = 5 * time.Second

	// pingInterval is how often a silent connection is tested. After maxPings tests without an
	// answer the connection is given up, and another server is tried.
	pingInterval = 2 * time.Second
	maxPings     = 2
)

// MinVersion is the oldest version of NATS servers with everything that Boreas uses, as major and
// minor number.
var MinVersion = [2]int{2, 15}

// ErrVersion means that a server is too old.
var ErrVersion = errors.New("the NATS server is too old")

// Connect connects to one of the servers and returns the connection. It tries until ctx ends, and
// then returns why it failed. A connection that is lost later is made again, with any of the
// servers, until it is closed. While it is lost nothing is sent and every request fails at once.
//
// Purpose distinguishes the connections of a node. The servers show it in their lists of
// connections.
func (o *Options) Connect(ctx context.Context, purpose string) (*nats.Conn, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	log := o.log().With("connection", purpose)
	options, err := o.credentials()
	if err != nil {
		return nil, err
	}
	options = append(options,
		nats.Name(o.prefix()+" "+o.Node+" "+purpose),
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(redialPause),
		nats.ReconnectJitter(redialJitter, redialJitter),
		// Nothing is kept for later: a message that was reported as failed must not be sent afterwards.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		nats.IgnoreAuthErrorAbort(), // credentials may be changed on the servers first
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("lost the connection to NATS", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("connected to NATS again", "server", nc.ConnectedServerName())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			subject := ""
			if s != nil {
				subject = s.Subject
			}
			log.Warn("NATS reports an error", "subject", subject, "error", err)
		}),
	)
	if o.Server != nil {
		options = append(options, nats.InProcessServer(o.Server))
	}
	var told time.Time
	for {
		nc, err := nats.Connect(strings.Join(o.URLs, ","), options...)
		if err == nil {
			if err = checkVersion(nc.ConnectedServerVersion()); err == nil {
				return nc, nil
			}
			nc.Close()
			return nil, err
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("NATS refuses the credentials of this node: %w", err)
		}
		if now := time.Now(); now.Sub(told) >= tellInterval {
			told = now
			log.Warn("waiting for a NATS server", "servers", o.URLs, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no NATS server can be reached at %s: %w", strings.Join(o.URLs, ", "), err)
		case <-time.After(redialPause):
		}
	}
}

// credentials returns the options that tell the servers who this node is.
func (o *Options) credentials() ([]nats.Option, error) {
	var options []nats.Option
	switch {
	case o.CredsFile != "":
		options = append(options, nats.UserCredentials(o.CredsFile))
	case o.NKeyFile != "":
		key, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the NKey in %s: %w", o.NKeyFile, err)
		}
		options = append(options, key)
	case o.Token != "":
		options = append(options, nats.Token(o.Token))
	case o.User != "" || o.Password != "":
		options = append(options, nats.UserInfo(o.User, o.Password))
	}
	if o.TLS != nil {
		options = append(options, nats.Secure(o.TLS))
	}
	return options, nil
}

// checkVersion returns an error if the version of a server is below [MinVersion].
func checkVersion(version string) error {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return fmt.Errorf("%w: its version %.40q cannot be read", ErrVersion, version)
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return fmt.Errorf("%w: its version %.40q cannot be read", ErrVersion, version)
	}
	if major < MinVersion[0] || major == MinVersion[0] && minor < MinVersion[1] {
		return fmt.Errorf("%w: it is version %s, and %d.%d is needed", ErrVersion, version, MinVersion[0], MinVersion[1])
	}
	return nil
}
