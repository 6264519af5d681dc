// Command livefeed is a web page of news that update by themselves. It is an example of a backend
// that publishes on several channels, from which each reader selects some. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/boreas-pubsub/boreas/v2/examples/stage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "livefeed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("livefeed", flag.ContinueOnError)
	flags.SetOutput(out)
	address := flags.String("listen", "127.0.0.1:8081", "where to serve the page")
	api := flags.String("api", "", "URL of a running Boreas's API, as http://127.0.0.1:8001; without it one is started here")
	ws := flags.String("ws", "", "URL where it takes subscribers, as browsers reach it: ws://127.0.0.1:8002/")
	every := flags.Duration("every", 3*time.Second, "how often something happens by itself; 0: never")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := stage.Open(*api, *ws, *address, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	c, err := s.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	f := newFeed(c, s)

	ctx, cancel := context.WithCancel(ctx)
	var inventing sync.WaitGroup
	defer inventing.Wait()
	defer cancel()
	if *every > 0 {
		inventing.Go(func() { f.invent(ctx, *every, out) })
	}
	return stage.Run(ctx, *address, f.handler(), func(url string) {
		fmt.Fprintf(out, "The feed is at %s (Boreas: API %s, WebSocket %s)\n", url, s.API, s.WS)
	})
}
