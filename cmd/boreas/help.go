package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

const rootHelp = `Boreas is a real-time pub/sub server: backends publish JSON over HTTP, and browsers
and devices receive it over WebSocket.

Start it, and try it from another terminal:
  boreas                                  API on 127.0.0.1:8001, WebSocket on 127.0.0.1:8002
  boreas subscribe news                   prints each message as a line of JSON
  boreas publish news '{"hello": "you"}'

Usage:
  boreas [flags]                          run the server
  boreas COMMAND [flags]                  run another command; see boreas COMMAND --help
  boreas --version                        print the version; also -v

Commands:
`

const optionsHelp = `
Flags of the server, with their defaults:
%s
You can also set an option as an environment variable (BOREAS_API_PORT=9001) or in the
file boreas.toml or boreas.conf (api_port = 9001). Flags override the environment, and the
environment overrides the file. Flags may have underscores: --api_port.

Examples:
  boreas --api-port=9001 --ws-port=9002
  boreas --ws-host=0.0.0.0 --token-provider=file:/etc/boreas/tokens
  boreas --token-provider='exec:python3 manage.py boreas_tokens'
  boreas config                           print the value of each option, and its source
  boreas config --toml > boreas.toml      make a commented file to start with
`

const serveHelp = "Runs the server. `boreas` alone does the same.\n\nUsage:\n  boreas serve [flags]\n"

// printHelp prints the help of a command, as the library's HelpPrinter. The help of the commands that run
// the server is ours. It has no template: package text/template calls methods by name, so a program
// that uses it keeps every exported method. The build tag urfave_cli_no_template removes the templates of
// the library too.
func printHelp(w io.Writer, template string, data any) {
	cmd, _ := data.(*cli.Command)
	switch {
	case cmd != nil && cmd.FullName() == "boreas":
		fmt.Fprint(w, rootHelp)
		for _, c := range cmd.VisibleCommands() {
			fmt.Fprintf(w, "  %-12s%s\n", c.Name, c.Usage)
		}
		fmt.Fprintf(w, optionsHelp, optionTable())
	case cmd != nil && cmd.FullName() == "boreas serve":
		fmt.Fprint(w, serveHelp)
		fmt.Fprintf(w, optionsHelp, optionTable())
	default:
		cli.DefaultPrintHelp(w, template, data)
	}
}

// optionTable lists the server's options by group.
func optionTable() string {
	var b strings.Builder
	group := ""
	for _, o := range config.Options() {
		if o.Group != group {
			group = o.Group
			fmt.Fprintf(&b, "\n  %s\n", group)
		}
		fmt.Fprintf(&b, "    %s\n", optionHelp(o))
	}
	return b.String()
}

// helpCommand is `boreas help [COMMAND]`, which many people type first.
func helpCommand(*program) *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "print the help of a command",
		ArgsUsage: "[COMMAND]",
		Action: func(ctx context.Context, cmd *cli.Command) error {
			name := cmd.Args().First()
			if name == "" {
				return cli.ShowRootCommandHelp(cmd.Root())
			}
			if cmd.Root().Command(name) == nil {
				return unknownCommand(cmd.Root(), name)
			}
			return cli.ShowCommandHelp(ctx, cmd.Root(), name)
		},
	}
}
