package main

import (
	"context"
	"encoding/json"

	"github.com/urfave/cli/v3"
)

func purgeCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "purge",
		Usage:     "drop all messages that a channel keeps",
		ArgsUsage: "CHANNEL",
		Description: "Prints the position up to which the messages are gone, as {\"position\": ...}. This cannot be\n" +
			"undone. Subscribers that are up to date notice nothing; a client that resumes from an\n" +
			"earlier position gets a gap with the reason purged. It needs a key with the verb admin.\n\n" +
			"Example:\n" +
			"  boreas purge news",
		Flags:  []cli.Flag{apiFlag(), keyFileFlag()},
		Action: p.purge,
	}
}

func (p *program) purge(ctx context.Context, cmd *cli.Command) error {
	channel := cmd.Args().First()
	if cmd.Args().Len() != 1 || channel == "" {
		return usagef("give one argument: %s CHANNEL", cmd.FullName())
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	position, err := c.Purge(ctx, channel)
	if err != nil {
		return needsNewer(err)
	}
	return json.NewEncoder(p.stdout).Encode(map[string]string{"position": position})
}
