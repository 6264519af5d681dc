package server

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/ui"
)

// banner writes the start of the server for a person, in the words of 2013, as in the quickstart.
// Programs should read the log.
type banner struct{ w io.Writer }

func newBanner(w io.Writer) banner {
	if w == nil {
		w = io.Discard
	}
	return banner{w}
}

func (b banner) tokenProvider(provider string) {
	if provider == "no_tokens" {
		provider = auth.NoTokens // its full name, as in Boreas 1.0
	}
	fmt.Fprintf(b.w, "Using `%s` to get authentication tokens...\n", config.Redact(provider))
}

func (b banner) tokensLoaded(n int) { fmt.Fprintf(b.w, "Done. Loaded %d tokens.\n", n) }

func (b banner) configuring(requireAuth bool) {
	fmt.Fprintln(b.w, "Configuring servers...")
	if !requireAuth {
		fmt.Fprintln(b.w, "WARNING: require_auth is off: users need not authenticate to join channels.")
	}
}

func (b banner) debugURLs() {
	fmt.Fprint(b.w, "Running in debug mode. Available debug urls are:\n\t- /debug/token-dump\n\t- /debug/recipient-dump\n")
}

// listening writes the last lines. The address of the operator's page follows the lines of 2013,
// in the same write: a program that has read "Running..." may stop reading.
func (b banner) listening(api, ws string, page bool) {
	lines := "API endpoint configured to listen on " + api + "\nWebSocket endpoint configured to listen on " + ws + "\nRunning...\n"
	if page {
		if !strings.Contains(api, "://") {
			api = "http://" + api
		}
		lines += "The operator's page is at " + api + ui.Path + "\n"
	}
	io.WriteString(b.w, lines)
}

// shownAddr returns the configured host with the actual port.
func shownAddr(host string, addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || host == "" {
		return addr.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}
