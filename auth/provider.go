package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// NoTokens is the full name, as in Boreas 1.0, of the provider without tokens.
const NoTokens = "boreas.utils.tokens:no_tokens"

// maxProvided is the greatest size, in bytes, of what a provider may say.
const maxProvided = 64 << 20

var errTooLarge = fmt.Errorf("it returned more than %d MiB", maxProvided>>20)

// Load asks a provider for tokens, for at most the given time. Providers are
//
//	no_tokens          none; also under its old name, [NoTokens]
//	file:PATH          what a file holds
//	exec:COMMAND       what a shell's command prints; its exit status must be 0
//	http(s)://...      what a URL gives; its status must be 2xx
//
// Each gives one token a line, or JSON: a list of tokens, or an object that has it
// under "tokens". The error is one line, names the provider without passwords, and
// says what is wrong; it never has a token in it.
func Load(ctx context.Context, provider string, limit time.Duration) ([]string, error) {
	if provider == "no_tokens" || provider == NoTokens {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeLimit)
	defer cancel()

	kind, rest, _ := strings.Cut(provider, ":")
	var text []byte
	var err error
	name := kind
	switch kind {
	case "file":
		name = provider
		text, err = readFile(ctx, rest)
	case "exec":
		text, err = runCommand(ctx, rest)
	case "http", "https":
		name, text, err = fetch(ctx, provider)
	default:
		return nil, errors.New("token provider: want no_tokens, file:PATH, exec:COMMAND, http://URL or https://URL")
	}
	var tokens []string
	if err == nil {
		tokens, err = parse(text)
	}
	switch {
	case err == nil:
		return tokens, nil
	case context.Cause(ctx) == errTimeLimit:
		return nil, fmt.Errorf("token provider %s: no answer within %v", name, limit)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("token provider %s: %w", name, ctx.Err())
	default:
		return nil, fmt.Errorf("token provider %s: %w", name, err)
	}
}

// errTimeLimit tells the limit of Load from an end that its caller asked for.
var errTimeLimit = errors.New("time limit")
