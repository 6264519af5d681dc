package main

import (
	"context"
	_ "embed"
	"io"

	"github.com/urfave/cli/v3"
)

// bashCompletion completes commands and flags in bash. The library's own script needs functions of
// the package bash-completion, which minimal systems and containers lack, and it evaluates the
// command line.
//
//go:embed completion.bash
var bashCompletion string

func (p *program) completeBash(context.Context, *cli.Command) error {
	_, err := io.WriteString(p.stdout, bashCompletion)
	return err
}
