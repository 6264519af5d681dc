package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/internal/doctor"
)

func doctorCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check a running server from the outside",
		Description: "Uses a server as backends and subscribers do, through all proxies in between, and prints a\n" +
			"line for each check: ok, skipped, warning or FAILED, and what to do. It checks TLS, both ports,\n" +
			"the key, the clock, the WebSocket upgrade, the origin of pages, event streams, file descriptors,\n" +
			"the nodes of a cluster and a token. It publishes one message, on a channel of its own.\n" +
			"Exits with 1 if a check failed.\n\n" +
			"With --quick it is a health check for the same machine or container: it reads the server's\n" +
			"configuration, asks /readyz, and exits with 0 if the server is ready and with 1 otherwise.\n" +
			"It needs no key and no shell, and takes at most 3 seconds.\n\n" +
			"Examples:\n" +
			"  boreas doctor\n" +
			"  boreas doctor --api=http://10.0.0.5:8001 --ws=wss://push.example.com --origin=https://www.example.com\n" +
			"  boreas doctor --api=http://n1:8001 --ws=ws://n1:8002 --node=http://n2:8001 --node=http://n3:8001\n" +
			"  boreas doctor --token-file=- < the-token\n" +
			"  boreas doctor --quick --config=/etc/boreas/boreas.toml",
		Flags: append([]cli.Flag{
			apiFlag(), keyFileFlag(), wsFlag(),
			tokenFileFlag("check the token in `FILE`; - is standard input"),
			&cli.StringSliceFlag{Name: "node", Usage: "the `URL` of the API of another node of the cluster: check that messages pass from one to the other"},
			&cli.StringFlag{Name: "origin", Usage: "the `ORIGIN` of pages that connect, such as https://www.example.com"},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object per line"},
			&cli.BoolFlag{Name: "quick", Usage: "only check whether the server of this machine is ready"},
		}, someOptionFlags(func(name string) bool { return slices.Contains(quickOptions, name) })...),
		Action: p.doctor,
	}
}

// quickOptions are the server's options that `boreas doctor --quick` takes on the command line, for a
// server that got them there. Others come from the environment or the file.
var quickOptions = []string{"config", "api_host", "api_port", "ws_host", "ws_port"}

// quickDoctor asks the local server whether it is ready. Every failure has the exit code 1, because
// container engines reserve others.
func (p *program) quickDoctor(ctx context.Context, cmd *cli.Command) error {
	for _, f := range cmd.Flags {
		_, option := f.(*cli.GenericFlag)
		if name := f.Names()[0]; f.IsSet() && !option && name != "quick" {
			return fmt.Errorf("--%s has no effect with --quick, which finds the server in its configuration: leave out one of them", name)
		}
	}
	cfg, err := p.readConfig(cmd)
	if err != nil {
		return fmt.Errorf("the configuration is not valid, so the server cannot be found: %w", firstOf(err))
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	ready, err := doctor.Quick(ctx, cfg)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, printable(ready))
	return err
}

// firstOf returns the first error of a configuration, without what makes it a usageError.
func firstOf(err error) error {
	first, _, _ := strings.Cut(each(err)[0].Error(), "\n")
	return errors.New(first)
}

func (p *program) doctor(ctx context.Context, cmd *cli.Command) error {
	if err := takesNoArguments(cmd); err != nil {
		return err
	}
	if cmd.Bool("quick") {
		return p.quickDoctor(ctx, cmd)
	}
	for _, f := range cmd.Flags {
		if _, option := f.(*cli.GenericFlag); option && f.IsSet() {
			return usagef("--%s needs --quick; a check from outside takes the URLs --api and --ws", f.Names()[0])
		}
	}
	o := doctor.Options{API: p.apiURL(cmd), WS: p.wsURL(cmd), Origin: cmd.String("origin"), Nodes: cmd.StringSlice("node")}
	var err error
	if o.Key, err = p.apiKey(cmd); err != nil {
		return err
	}
	if o.Token, err = p.givenToken(cmd); err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	failed := 0
	var broken error // an error of standard output
	err = doctor.Run(ctx, o, func(f doctor.Finding) {
		if f.Level == doctor.Failed {
			failed++
		}
		if cmd.Bool("json") {
			broken = cmp.Or(broken, p.printLine(f))
		} else {
			_, err := fmt.Fprint(p.stdout, findingText(f))
			broken = cmp.Or(broken, err)
		}
	})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted")
	case err != nil:
		return usageError{err}
	case broken != nil:
		return broken
	case failed == 1:
		return fmt.Errorf("a check failed")
	case failed > 1:
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// findingText formats a finding. It contains text from servers.
func findingText(f doctor.Finding) string {
	text := fmt.Sprintf("%-8s %-12s %s\n", f.Level, f.Check, printable(f.Text))
	if f.Do != "" {
		text += strings.Repeat(" ", 22) + printable(f.Do) + "\n"
	}
	return text
}
