package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"
)

func benchCommand(*program) *cli.Command {
	return &cli.Command{
		Name: "bench",
		Action: func(context.Context, *cli.Command) error {
			return errors.New("not built yet")
		},
	}
}
