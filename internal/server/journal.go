package server

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// JournalError is the prefix with which the journal takes a line for an error (sd-daemon(3)).
const JournalError = "<3>"

// journalPrefix returns the prefix with the severity of syslog for a level.
func journalPrefix(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return JournalError
	case level >= slog.LevelWarn:
		return "<4>"
	case level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// journalHandler writes text for the journal: each line begins with its severity, and has no time,
// because the journal adds one.
type journalHandler struct {
	slog.Handler // writes one line with one call of to.Write
	to           *prefixWriter
}

func newJournalHandler(w io.Writer, o slog.HandlerOptions) slog.Handler {
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if _, own := a.Value.Any().(time.Time); own && len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	to := &prefixWriter{w: w}
	return journalHandler{slog.NewTextHandler(to, &o), to}
}

// Handle implements [slog.Handler].
func (h journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.to.mu.Lock()
	defer h.to.mu.Unlock()
	h.to.prefix = journalPrefix(r.Level)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journalHandler{h.Handler.WithAttrs(attrs), h.to}
}

// WithGroup implements [slog.Handler].
func (h journalHandler) WithGroup(name string) slog.Handler {
	return journalHandler{h.Handler.WithGroup(name), h.to}
}

// prefixWriter writes each line with a prefix, in one call.
type prefixWriter struct {
	w io.Writer

	mu sync.Mutex // held by Handle

	// Guarded by mu.
	prefix string
	line   []byte
}

// Write implements [io.Writer]. The caller holds mu.
func (p *prefixWriter) Write(line []byte) (int, error) {
	p.line = append(append(p.line[:0], p.prefix...), line...)
	n, err := p.w.Write(p.line)
	return max(0, n-len(p.prefix)), err
}
