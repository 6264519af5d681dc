package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"
)

func serveCommand(*program) *cli.Command {
	return &cli.Command{
		Name: "serve",
		Action: func(context.Context, *cli.Command) error {
			return errors.New("not built yet")
		},
	}
}
