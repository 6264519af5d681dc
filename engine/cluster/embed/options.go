package embed

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"
)

// MinSecret is the minimum length of a secret in bytes. A shorter one could be guessed.
const MinSecret = 16

// ErrNotBuilt means that the program was built with the tag noembed.
var ErrNotBuilt = errors.New("this program was built without a NATS server (build tag noembed): use one that was built with it, or run NATS servers and give their addresses")

// Options of [Start].
type Options struct {
	// Dir is the directory of the messages. It is created if it does not exist.
	Dir string

	// Node is the name of this node, and Peers are all nodes that keep messages, including this one:
	// three or five.
	Node  string
	Peers []Peer

	// Secret is what the nodes of a cluster have in common. It has at least [MinSecret] bytes.
	Secret string

	// Listen is the address for the other nodes, in the form of net.Listen. "" means the address of
	// this node in Peers, or all addresses if it has a name there.
	Listen string

	// TLS is the configuration of the connections between nodes, for both of their ends. nil means no
	// encryption, which is only safe if nobody else can read the network.
	TLS *tls.Config

	// SyncInterval is the time between two waits for the disk. 0 means that the server waits before
	// each acknowledgement.
	SyncInterval time.Duration

	// Log receives what an operator should know. nil discards it.
	Log *slog.Logger
}

// A Peer is a node of a cluster.
type Peer struct {
	Name string // letters, digits and "-"
	Addr string // host:port
}

// Status is what a node knows about the cluster.
type Status struct {
	// Ready reports whether everything that this node keeps is up to date. Another node may be stopped
	// when all are ready.
	Ready bool

	// Reason says why the node is not ready.
	Reason string

	// Leader is the name of the node that decides about streams, or "" if there is none.
	Leader string

	// Peers are the other nodes.
	Peers []PeerStatus
}

// PeerStatus is what a node knows about another.
type PeerStatus struct {
	Name      string
	Connected bool

	// Current reports whether the node has all decisions about streams, and Lag how many it does not
	// have. Only the leader knows this; on other nodes Current is false.
	Current bool
	Lag     uint64
}

// log returns the logger.
func (o *Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

// check returns an error if an option is wrong.
func (o *Options) check() error {
	switch n := len(o.Peers); {
	case n == 2:
		return errors.New("a cluster of two nodes stops when one fails, because one is not a majority of two: give three or five")
	case n != 3 && n != 5:
		return fmt.Errorf("a cluster has three or five nodes that keep messages, and %d are given", n)
	case o.Dir == "":
		return errors.New("the directory for messages is not given")
	case len(o.Secret) < MinSecret:
		return fmt.Errorf("the secret of the cluster has %d bytes and could be guessed: give at least %d random ones", len(o.Secret), MinSecret)
	}
	names := o.names()
	if !slices.Contains(names, o.Node) {
		return fmt.Errorf("this node, %s, is none of the peers %s", o.Node, strings.Join(names, ", "))
	}
	if unique := slices.Compact(names); len(unique) < len(o.Peers) {
		return fmt.Errorf("two of the peers %s have the same name", strings.Join(o.names(), ", "))
	}
	for _, p := range o.Peers {
		if _, _, err := net.SplitHostPort(p.Addr); err != nil {
			return fmt.Errorf("the address %q of the node %s is not a host and a port", p.Addr, p.Name)
		}
	}
	return nil
}

// names returns the names of all peers, sorted.
func (o *Options) names() (names []string) {
	for _, p := range o.Peers {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

// peer returns this node among the peers.
func (o *Options) peer() Peer {
	return o.Peers[slices.IndexFunc(o.Peers, func(p Peer) bool { return p.Name == o.Node })]
}

// listen returns the address to listen on for other nodes. A name is not used: this machine may have
// another address for its own name, such as 127.0.1.1, than the other machines have.
func (o *Options) listen() string {
	if o.Listen != "" {
		return o.Listen
	}
	host, port, _ := net.SplitHostPort(o.peer().Addr)
	if net.ParseIP(host) == nil && host != "localhost" {
		host = ""
	}
	return net.JoinHostPort(host, port)
}
