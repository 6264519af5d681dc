// Package testlog has a log that a test can read while it is being written.
package testlog

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// A Buffer is an io.Writer that keeps all text. Its methods are safe for concurrent use.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

// New returns a logger of text without times, and the buffer that it writes to.
func New() (*slog.Logger, *Buffer) { return NewAt(slog.LevelInfo) }

// NewAt is like New, from a level on.
func NewAt(level slog.Level) (*slog.Logger, *Buffer) {
	b := new(Buffer)
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), b
}

// Write appends to the text.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns the text.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Reset discards the text.
func (b *Buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// Lines returns the lines of the text.
func (b *Buffer) Lines() (lines []string) {
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}
