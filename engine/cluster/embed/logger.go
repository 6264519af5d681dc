//go:build !noembed

package embed

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// sameLine is the time in which a line is logged once. A server repeats most lines each second
	// until their cause is gone.
	sameLine = 30 * time.Second

	// maxLines is how many different lines are remembered.
	maxLines = 256
)

// logger passes the lines of the server on. It is a server.Logger.
type logger struct {
	log *slog.Logger

	mu      sync.Mutex
	started bool                 // this node has found the others
	fatal   error                // the first error after which the server does not work
	logged  map[string]time.Time // when a line was logged last, by its text without numbers
}

var numbers = regexp.MustCompile(`[0-9]+`)

// Noticef receives lines about the server's normal work.
func (l *logger) Noticef(format string, v ...any) { l.log.Debug("NATS: " + fmt.Sprintf(format, v...)) }

// Warnf receives lines about what may become a fault.
func (l *logger) Warnf(format string, v ...any) { l.warn(format, v...) }

// Errorf receives lines about faults. Most are of other nodes, or go away, so none is an error here.
func (l *logger) Errorf(format string, v ...any) { l.warn(format, v...) }

// Fatalf receives the reason for which the server does not work.
func (l *logger) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	l.log.Error("the NATS server of this node has failed", "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == nil {
		l.fatal = err
	}
}

// Debugf is not called.
func (l *logger) Debugf(string, ...any) {}

// Tracef is not called.
func (l *logger) Tracef(string, ...any) {}

// usual are parts of the server's warnings about what happens at each start.
var usual = []string{"Plaintext passwords detected", "Waiting for routing", "Metalayer blocking snapshot", "has not established contact with a meta leader"}

func (l *logger) warn(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	if slices.ContainsFunc(usual, func(part string) bool { return strings.Contains(line, part) }) {
		l.log.Debug("NATS: " + line)
		return
	}
	meaning, normal := explain(line)
	key := numbers.ReplaceAllString(line, "#")
	if meaning == diskFull {
		key = meaning // each file has a line
	}
	now := time.Now()
	l.mu.Lock()
	last, known := l.logged[key]
	if known && now.Sub(last) < sameLine {
		l.mu.Unlock()
		return
	}
	if len(l.logged) >= maxLines {
		clear(l.logged)
	}
	l.logged[key] = now
	level := slog.LevelWarn
	switch {
	case normal:
		level = slog.LevelInfo
	case meaning == diskFull:
		level = slog.LevelError
	case !l.started && meaning == unreachable: // the nodes start one after the other
		level = slog.LevelInfo
		delete(l.logged, key) // so that the first warning is not left out
	}
	l.mu.Unlock()
	l.log.Log(context.Background(), level, meaning, "nats", line)
}

// start records that this node has found the others.
func (l *logger) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = true
}

// diskFull says that the server keeps no messages any more. It stops that at the first write that fails, and begins
// again only at a start.
const diskFull = "the disk of this node is full or failed, so this node keeps no messages any more: free space, then restart the node"

// unreachable is what the server's lines about a connection that another node refuses mean.
const unreachable = "another node cannot be reached"

// failed returns the error after which the server does not work, or nil.
func (l *logger) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// explain returns what a line of the server means to an operator. Normal reports that it is no fault.
func explain(line string) (meaning string, normal bool) {
	has := func(text string) bool { return strings.Contains(strings.ToLower(line), text) }
	switch {
	case has("no space left on device"), has("resources, will be disabled"):
		return diskFull, false
	case has("authentication error"):
		return "refused a node with another secret: give all nodes of the cluster the same secret", false
	case has("authorization violation"):
		return "another node refuses the secret of this node: give all nodes of the cluster the same secret", false
	case has("duplicate name"):
		return "refused a second node with the name of this one: give each node its own name", false
	case has("tls"):
		return "no encrypted connection with another node: check the certificates of both nodes", false
	case has("error trying to connect to route"):
		return unreachable, false
	case has("no quorum"):
		return "this node does not reach a majority of the nodes: publishing waits until enough nodes are back; start them, or look at the network between the nodes", false
	case has("stream state outdated"), has("recovering stream state from index errored"), has("ttl state is outdated"):
		return "this node was not stopped in order: it reads its files again", true
	case has("catchup for stream") && has("stalled"):
		return "this node does not get what it has missed from another node: it tries it again", true
	}
	return "the NATS server of this node reports a fault", false
}
