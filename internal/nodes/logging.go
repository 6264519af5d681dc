package nodes

import (
	"log/slog"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// maxProblems bounds the problems that an occasionalLog remembers.
const maxProblems = 1024

// occasionalLog is a log that repeats a record about the same problem with the same node only after
// logInterval. Problems come many times per second.
type occasionalLog struct {
	*slog.Logger
	mu   sync.Mutex
	last map[string]clock.Mono // by problem and node
}

func (l *occasionalLog) init(log *slog.Logger) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l.Logger, l.last = log, make(map[string]clock.Mono)
}

// due reports whether a record about the problem with the node should be written now.
func (l *occasionalLog) due(problem, node string) bool {
	key, now := problem+" "+node, clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, known := l.last[key]; known && now.Sub(last) < logInterval {
		return false
	}
	if len(l.last) >= maxProblems {
		clear(l.last) // at worst a record is repeated too early
	}
	l.last[key] = now
	return true
}
