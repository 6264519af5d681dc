package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/textfile"
)

// The environment variables of the commands that talk to a server.
const (
	envAPI   = "BOREAS_API_URL"
	envWS    = "BOREAS_WS_URL"
	envToken = "BOREAS_TOKEN"
	envKey   = "BOREAS_API_KEY"
)

// maxSecret is the maximum size of a file with a token or a key, in bytes.
const maxSecret = 64 << 10

func (p *program) getenv(name string) string {
	for _, entry := range p.env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return strings.TrimSpace(value) // a secret that was written with `echo` ends with a line break
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

// keyFileFlag returns a flag that all commands with apiFlag have.
func keyFileFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "key-file", TakesFile: true,
		Usage: "read the API key from `FILE`; without it, from environment variable " + envKey,
	}
}

func wsFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "ws", DefaultText: client.DefaultWS,
		Usage: "`URL` of the server's port for subscribers, or environment variable " + envWS,
	}
}

func tokenFileFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "token-file", Usage: usage, TakesFile: true}
}

// apiURL and wsURL return the server's URLs. Flags override the environment.
func (p *program) apiURL(cmd *cli.Command) string {
	return cmp.Or(cmd.String("api"), p.getenv(envAPI), client.DefaultAPI)
}

func (p *program) wsURL(cmd *cli.Command) string {
	url := cmp.Or(cmd.String("ws"), p.getenv(envWS), client.DefaultWS)
	// A WebSocket starts as an HTTP request, so users may copy its URL from a browser or from curl.
	if rest, ok := strings.CutPrefix(url, "http"); ok && (strings.HasPrefix(rest, "://") || strings.HasPrefix(rest, "s://")) {
		return "ws" + rest
	}
	return url
}

// apiKey returns the API key, or "" if there is none.
func (p *program) apiKey(cmd *cli.Command) (string, error) {
	if cmd.IsSet("key-file") {
		return p.secretFile("an API key", cmd.String("key-file"))
	}
	return p.getenv(envKey), nil
}

// keyAdvice returns how to send a key, if the API refused a request because of its key.
func keyAdvice(err error) string {
	var refusal *client.Error
	if errors.As(err, &refusal) && refusal.Code == client.CodeInvalidKey {
		return "name the file with the API key with --key-file=FILE, or set " + envKey
	}
	return ""
}

// apiClient returns a client for the server's API.
func (p *program) apiClient(cmd *cli.Command) (*client.Client, error) {
	key, err := p.apiKey(cmd)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Options{API: p.apiURL(cmd), Key: key})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// tokenFile reads a token from a file, or from standard input if its name is "-".
func (p *program) tokenFile(name string) (string, error) { return p.secretFile("a token", name) }

// secretFile reads a secret from a file, or from standard input if the name is "-". Secrets are
// never arguments, because every user of the machine can see arguments.
func (p *program) secretFile(what, name string) (string, error) {
	var text []byte
	var err error
	if name == "-" {
		name = "standard input"
		text, err = textfile.From(p.stdin, maxSecret)
	} else {
		text, err = textfile.Read(name, maxSecret)
	}
	if err != nil {
		return "", fmt.Errorf("read %s from %s: %w", what, name, err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, " \t\r\n") {
		return "", fmt.Errorf("%s must contain %s: one line, without spaces", name, what)
	}
	return secret, nil
}

// printJSON prints a value as indented JSON.
func (p *program) printJSON(value any) error {
	out := json.NewEncoder(p.stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(value)
}

// printLine prints a value as one line of JSON.
func (p *program) printLine(value any) error {
	out := json.NewEncoder(p.stdout)
	out.SetEscapeHTML(false)
	return out.Encode(value)
}
