package nodes

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

const (
	// BeatInterval is the time between two beats of a node.
	BeatInterval = 500 * time.Millisecond

	// DeadAfter is how long a node stays alive without a sign of life. Four beats are missing then,
	// so a short pause of the node or of its connection ends nothing.
	DeadAfter = 4 * BeatInterval

	// AskTimeout is how long [Group.Ask] waits for answers. It is shorter than DeadAfter, because
	// people wait for the result, and much longer than an answer of a healthy node takes, which is
	// less than a millisecond without the handler.
	AskTimeout = time.Second

	// MaxQuestion is the maximum length of a question in bytes. Each question is one message.
	MaxQuestion = 64 << 10

	// MaxAnswer is the maximum length of an answer in bytes. Answers go in parts.
	MaxAnswer = 8 << 20
)

const (
	// helloWait is how long a starting node listens to the others. A live node beats twice in it.
	helloWait = 2 * BeatInterval

	// maxNodes is the maximum number of live other nodes. The cost of questions and of presence grows
	// with it, and clusters have few nodes.
	maxNodes = 64

	// maxInfo is the maximum length in bytes of the JSON text that Options.Info returns. It is sent in
	// every beat.
	maxInfo = 4 << 10

	// maxHead is the maximum length in bytes of the JSON line of a message.
	maxHead = 16 << 10

	// partSize is the largest content of a message. It is half of NATS's default max_payload of 1 MiB,
	// so other messages of the connection do not wait long behind one part. With a smaller max_payload
	// parts are smaller, but not below minPart.
	partSize = 512 << 10
	minPart  = 1 << 10

	// maxHandlers is how many questions of others a node answers at once. Answers are short reads of
	// memory, so more would only wait for the processor.
	maxHandlers = 64

	// startTime is how long after its Open a node may take until it has set all handlers. It first reads
	// the newest messages, and the machine may be busy. That a node does not answer in this time is normal.
	startTime = 30 * time.Second

	// maxAsks is how many calls of Ask wait for answers at once. Further calls wait for their turn.
	maxAsks = 256

	// maxHeld is the maximum number of bytes of answers that calls of Ask hold.
	maxHeld = 64 << 20

	// maxSkew is how far the clocks of two nodes may differ before the log says so. Ages of messages
	// and expiries of tokens depend on the clocks.
	maxSkew = 5 * time.Second

	// logInterval is the minimum time between two log records about one problem with one node.
	logInterval = time.Minute

	// flushTimeout bounds how long Open and Close wait until the server has what they sent.
	flushTimeout = 2 * time.Second
)

// Options of [Open].
type Options struct {
	// Servers are the NATS servers, and the name of this node.
	Servers natsconn.Options

	// Version is the version of the program, which the other nodes show.
	Version string

	// Info returns a small JSON text about this node for the others, for example where its API is. It
	// is called for each beat. It may be nil.
	Info func() json.RawMessage

	// Log receives which nodes come and go, and what is wrong with them. Nil discards it.
	Log *slog.Logger
}

// A Node is another node that is alive.
type Node struct {
	Name        string
	Incarnation string // random, and another one after each start of the node
	Version     string
	Started     time.Time       // by the node's own clock
	Since       time.Time       // when this node noticed the other one
	Silent      time.Duration   // since the last sign of life
	Info        json.RawMessage // what the node's Options.Info returned; nil if there is none
}

// starting reports whether the node may still lack handlers, as far as this node knows.
func (n *Node) starting() bool { return clock.Wall().Sub(n.Since) < startTime }
