package main

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/logwriter"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
)

// How long the program waits at its end for the readers of its output: normally, and after a second
// signal.
const (
	flushLimit  = time.Second
	flushAtOnce = 100 * time.Millisecond
)

// logInBackground buffers all later output of the program, so that the server never waits for a
// slow reader. It returns the logger, which package log also uses, its level, and a function that
// counts the dropped lines.
func (p *program) logInBackground(cfg config.Config) (log *slog.Logger, level *slog.LevelVar, dropped func() uint64) {
	stdout := logwriter.New(p.stdout, logwriter.Options{})
	stderr := logwriter.New(p.stderr, logwriter.Options{Report: func(n uint64) []byte { return droppedLine(cfg, p.journal, n) }})
	p.stdout, p.stderr = stdout, stderr
	p.flush = func(limit time.Duration) { flush(limit, stdout, stderr) }

	level = new(slog.LevelVar)
	log = server.NewLogger(stderr, cfg, server.LogOptions{Level: level, Journal: p.journal})
	if cfg.LogFormat == "json" { // its readers parse every line as JSON
		p.fail = func(err error) { log.Error(err.Error()) }
	}
	slog.SetLogLoggerLevel(slog.LevelWarn) // libraries complain through package log
	slog.SetDefault(log)
	return log, level, stderr.Dropped
}

// droppedLine returns the log line that reports dropped lines.
func droppedLine(cfg config.Config, journal bool, n uint64) []byte {
	var line bytes.Buffer
	log := server.NewLogger(&line, cfg, server.LogOptions{Journal: journal})
	level := slog.LevelWarn
	if !log.Enabled(context.Background(), level) {
		level = slog.LevelError
	}
	log.Log(context.Background(), level, "the server dropped lines of the log: its reader was too slow, or writing failed", "lines", n)
	return line.Bytes()
}

// flush closes the writers, all within one time limit.
func flush(limit time.Duration, writers ...*logwriter.Writer) {
	end := time.Now().Add(limit)
	for _, w := range writers {
		w.Close(time.Until(end))
	}
}
