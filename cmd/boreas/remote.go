package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/client"
)

// The environment variables of the commands that talk to a server.
const (
	envAPI   = "BOREAS_API_URL"
	envWS    = "BOREAS_WS_URL"
	envToken = "BOREAS_TOKEN"
)

// maxTokenFile is more than any token has.
const maxTokenFile = 64 << 10

func (p *program) getenv(name string) string {
	for _, entry := range p.env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func apiFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "api", DefaultText: client.DefaultAPI,
		Usage: "`URL` of the server's API, or environment variable " + envAPI,
	}
}

func wsFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "ws", DefaultText: client.DefaultWS,
		Usage: "`URL` where the server takes subscribers, or environment variable " + envWS,
	}
}

func tokenFileFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "token-file", Usage: usage, TakesFile: true}
}

// apiURL and wsURL return the server's URLs: flags first, then the environment.
func (p *program) apiURL(cmd *cli.Command) string {
	return cmp.Or(cmd.String("api"), p.getenv(envAPI), client.DefaultAPI)
}

func (p *program) wsURL(cmd *cli.Command) string {
	return cmp.Or(cmd.String("ws"), p.getenv(envWS), client.DefaultWS)
}

// apiClient returns a client of the server's API.
func (p *program) apiClient(cmd *cli.Command) (*client.Client, error) {
	c, err := client.New(client.Options{API: p.apiURL(cmd)})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// tokenFile reads a token from a file, or from standard input if its name is "-".
// Tokens are never arguments: every user of a machine can see those.
func (p *program) tokenFile(name string) (string, error) {
	in := p.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		defer f.Close()
		in = f
	} else {
		name = "standard input"
	}
	text, err := io.ReadAll(io.LimitReader(in, maxTokenFile+1))
	if err != nil {
		return "", fmt.Errorf("read the token from %s: %w", name, err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || len(token) > maxTokenFile || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("%s does not hold a token: it must be one line, without spaces", name)
	}
	return token, nil
}
