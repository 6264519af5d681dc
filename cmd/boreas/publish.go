package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/textfile"
)

// maxPublish is the largest message that publish reads, in bytes. By default a server accepts 1
// MiB.
const maxPublish = 64 << 20

func publishCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "publish",
		Usage:     "send a message to everyone on a channel",
		ArgsUsage: "CHANNEL JSON|-",
		Description: "The message is one JSON text, which is sent unchanged. With - it is read from standard\n" +
			"input; with --lines, each line there is a message, sent as soon as it is read.\n" +
			"Prints {\"position\": ..., \"subscribers\": ...} for each message: its place in the channel's\n" +
			"log, and the number of subscribers.\n\n" +
			"The command sends a message once. If the server's answer is lost, the message may or may\n" +
			"not have been published. With --key you can repeat the command: the server publishes the\n" +
			"message only once, and a repetition prints \"duplicate\": true.\n\n" +
			"Examples:\n" +
			"  boreas publish news '{\"title\": \"It snows\"}'\n" +
			"  boreas publish news '\"a text\"'\n" +
			"  boreas publish --key=order-17 orders - < message.json\n" +
			"  tail -f log.jsonl | boreas publish --lines log -\n" +
			"  boreas publish numbers -- -1             (-- ends the flags)",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(),
			&cli.StringFlag{Name: "key", Usage: "publish at most once with this `KEY`, within 2 minutes by default"},
			&cli.BoolFlag{Name: "lines", Usage: "each line of standard input is a message"},
			&cli.BoolFlag{Name: "dry-run", Usage: "let the server check the message without publishing it"},
			&cli.BoolFlag{Name: "classic", Usage: "use the API of Boreas 1, and print nothing"},
		},
		Action: p.publish,
	}
}

func (p *program) publish(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Len() != 2 {
		return usagef("give a channel and a message: %s CHANNEL JSON|-", cmd.FullName())
	}
	channel, text := cmd.Args().Get(0), cmd.Args().Get(1)
	lines := cmd.Bool("lines")
	switch {
	case lines && text != "-":
		return usagef("--lines reads standard input: give - instead of the message")
	case text != "-" && !json.Valid([]byte(text)):
		return usagef("the message is not valid JSON; a text needs quotes of its own: '\"like this\"'")
	case cmd.IsSet("key") && cmd.String("key") == "":
		return usagef("--key must not be empty")
	case cmd.IsSet("key") && lines:
		return usagef("--key is for one message and cannot be used with --lines")
	case cmd.IsSet("key") && cmd.Bool("classic"):
		return usagef("--key cannot be used with --classic, because its API has no keys")
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	dryRun := cmd.Bool("dry-run")
	send := func(message []byte) error {
		ack, err := c.Publish(ctx, channel, json.RawMessage(message), client.PublishOptions{Key: cmd.String("key"), DryRun: dryRun})
		if err != nil {
			return olderServer(err)
		}
		return json.NewEncoder(p.stdout).Encode(receipt{ack.Position, ack.Subscribers, ack.Duplicate, dryRun})
	}
	if cmd.Bool("classic") {
		send = func(message []byte) error {
			return c.Broadcast(ctx, channel, json.RawMessage(message), client.BroadcastOptions{DryRun: dryRun})
		}
	}
	switch {
	case text != "-":
		return send([]byte(text))
	case lines:
		return eachLine(p.stdin, send)
	}
	message, err := textfile.From(p.stdin, maxPublish)
	if err != nil {
		return fmt.Errorf("read the message from standard input: %w", err)
	}
	return send(message)
}

// A receipt is the output for a published message. Its fields are named as in the API.
type receipt struct {
	Position    string `json:"position,omitempty"` // "" after a dry run
	Subscribers int    `json:"subscribers"`
	Duplicate   bool   `json:"duplicate,omitempty"`
	DryRun      bool   `json:"dry_run,omitempty"`
}

// eachLine sends each line that is not blank. It stops at the first failure. The error contains the
// line's number, so that the user can fix the line and send the rest.
func eachLine(in io.Reader, send func([]byte) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxPublish)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(line) == 0 {
			continue
		}
		if err := send(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d has more than %d bytes, which is too much for a message", number+1, maxPublish)
	} else if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	return nil
}
