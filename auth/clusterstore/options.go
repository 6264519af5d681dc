package clusterstore

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// Options of [Open]. For each number, 0 means the default.
type Options struct {
	// Servers are the NATS servers, and the name of this node.
	Servers natsconn.Options

	// Replicas is the number of servers that keep each line: 3 or 5, or 1 without protection against
	// the loss of a server. It has an effect only if the stream does not exist yet.
	Replicas int

	// MaxBytes is how many bytes the lines take on each server before changes are refused. The stream
	// reserves twice as much, because a compaction writes the new lines beside the old ones. It has an
	// effect on the stream only if the stream does not exist yet.
	MaxBytes int64

	// Logger receives what an operator should know. nil discards it.
	Logger *slog.Logger

	marks <-chan time.Time // when the store writes a mark; nil means every markEvery
}

// Defaults of [Options].
const (
	DefaultReplicas = 3
	DefaultMaxBytes = 512 << 20 // a million tokens take about 300 MB
)

// minBytes is the least MaxBytes. It has room for a few messages of the largest size.
const minBytes = 8 << 20

// StaleAfter is the time without proof that this node has read all lines, after which it is cut off: it is
// not ready, and [Store.Current] returns an error. An election of a leader takes 4 to 9 seconds, and must
// not make all nodes unready at once.
const StaleAfter = 10 * time.Second

// prepare checks the options and sets the defaults.
func (o *Options) prepare() error {
	if err := o.Servers.Check(); err != nil {
		return err
	}
	if o.Replicas == 0 {
		o.Replicas = DefaultReplicas
	}
	if o.Replicas != 1 && o.Replicas != 3 && o.Replicas != 5 {
		return fmt.Errorf("the number of replicas %d is not valid: it is 1, 3 or 5", o.Replicas)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxBytes < minBytes {
		return fmt.Errorf("the size of %d bytes for tokens, keys and revocations is too small: give at least %d", o.MaxBytes, minBytes)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Errors of a [Store], beside those of package auth.
var (
	// ErrFull means that the lines take [Options].MaxBytes.
	ErrFull = errors.New("the stream is full")

	// ErrReplaced means that the stream does not contain what this node has read from it: it was
	// deleted and made again, or replaced by an older copy.
	ErrReplaced = errors.New("the stream was replaced by another one")

	// ErrCutOff means that this node may have missed changes of other nodes.
	ErrCutOff = errors.New("this node is cut off from the cluster")
)
