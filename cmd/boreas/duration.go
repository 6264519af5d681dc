package main

import (
	"errors"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// duration is the value of a duration flag. Unlike the library's type it accepts days, as options
// do.
type duration time.Duration

var errDuration = errors.New("want a duration such as 1m30s, 12h or 1d")

func (d *duration) Set(text string) error {
	parsed, err := config.ParseDuration(text)
	if err != nil {
		return errDuration
	}
	*d = duration(parsed)
	return nil
}

func (d *duration) String() string {
	if *d == 0 {
		return "" // no default to print
	}
	return config.FormatDuration(time.Duration(*d))
}

func (d *duration) Get() any { return d }

// durationFlag returns a duration flag; value is its default, or 0 for none.
func durationFlag(name, usage string, value time.Duration) cli.Flag {
	d := duration(value)
	return &cli.GenericFlag{Name: name, Usage: usage, Value: &d}
}

// durationOf returns the value of a durationFlag.
func durationOf(cmd *cli.Command, name string) time.Duration {
	d, ok := cmd.Generic(name).(*duration)
	if !ok {
		return 0
	}
	return time.Duration(*d)
}
