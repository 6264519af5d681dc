package natsconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
)

// DefaultPrefix begins the names of streams and subjects if [Options.Prefix] is empty.
const DefaultPrefix = "boreas"

// Options say which servers a node connects to, and as whom.
type Options struct {
	// URLs are the addresses of the servers: nats://HOST:PORT, or tls://HOST:PORT for a connection
	// that must be encrypted. The port is 4222 if none is given. They contain no credentials.
	URLs []string

	// Server is a server in this process. If it is set, URLs has no effect.
	Server nats.InProcessConnProvider

	// Node is the name of this node. It has letters, digits and "-" and differs from the names of all
	// other nodes.
	Node string

	// Prefix begins the names of streams and subjects. "" means [DefaultPrefix].
	Prefix string

	// Credentials. At most one kind of them is set.
	User, Password string
	Token          string
	NKeyFile       string // a file with the seed of an NKey
	CredsFile      string // a file with a JWT and the seed of its NKey

	// TLS is the configuration of encrypted connections, with the authorities to trust and this
	// node's certificate. nil means the defaults of the system.
	TLS *tls.Config

	// Log receives lost connections and their return. nil discards it.
	Log *slog.Logger
}

func (o *Options) prefix() string {
	if o.Prefix == "" {
		return DefaultPrefix
	}
	return o.Prefix
}

func (o *Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

var (
	prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	nodeForm   = regexp.MustCompile(`^[A-Za-z0-9-]{1,32}$`)
)

// Check returns an error if an option is wrong. The error does not repeat credentials.
func (o *Options) Check() error {
	if !prefixForm.MatchString(o.prefix()) {
		return fmt.Errorf("the prefix %.40q is not valid: it has 1 to 32 letters, digits, \"-\" and \"_\"", o.Prefix)
	}
	if !nodeForm.MatchString(o.Node) {
		return fmt.Errorf("the name of the node %.40q is not valid: it has 1 to 32 letters, digits and \"-\"", o.Node)
	}
	kinds := 0
	for _, set := range []bool{o.User != "" || o.Password != "", o.Token != "", o.NKeyFile != "", o.CredsFile != ""} {
		if set {
			kinds++
		}
	}
	if kinds > 1 {
		return errors.New("give one kind of credentials for NATS: user and password, a token, an NKey or a file of credentials")
	}
	if o.Server != nil {
		return nil
	}
	if len(o.URLs) == 0 {
		return errors.New("there is no address of a NATS server")
	}
	for _, text := range o.URLs {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return errors.New("the address of a NATS server cannot be read; its form is nats://HOST:PORT")
		case u.User != nil:
			return errors.New("the address of a NATS server contains credentials; give them as options of their own, because addresses are logged")
		case u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "":
			return fmt.Errorf("the address %.80q of a NATS server is not valid: its form is nats://HOST:PORT or tls://HOST:PORT", text)
		}
	}
	return nil
}
