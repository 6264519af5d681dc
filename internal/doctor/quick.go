package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

const (
	// quickTimeout is how long the whole quick check may take.
	quickTimeout = 3 * time.Second

	// maxReason is how many bytes of a reply the quick check reads.
	maxReason = 1 << 10
)

// Quick asks the server of this machine that runs with the given configuration whether it is ready.
// It returns what to say about a server that is ready, and an error with one line otherwise.
//
// It asks the API's port only. The port for subscribers refuses requests while it has as many
// connections as it may have, and nobody should restart a server because it is busy. If the API
// requires client certificates, Quick asks the other port, because it has no certificate.
func Quick(ctx context.Context, cfg config.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, quickTimeout)
	defer cancel()
	port := quickPort{option: "api_port", host: cfg.APIHost, number: cfg.APIPort, tls: cfg.APITLS()}
	if cfg.APIClientCA != "" {
		port = quickPort{option: "ws_port", host: cfg.WSHost, number: cfg.WSPort, tls: cfg.WSTLS()}
		if cfg.ProxyProtocol {
			port.trusted = cfg.Trusted()
		}
		if names := cfg.Domains(); len(names) > 0 {
			port.name = names[0] // without a name there is no certificate of an ACME authority
		}
	}
	if port.number == 0 {
		return "", fmt.Errorf("%s is 0, so the server chose its port by itself and nobody can find it: set %[1]s to a number", port.option)
	}
	return port.ask(ctx)
}

// quickPort is a port of the local server.
type quickPort struct {
	option  string // the name of the option with the number
	host    string // "" means all addresses
	number  int
	tls     bool
	name    string         // the name to request a certificate for
	trusted []netip.Prefix // the addresses that must send the PROXY protocol

	connect func(ctx context.Context, network, address string) (net.Conn, error) // nil means over the network
}

// address returns an address of this machine at which the server listens.
func (p quickPort) address() string {
	host := p.host
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, strconv.Itoa(p.number))
}

func (p quickPort) ask(ctx context.Context) (string, error) {
	address := p.address()
	scheme := "http"
	if p.tls {
		scheme = "https"
	}
	transport := &http.Transport{
		// A proxy of the environment is for other machines.
		Proxy:             nil,
		DisableKeepAlives: true,
		DialContext:       p.dial,
		// The connection does not leave this machine, and a certificate names the server as clients
		// see it, so it would not match a loopback address.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: p.name},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/readyz", nil)
	if err != nil {
		return "", fmt.Errorf("%s: %s is not an address: %w", p.option, address, err)
	}
	resp, err := transport.RoundTrip(req)
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return "", fmt.Errorf("the server at %s has not answered within %v", address, quickTimeout)
	case err != nil:
		return "", fmt.Errorf("the server at %s cannot be reached: %w", address, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	if err != nil {
		return "", fmt.Errorf("the answer of the server at %s broke off: %w", address, err)
	}
	reason := strings.Join(strings.Fields(string(text)), " ")
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server at %s is not ready: %s: %s", address, resp.Status, reason)
	}
	return fmt.Sprintf("the server at %s is ready", address), nil
}

// dial connects to the port. If the server takes this machine for a proxy, it requires the header of
// the PROXY protocol, so dial sends one without an address.
func (p quickPort) dial(ctx context.Context, network, address string) (net.Conn, error) {
	connect := p.connect
	if connect == nil {
		connect = new(net.Dialer).DialContext
	}
	c, err := connect(ctx, network, address)
	if err != nil || len(p.trusted) == 0 {
		return c, err
	}
	own := c.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap() // also the one that the server sees
	if slices.ContainsFunc(p.trusted, func(n netip.Prefix) bool { return n.Contains(own) }) {
		if _, err := io.WriteString(c, "PROXY UNKNOWN\r\n"); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}
