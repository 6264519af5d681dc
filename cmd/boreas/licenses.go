package main

import (
	"compress/gzip"
	"context"
	_ "embed"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

// notices are the licences of all packages that are linked into the program, on every supported
// system, compressed because nothing else needs them. `go test ./cmd/boreas -run TestNotices -update` updates the file.
//
//go:embed notices/notices.txt.gz
var notices string

func licensesCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "licenses",
		Usage: "print the licence of Boreas, and of the libraries that are part of the program",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return usagef("%s takes no arguments, and %q is an argument", cmd.FullName(), cmd.Args().First())
			}
			text, err := gzip.NewReader(strings.NewReader(notices))
			if err != nil {
				return err
			}
			_, err = io.Copy(p.stdout, text) //nolint:gosec // the text is a part of the program
			return err
		},
	}
}
