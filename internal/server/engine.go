package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/disk"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// HistoryDir is the directory of the engine on disk, in data_dir.
const HistoryDir = "history"

// NewEngine returns the engine of a server with this configuration. It logs what it has found in the
// directory of the engine on disk, or on the NATS servers. An error is one sentence for the operator.
func NewEngine(ctx context.Context, cfg config.Config, log *slog.Logger) (engine.Engine, error) {
	return newEngine(ctx, cfg, log, newRules(cfg))
}

func newEngine(ctx context.Context, cfg config.Config, log *slog.Logger, rules *liveRules) (engine.Engine, error) {
	if cfg.NATS() {
		servers, err := clusterServers(ctx, cfg, log)
		if err != nil {
			return nil, err
		}
		return newClusterEngine(ctx, cfg, log, rules, servers, nil)
	}
	if cfg.Engine != config.EngineDisk {
		return memory.New(memory.Options{
			Memory:    cfg.HistoryMemory,
			Limits:    func(channel string) engine.Retention { return rules.For(channel).Retention },
			KeyWindow: keyWindow(cfg),
		}), nil
	}
	o := diskOptions(cfg, rules)
	o.Logger, o.Progress = log, logProgress(log)
	e, opened, err := disk.Open(filepath.Join(cfg.DataDir, HistoryDir), o)
	if err != nil {
		return nil, explainOpen(err, cfg.DataDir)
	}
	logOpened(log, opened, cfg.SyncInterval)
	return e, nil
}

// openEngine opens an engine. It returns when ctx ends, because a large directory takes long to read
// and a server that is stopped meanwhile should end. The engine is then closed once it is open.
func openEngine(ctx context.Context, open func() (engine.Engine, error)) (engine.Engine, error) {
	type result struct {
		engine engine.Engine
		err    error
	}
	done := make(chan result, 1)
	go func() {
		e, err := open()
		done <- result{e, err}
	}()
	select {
	case r := <-done:
		return r.engine, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				r.engine.Close() // nothing was published, so an error has no effect
			}
		}()
		return nil, fmt.Errorf("open the messages: %w", ctx.Err())
	}
}

// diskOptions returns the options of the engine on disk.
func diskOptions(cfg config.Config, rules *liveRules) disk.Options {
	// The engine begins a new file after a part of the age, so the age of all channels together
	// bounds the number of files.
	age := cfg.LongestAge()
	return disk.Options{
		Age:          age,
		Memory:       cfg.HistoryMemory,
		Limits:       func(channel string) engine.Retention { return rules.For(channel).Retention },
		InMemory:     func(channel string) bool { return rules.For(channel).InMemory },
		KeyWindow:    keyWindow(cfg),
		SyncInterval: cfg.SyncInterval,
		Disk:         cfg.HistoryDisk,
		DiskFree:     cmp.Or(cfg.DiskFree, -1), // as in keyWindow
	}
}

// keyWindow returns the window of an engine. 0 means that keys have no effect, but to an engine it
// means the default.
func keyWindow(cfg config.Config) time.Duration { return cmp.Or(cfg.IdempotencyWindow, -1) }

// progressEvery is the time between two lines of the log while a large directory is read.
const progressEvery = 5 * time.Second

// logProgress returns a function that logs how much of the directory has been read.
func logProgress(log *slog.Logger) func(read, all int64) {
	last := time.Now()
	return func(read, all int64) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			log.Info("reading the messages on disk", "read", read, "of", all)
		}
	}
}

// logOpened logs what the engine on disk has found.
func logOpened(log *slog.Logger, o disk.Opened, interval time.Duration) {
	epoch := "kept"
	if o.Created {
		epoch = "new, because the directory is new"
	}
	log.Info("messages are kept on disk", "dir", o.Dir, "epoch", epoch, "epoch_number", strconv.FormatUint(o.Epoch, 32),
		"messages", o.Messages, "channels", o.Channels, "keys", o.Keys, "segments", o.Segments, "bytes", o.Bytes, "took", o.Took)
	if o.Lost {
		log.Warn("the server did not end properly, and with sync_interval the end of the messages may be lost: clients that have received lost messages get a gap",
			"sync_interval", interval, "lives", o.Lives)
	}
	if o.Cut > 0 {
		log.Warn("the last write was not complete and was removed; its messages were not acknowledged, unless sync_interval is set", "bytes", o.Cut)
	}
	if o.KeysLost > 0 {
		log.Warn("history_memory is too small for all idempotency keys: a message that is sent again with a forgotten key is published twice", "forgotten", o.KeysLost)
	}
}

// explainOpen adds what to do to an error of opening the messages in a directory.
func explainOpen(err error, dataDir string) error {
	var damage *disk.DamageError
	var version *disk.VersionError
	switch {
	case errors.As(err, &damage):
		return fmt.Errorf("the messages in data_dir are damaged: %w: put a backup in the place of the directory, or run `boreas data repair --data-dir=%s`, "+
			"which drops the messages that cannot be read and begins a new epoch", err, dataDir)
	case errors.As(err, &version):
		return fmt.Errorf("the messages in data_dir (%s) cannot be read: %w", dataDir, err)
	case errors.Is(err, disk.ErrInUse):
		return fmt.Errorf("the messages in data_dir (%s) are in use by another process: stop it, or give another data_dir", dataDir)
	case isUnwritable(err):
		return explainUnwritable(err, dataDir)
	}
	return fmt.Errorf("open the messages in data_dir (%s): %w", dataDir, err)
}

// isUnwritable reports whether this process may not write to a directory.
func isUnwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

func explainUnwritable(err error, dataDir string) error {
	return fmt.Errorf("the server cannot write to its data_dir (%s): %w: give the directory to the user that the server runs as", dataDir, err)
}
