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

// maxProvided is the maximum size of a provider's output, in bytes.
const maxProvided = 64 << 20

var errTooLarge = fmt.Errorf("it returned more than %d MiB", maxProvided>>20)

// Load returns the tokens of a provider. The limit bounds the time that it takes. Providers are
//
//	no_tokens          no tokens; NoTokens is its old name
//	file:PATH          the content of a file
//	exec:COMMAND       the output of a shell command; its exit status must be 0
//	http(s)://...      the response of a URL; its status must be 2xx
//
// The content has one token per line, or is JSON: a list of tokens, or an object with the list as
// its member "tokens". The error is one line. It names the provider without passwords and says what
// is wrong, and never contains a token.
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

// errTimeLimit is the cause of a context that ends because of Load's limit, and not because of its
// caller.
var errTimeLimit = errors.New("time limit")
