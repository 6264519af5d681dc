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

	"github.com/boreas-pubsub/boreas/client"
)

// maxPublish is the size in bytes of the largest message that publish reads; a
// server takes 1 MiB unless told otherwise.
const maxPublish = 64 << 20

func publishCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "publish",
		Usage:     "send a message to everyone on a channel",
		ArgsUsage: "CHANNEL JSON|-",
		Description: "The message is one JSON text and goes out as it is. With - it is read from standard\n" +
			"input; with --lines, each line there is a message, sent as soon as it is read.\n" +
			"A message is sent once and not again: if the server's answer is lost, nobody knows\n" +
			"whether it was delivered.\n\n" +
			"Examples:\n" +
			"  boreas publish news '{\"title\": \"It snows\"}'\n" +
			"  boreas publish news '\"a text\"'\n" +
			"  boreas publish news - < message.json\n" +
			"  tail -f log.jsonl | boreas publish --lines log -\n" +
			"  boreas publish numbers -- -1             (-- ends the flags)",
		Flags: []cli.Flag{
			apiFlag(),
			&cli.BoolFlag{Name: "lines", Usage: "each line of standard input is a message"},
			&cli.BoolFlag{Name: "dry-run", Usage: "have the server check everything and deliver nothing"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 2 {
				return usagef("give a channel and a message: %s CHANNEL JSON|-", cmd.FullName())
			}
			channel, text := cmd.Args().Get(0), cmd.Args().Get(1)
			if cmd.Bool("lines") && text != "-" {
				return usagef("--lines reads standard input: give - instead of the message")
			}
			if text != "-" && !json.Valid([]byte(text)) {
				return usagef("the message is not valid JSON; a text needs quotes of its own: '\"like this\"'")
			}
			c, err := p.apiClient(cmd)
			if err != nil {
				return err
			}
			defer c.Close()
			send := func(message []byte) error {
				return c.Broadcast(ctx, channel, json.RawMessage(message), client.BroadcastOptions{DryRun: cmd.Bool("dry-run")})
			}
			switch {
			case text != "-":
				return send([]byte(text))
			case cmd.Bool("lines"):
				return eachLine(p.stdin, send)
			}
			message, err := io.ReadAll(io.LimitReader(p.stdin, maxPublish+1))
			if err != nil {
				return fmt.Errorf("read standard input: %w", err)
			}
			if len(message) > maxPublish {
				return fmt.Errorf("standard input holds more than %d bytes, too much for a message", maxPublish)
			}
			return send(message)
		},
	}
}

// eachLine sends each line that is not blank. It stops at the first that fails and
// says which that was, so that the rest can be sent after it was put right.
func eachLine(in io.Reader, send func([]byte) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxPublish)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := send(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d holds more than %d bytes, too much for a message", number+1, maxPublish)
	} else if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	return nil
}
