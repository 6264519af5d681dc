package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

// childDir is the environment variable with the data directory of a server in a process of its own.
const childDir = "TRIAL_SERVER_DIR"

// serveChild runs a server with its messages in the directory.
func serveChild(ctx context.Context, dir string, ready func(string)) error {
	return serveUntil(ctx, diskConfiguration(dir), server.Options{}, ready)
}

// serveUntil runs a server until ctx ends. When it listens, it says its addresses.
func serveUntil(ctx context.Context, cfg config.Config, o server.Options, ready func(string)) error {
	var log io.Writer = os.Stderr
	level := slog.LevelError
	if name := logFile(cfg.Node); name != "" && cfg.Node != "" {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		log, level = f, slog.LevelDebug
	}
	o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))
	s, err := server.Start(ctx, cfg, o)
	if err != nil {
		return err
	}
	ready(fmt.Sprint(s.APIAddr(), " ", s.WSAddr()))
	<-ctx.Done()
	hurry(s)
	return nil
}

// diskConfiguration returns a configuration that keeps messages on disk, and all of them: the truth
// is read from there.
func diskConfiguration(dir string) config.Config {
	cfg := configuration()
	cfg.DataDir, cfg.Engine, cfg.DiskFree = dir, config.EngineDisk, 0
	cfg.HistoryMessages, cfg.HistoryBytes, cfg.HistoryAge = 1<<20, 1<<30, 24*time.Hour
	for i := range cfg.Rules {
		r := &cfg.Rules[i]
		r.HistoryMessages, r.HistoryAge = nil, nil
	}
	return cfg
}

// A child is a server in a process of its own.
type child struct {
	*process
	requests requests
	api, ws  string
}

// startChild starts a server and waits until it listens.
func startChild(ctx context.Context, what, variable, task string, r requests) (*child, error) {
	p, line, err := startProcess(ctx, what, variable, task)
	if err != nil {
		return nil, err
	}
	c := &child{process: p, requests: r}
	c.api, c.ws, _ = strings.Cut(line, " ")
	return c, nil
}

func (c *child) apiAddr() string { return c.api }
func (c *child) wsAddr() string  { return c.ws }

// publish publishes a message and returns its position.
func (c *child) publish(ctx context.Context, channel string, data []byte) (string, error) {
	return c.publishKey(ctx, channel, data, "")
}

// publishKey is publish with an idempotency key, unless it is "".
func (c *child) publishKey(ctx context.Context, channel string, data []byte, key string) (string, error) {
	var header http.Header
	if key != "" {
		header = http.Header{"Idempotency-Key": {key}, "Content-Type": {"application/json"}}
	}
	status, text, err := c.requests.send(ctx, http.MethodPost, "http://"+c.api+"/v2/channels/"+channel+"/messages", header, data)
	if err != nil {
		return "", err
	}
	var answer struct{ Position string }
	if err := json.Unmarshal(text, &answer); err != nil || answer.Position == "" {
		return "", fmt.Errorf("publish on %s: %d %.300s", channel, status, text)
	}
	return answer.Position, nil
}

// head returns the position of a channel's newest message.
func (c *child) head(ctx context.Context, channel string) (engine.Position, error) {
	_, text, err := c.requests.sendWithin(ctx, http.MethodGet, "http://"+c.api+"/v2/channels/"+channel, nil, nil)
	if err != nil {
		return engine.Position{}, err
	}
	var answer struct{ Position string }
	if err := json.Unmarshal(text, &answer); err != nil {
		return engine.Position{}, err
	}
	return engine.ParsePosition(answer.Position)
}

// hurry stops the server in order. An error is reported by stop.
func (c *child) hurry() { c.finish() } //nolint:errcheck // see above

func (c *child) stop(context.Context) error { return c.finish() }

// recordDirectory appends the messages in a data directory to the oracle's log, as one life. No
// server uses the directory.
func recordDirectory(ctx context.Context, dir string, log *oracle.Log) (err error) {
	e, err := server.NewEngine(ctx, diskConfiguration(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("read the messages of a stopped server: %w", err)
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for _, name := range channels() {
		since := engine.Position{}
		for more := true; more; {
			h, err := e.Read(ctx, name, since, engine.Limit{Messages: 1000})
			if err != nil {
				return fmt.Errorf("read the messages on %s: %w", name, err)
			}
			log.Begin(h.Head.Epoch)
			for _, p := range h.Publications {
				since = engine.Position{Epoch: h.Head.Epoch, Offset: p.Offset}
				record(log, since, name, p.Data)
			}
			more = h.More
		}
	}
	return nil
}
