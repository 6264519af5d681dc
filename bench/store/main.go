// Command store measures a store of messages inside its own process: how fast it publishes, how
// many bytes it writes for that, and how fast it replays. It prints one JSON object.
//
// The build tag pebble adds the store on Pebble. Without it, a check of this module does not compile
// Pebble, which takes longer than everything else together.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "store:", err)
		os.Exit(1)
	}
}

// A store keeps the newest messages of each channel. Its publish returns when a loss of power cannot
// take the message any more, if the store promises that.
type store interface {
	publish(ctx context.Context, channel int, data []byte) error
	close() error
}

// openers open a store in an empty directory.
var openers = map[string]func(dir string) (store, error){
	"disk":   openDisk,
	"sorted": openSorted,
	"memory": openMemory,
	"pebble": openPebble,
	"sync":   openBare,
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("store", flag.ContinueOnError)
	name := flags.String("store", "disk", "disk, memory, pebble, sorted: disk until all messages are sorted, or sync: a bare write of 4 KiB that waits for the disk")
	dir := flags.String("dir", "", "an empty directory on the disk to measure")
	publishers := flags.Int("publishers", 1, "each publishes its next message when the last one is kept")
	warmup := flags.Duration("warmup", time.Second, "how long to publish before measuring")
	measured := flags.Duration("measured", 5*time.Second, "how long to measure")
	replayed := flags.Int("replay", 0, "fill one channel with this many messages, open the directory again, and read them")
	reopened := flags.Int("reopen", 0, "fill channels with 100 messages each, this many together, and open the directory again")
	step := flags.String("step", "", "run only one step of -reopen: fill, open, sort or read")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || *publishers < 1 || *publishers > messages || flags.NArg() > 0 {
		return fmt.Errorf("-dir is required, and -publishers must be from 1 to %d", messages)
	}
	var metrics map[string]float64
	var err error
	switch {
	case (*replayed > 0 || *reopened > 0) && *name != "disk":
		return errors.New("-replay and -reopen are for the store disk")
	case *step != "":
		metrics, err = reopenStep(ctx, *dir, *reopened, *step)
	case *reopened > 0:
		metrics, err = reopen(ctx, *dir, *reopened)
	case *replayed > 0:
		metrics, err = replay(ctx, *dir, *replayed)
	default:
		metrics, err = flood(ctx, *name, *dir, *publishers, *warmup, *measured)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", *name, err)
	}
	return json.NewEncoder(stdout).Encode(metrics)
}

func open(name, dir string) (store, error) {
	opener := openers[name]
	if opener == nil {
		return nil, fmt.Errorf("it is not a store; -store is one of disk, memory, pebble, sorted, sync")
	}
	return opener(dir)
}

// channelName returns the name of a channel.
func channelName(channel int) string { return channelNames[channel] }

var channelNames = func() []string {
	names := make([]string, channels)
	for i := range names {
		names[i] = strings.Join([]string{"room", fmt.Sprint(i)}, "-")
	}
	return names
}()
