// Command chatroom is a chat on a web page. It is an example of a backend that gives each visitor a
// token and publishes their messages. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/boreas-pubsub/boreas/v2/examples/stage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chatroom:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("chatroom", flag.ContinueOnError)
	flags.SetOutput(out)
	address := flags.String("listen", "127.0.0.1:8080", "where to serve the page")
	api := flags.String("api", "", "URL of a running Boreas's API, as http://127.0.0.1:8001; without it one is started here")
	ws := flags.String("ws", "", "URL where it takes subscribers, as browsers reach it: ws://127.0.0.1:8002/")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := stage.Open(*api, *ws, *address, rules())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	c, err := s.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	return stage.Run(ctx, *address, newRoom(c, s).handler(), func(url string) {
		fmt.Fprintf(out, "The chat is at %s (Boreas: API %s, WebSocket %s)\n", url, s.API, s.WS)
	})
}
