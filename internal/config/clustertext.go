package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/spelling"
)

const (
	engineForm   = "memory, disk, cluster, or nats://HOST,HOST,HOST"
	nodeForm     = "a name of 1 to 32 letters, digits and dashes (empty means the name of the host)"
	peersForm    = "3 or 5 nodes such as n1,n2,n3 or n1=10.0.0.1:6222,n2=10.0.0.2:6222,n3=10.0.0.3:6222"
	listenForm   = "an address and a port such as 10.0.0.1:6222, or :6222 for all addresses"
	prefixForm   = "a name of 1 to 32 letters, digits, dashes and underscores"
	passwordForm = "file:PATH, or the secret itself in the environment or a configuration file"
)

// ClusterPort is the port of a node for the other nodes, if cluster_peers gives none. It is the usual
// one of NATS.
const ClusterPort = 6222

// A Peer is one of the nodes in cluster_peers.
type Peer struct {
	Name string
	Host string // a name or an address without brackets
	Port int
}

// Addr returns the peer's address, in the form of net.Dial.
func (p Peer) Addr() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// Local reports whether the peer is on a loopback address.
func (p Peer) Local() bool {
	address, err := netip.ParseAddr(p.Host)
	return p.Host == "localhost" || err == nil && address.IsLoopback()
}

// Clustered reports whether several nodes share the messages.
func (c Config) Clustered() bool { return c.Engine == EngineCluster || c.NATS() }

// NATS reports whether the messages are on NATS servers that are not part of this program.
func (c Config) NATS() bool { return strings.Contains(c.Engine, "://") }

// NATSServers returns the addresses in engine, such as nats://10.0.0.1:4222.
func (c Config) NATSServers() []string {
	if !c.NATS() {
		return nil
	}
	return mustParse(parseServers(c.Engine))
}

// Peers returns the nodes in cluster_peers, in their order.
func (c Config) Peers() []Peer {
	if c.ClusterPeers == "" {
		return nil
	}
	return mustParse(parsePeers(c.ClusterPeers))
}

// mustParse returns the result of parsing a text that its check has accepted.
func mustParse[T any](parsed T, err error) T {
	if err != nil {
		panic("config: " + err.Error()) // the Config is not from Load or Default
	}
	return parsed
}

// checkEngine checks the name of an engine, or the addresses of NATS servers.
func checkEngine(name string) error {
	names := []string{EngineMemory, EngineDisk, EngineCluster}
	switch {
	case slices.Contains(names, name):
		return nil
	case strings.Contains(name, "://"):
		_, err := parseServers(name)
		return err
	}
	if nearest := spelling.Nearest(name, names); nearest != "" {
		return fmt.Errorf("did you mean %s?", nearest)
	}
	return errors.New("there is no such engine")
}

// parseServers parses a list such as nats://a,b:4222. Each entry may repeat the scheme. Its errors do
// not repeat an entry that contains a password.
func parseServers(list string) ([]string, error) {
	scheme, rest, _ := strings.Cut(list, "://")
	switch {
	case scheme != "nats" && scheme != "tls":
		return nil, errors.New("addresses of NATS servers begin with nats://, or with tls:// for encrypted connections")
	case strings.ContainsAny(list, "@?#"):
		return nil, errors.New("an address has a host and a port only, because addresses are logged: give a user as nats_user and nats_password")
	}
	var servers []string
	for entry := range strings.SplitSeq(rest, ",") {
		entry = strings.TrimSuffix(strings.TrimPrefix(strings.Trim(entry, " "), scheme+"://"), "/")
		if other, _, ok := strings.Cut(entry, "://"); ok {
			return nil, fmt.Errorf("%s:// and %s:// are mixed: use one of them for all addresses", scheme, other)
		}
		host, port, err := splitAddress(entry)
		if err != nil {
			return nil, err
		}
		const port4222 = 4222 // the port of NATS for clients
		server := scheme + "://" + net.JoinHostPort(host, strconv.Itoa(cmp.Or(port, port4222)))
		if slices.Contains(servers, server) {
			return nil, fmt.Errorf("%q is given twice", entry)
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// splitAddress splits a host from its port, which is 0 if there is none.
func splitAddress(entry string) (host string, port int, err error) {
	host = entry
	bracketed := strings.HasPrefix(entry, "[")
	switch colons := strings.Count(entry, ":"); {
	case entry == "":
		return "", 0, errors.New("an entry is empty: remove the extra comma")
	case bracketed && strings.HasSuffix(entry, "]"):
		host = entry[1 : len(entry)-1]
	case bracketed || colons == 1:
		var text string
		host, text, err = net.SplitHostPort(entry)
		if err != nil {
			return "", 0, fmt.Errorf("%q is not a host and a port", entry)
		}
		port, err = strconv.Atoi(text)
		if err != nil || port < 1 || port > maxPort {
			return "", 0, fmt.Errorf("%q: the port is a number from 1 to %d", entry, maxPort)
		}
	}
	if host == "" {
		return "", 0, fmt.Errorf("%q: the host is missing", entry)
	}
	if err := checkHost(host); err != nil {
		return "", 0, fmt.Errorf("%q: %w", entry, err)
	}
	return host, port, nil
}

var (
	nodeName   = regexp.MustCompile(`^[A-Za-z0-9-]{1,32}$`)
	prefixName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
)

func checkNode(name string) error {
	if name != "" && !nodeName.MatchString(name) {
		return errors.New("it is part of the names of NATS subjects")
	}
	return nil
}

func checkPrefix(prefix string) error {
	if !prefixName.MatchString(prefix) {
		return errors.New("it is part of the names of NATS streams")
	}
	return nil
}

func checkPassword(text string) error {
	if text == fileScheme {
		return errors.New("the file's name is missing")
	}
	return nil
}

// checkListen checks an address to listen on. Its port may be any.
func checkListen(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("it is not a host and a port with a colon between them")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > maxPort {
		return fmt.Errorf("the port is a number from 1 to %d", maxPort)
	}
	return checkHost(host)
}

func checkPeers(list string) error {
	if list == "" {
		return nil
	}
	_, err := parsePeers(list)
	return err
}

// parsePeers parses a list of nodes: HOST, HOST:PORT, NAME=HOST or NAME=HOST:PORT.
func parsePeers(list string) ([]Peer, error) {
	var peers []Peer
	for entry := range strings.SplitSeq(list, ",") {
		peer, err := parsePeer(strings.Trim(entry, " "))
		if err != nil {
			return nil, err
		}
		for _, p := range peers {
			switch {
			case p.Addr() == peer.Addr():
				return nil, fmt.Errorf("%s is given twice", p.Addr())
			case strings.EqualFold(p.Name, peer.Name):
				return nil, fmt.Errorf("two nodes have the name %s: give them names of their own, as in n1=%s,n2=%s", p.Name, p.Addr(), peer.Addr())
			case p.Local() != peer.Local():
				return nil, fmt.Errorf("%s and %s cannot reach each other, because only one of them is a loopback address", p.Addr(), peer.Addr())
			}
		}
		peers = append(peers, peer)
	}
	switch n := len(peers); n {
	case 3, 5:
		return peers, nil
	case 1:
		return nil, errors.New("one node is no cluster: remove cluster_peers, and give data_dir so that messages are on its disk")
	case 2:
		return nil, errors.New("with two nodes, both stop when one fails, because one is not a majority of two: name a third, or remove cluster_peers and run one node")
	case 4:
		return nil, errors.New("four nodes stop when two fail, as three do when two fail, and cost more: name 3 or 5")
	default:
		return nil, fmt.Errorf("%d nodes are too many, because each message waits for a majority of them: name 5, and let the others use these through engine nats://", n)
	}
}

func parsePeer(entry string) (Peer, error) {
	name, address, named := strings.Cut(entry, "=")
	if !named {
		address = entry
	}
	host, port, err := splitAddress(address)
	if err != nil {
		return Peer{}, err
	}
	ip, err := netip.ParseAddr(host)
	isAddress := err == nil
	if isAddress && ip.IsUnspecified() {
		return Peer{}, fmt.Errorf("%q: the other nodes cannot connect to this address: give the address of the node", entry)
	}
	switch {
	case named:
	case isAddress: // colons and dots cannot be part of a name
		name = strings.Trim(strings.Map(func(r rune) rune {
			if r == '.' || r == ':' {
				return '-'
			}
			return r
		}, ip.WithZone("").String()), "-")
	default:
		name, _, _ = strings.Cut(host, ".")
	}
	if !nodeName.MatchString(name) {
		return Peer{}, fmt.Errorf("the name %.40q of a node is not valid: give it one of 1 to 32 letters, digits and dashes, as in n1=%s", name, address)
	}
	return Peer{Name: name, Host: host, Port: cmp.Or(port, ClusterPort)}, nil
}
