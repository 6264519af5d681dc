package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/disk"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
)

func migrateCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "migrate",
		Usage: "copy the messages and tokens of one server to a cluster",
		Description: "Reads the data_dir of a server that does not run, and copies its messages, tokens, keys and\n" +
			"revocations to the cluster of the given options. It takes the options of the server, as\n" +
			"`boreas cluster` does. The directory stays as it is. Messages keep their order by channel and, by\n" +
			"and large, by time. Idempotency keys are not copied, and messages older than history_age neither.\n" +
			"The positions of the messages change: each client that resumes gets a gap once.\n" +
			"If it is interrupted, repeat it with --append: it goes on where it was.\n\n" +
			"Example:\n" +
			"  boreas migrate --from=/var/lib/boreas --engine=nats://10.0.0.1,10.0.0.2,10.0.0.3",
		Flags: append(optionFlags(),
			&cli.StringFlag{Name: "from", TakesFile: true, Usage: "the data_dir of a stopped server, a `DIR`"},
			&cli.BoolFlag{Name: "append", Usage: "accept that the cluster has messages already"}),
		Action: p.migrate,
	}
}

const (
	// migrateNode is the name of this command among the nodes of a cluster.
	migrateNode = "migrate"

	// migrateStart bounds the time until the cluster's messages can be used.
	migrateStart = time.Minute

	// migrateBatch is how many messages are under way at once. Only messages of different channels are.
	migrateBatch = 500

	// migrateAge is longer than any history_age, so that the directory keeps all that it has.
	migrateAge = 10 * 365 * 24 * time.Hour
)

func (p *program) migrate(ctx context.Context, cmd *cli.Command) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	from := cmd.String("from")
	if from == "" {
		return usagef("name the data_dir of the stopped server: boreas migrate --from=DIR")
	}
	_, o, err := p.clusterConfig(ctx, cmd)
	if err != nil {
		return err
	}
	o.Servers.Node, o.StateFile = migrateNode, ""
	old, err := p.openOld(from)
	if err != nil {
		return err
	}
	if old != nil {
		defer old.Close() //nolint:errcheck // nothing was published to it
	}
	starting, cancel := context.WithTimeout(ctx, migrateStart)
	defer cancel()
	to, err := cluster.Open(starting, o)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // everything is acknowledged
	channels, err := to.CountChannels(ctx)
	if err != nil {
		return err
	}
	if channels > 0 && !cmd.Bool("append") {
		return usagef("the cluster has messages in %d channels already: give --append to copy to the end of them, or to go on after an interruption; nothing was changed", channels)
	}
	if err := p.migrateAuth(ctx, from, o); err != nil {
		return err
	}
	if old == nil {
		p.note("%s has no messages", from)
		return nil
	}
	m := &migration{from: old, to: to, resume: channels > 0, oldest: time.Now().Add(-o.Age), progress: p.migrateProgress()}
	if err := m.run(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		return fmt.Errorf("%w: %d messages were copied; repeat the command with --append to go on", err, m.copied)
	}
	_, err = fmt.Fprintf(p.stdout, "copied %d messages of %d channels; %d were there already, %d are too old\n", m.copied, m.channels, m.before, m.old)
	return err
}

// openOld opens the messages of a stopped server with limits that drop nothing. It returns nil if there
// are none.
func (p *program) openOld(from string) (*disk.Engine, error) {
	dir, err := filepath.Abs(filepath.Join(from, server.HistoryDir))
	if err != nil {
		return nil, err
	}
	if !isDir(dir) {
		if !isDir(from) {
			return nil, usagef("--from=%s: there is no such directory", from)
		}
		return nil, nil
	}
	e, _, err := disk.Open(dir, disk.Options{
		Messages: math.MaxInt32, Bytes: math.MaxInt64, Age: migrateAge, KeyWindow: -1, Disk: math.MaxInt64, DiskFree: -1, Progress: p.dataProgress(),
	})
	if err != nil {
		return nil, dataError(dir, err)
	}
	return e, nil
}

// migrateAuth copies tokens, keys and revocations.
func (p *program) migrateAuth(ctx context.Context, from string, o cluster.Options) error {
	log := slog.New(slog.DiscardHandler)
	store, err := clusterstore.Open(ctx, clusterstore.Options{Servers: o.Servers, Replicas: o.Replicas, Logger: log})
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // everything is acknowledged
	k, err := auth.Migrate(ctx, from, store, log)
	if err != nil {
		return fmt.Errorf("copy tokens, keys and revocations: %w", err)
	}
	_, err = fmt.Fprintf(p.stdout, "copied %d tokens, %d keys and %d revocations\n", k.Tokens, k.Keys, k.Revocations)
	return err
}

// migrateProgress returns a function that notes how many messages were copied, if it takes long.
func (p *program) migrateProgress() func(copied int) {
	last := time.Now()
	return func(copied int) {
		if now := time.Now(); now.Sub(last) >= dataProgressEvery {
			last = now
			p.note("copied %d messages", copied)
		}
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
