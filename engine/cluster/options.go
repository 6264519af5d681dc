package cluster

import (
	"log/slog"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// Options of [Open]. For each limit, 0 means the default. All nodes of a cluster have the same
// Replicas, Messages, Age, History and KeyWindow; the first node makes the stream with its own, and
// [Open] tells about differences in the log.
type Options struct {
	// Servers are the NATS servers, and the name of this node.
	Servers natsconn.Options

	// Replicas is the number of servers that keep each message: 3 or 5, or 1 without protection
	// against the loss of a server. A message is acknowledged when more than half of them have it.
	Replicas int

	// Messages is how many publications the stream keeps of each channel, and Age how long. They are
	// the largest of all channels. The stream keeps at least [MinMessages] and [MinAge].
	Messages int
	Age      time.Duration

	// History is how many bytes the stream takes on each server. The oldest messages of all channels
	// go first.
	History int64

	// Memory is a ceiling for the bytes of the newest publications that this node keeps in memory.
	Memory int64

	// KeyWindow is how long a key is remembered; negative if keys have no effect.
	KeyWindow time.Duration

	// Limits returns a channel's own limits, which count on this node only: it does not return what is
	// above them. Those that are not zero replace Messages and Age. It is called from many goroutines
	// at once. It may be nil.
	Limits func(channel string) engine.Retention

	// StateFile is a file in which the node remembers how far it has read the stream. With it, a
	// cluster notices that the stream was replaced by an older copy while no node was running. "" means
	// that nothing is remembered.
	StateFile string

	// Isolated is called when this node has been cut off from the cluster for [IsolatedAfter], and
	// again when it is not any more. It must not block. It may be nil.
	Isolated func(isolated bool)

	// Logger receives what an operator should know. nil discards it.
	Logger *slog.Logger

	// For tests. 0 means the usual value.
	looks    <-chan time.Time // when the watch looks at the stream
	beats    time.Duration    // between two beats
	states   time.Duration    // between two writes of the state
	patience time.Duration    // of the first attempt to publish
	ahead    int              // bytes that the servers send ahead
	filled   int              // bytes that one direct read of the tail returns
}

// Defaults of [Options].
const (
	DefaultReplicas  = 3
	DefaultMessages  = 10_000
	DefaultAge       = 5 * time.Minute
	DefaultHistory   = 8 << 30
	DefaultMemory    = 256 << 20
	DefaultKeyWindow = 2 * time.Minute
)

const (
	// MinMessages is how many publications the stream keeps of a channel at least. A node that is late
	// must not miss a message because later ones have replaced it.
	MinMessages = 10_000

	// MinAge is how long the stream keeps a publication at least, for the same reason.
	MinAge = time.Minute

	// IsolatedAfter is the time without a sign of a majority of the servers after which a node is
	// isolated. An election of a new leader takes 4 to 9 seconds.
	IsolatedAfter = 15 * time.Second
)
