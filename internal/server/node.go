package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/embed"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/nodes"
	"github.com/boreas-pubsub/boreas/v2/internal/roster"
)

// clusterNode is what a server has if it is one of several nodes.
type clusterNode struct {
	// Immutable.
	servers natsconn.Options
	inside  *embed.Server // the NATS server of this node; nil if there are others
	group   *nodes.Group
	roster  *roster.Roster
	self    api.NodeInfo

	isolated atomic.Bool // this node is cut off from the others
}

// joinCluster finds the NATS servers and the name of this node, and makes it known to the others.
func (s *Server) joinCluster(ctx context.Context, version string) (err error) {
	n := &clusterNode{}
	if n.servers, err = clusterServers(ctx, s.cfg, s.log); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			n.stopInside(context.WithoutCancel(ctx), s.log)
		}
	}()
	if s.cfg.Engine == config.EngineCluster {
		o, err := embedOptions(ctx, s.cfg, s.log)
		if err != nil {
			return err
		}
		if n.inside, err = embed.Start(ctx, o); err != nil {
			return err
		}
		n.servers.Server = n.inside
		n.servers.User, n.servers.Password = n.inside.Credentials()
	}
	n.group, err = nodes.Open(ctx, nodes.Options{Servers: n.servers, Version: version, Log: s.log})
	if errors.Is(err, nodes.ErrSameName) {
		return fmt.Errorf("%w (%s): give each node another one with --node", err, n.servers.Node)
	}
	if err != nil {
		return err
	}
	n.self = api.NodeInfo{Name: n.servers.Node, Version: version, Since: clock.Wall()}
	n.roster = roster.New(s.log)
	s.cluster = n
	return nil
}

// presenceChanged returns the receiver of the changes of presence on this node, or nil if it is the
// only one.
func (s *Server) presenceChanged() func(boreas.PresenceChange) {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.roster.Changed
}

// others returns the other nodes for the API, or nil if there are none.
func (s *Server) others() api.Nodes {
	if s.cluster == nil {
		return nil
	}
	return otherNodes{s.cluster.group, s.cluster.self, s.cfg.Peers()}
}

// otherNodes describes the nodes as the API shows them.
type otherNodes struct {
	*nodes.Group
	self  api.NodeInfo
	peers []config.Peer // none if the NATS servers are others
}

var (
	_ api.NodeLister = otherNodes{}
	_ api.NodeLoser  = otherNodes{}
	_ api.NodePeers  = otherNodes{}
)

// Peers implements [api.NodePeers].
func (o otherNodes) Peers() (names []string) {
	for _, p := range o.peers {
		names = append(names, p.Name)
	}
	return names
}

// List implements [api.NodeLister].
func (o otherNodes) List() []api.NodeInfo {
	all := []api.NodeInfo{o.self}
	for _, n := range o.Alive() {
		all = append(all, api.NodeInfo{Name: n.Name, Version: n.Version, Since: n.Started})
	}
	return all
}

// leaveCluster tells the other nodes that this one ends.
func (s *Server) leaveCluster() {
	if s.cluster != nil {
		s.cluster.group.Close()
		s.cluster.roster.Close()
	}
}

// stopInside stops the NATS server of this node, which first passes its part to the others.
func (n *clusterNode) stopInside(ctx context.Context, log *slog.Logger) {
	if n == nil || n.inside == nil {
		return
	}
	if err := n.inside.Shutdown(ctx); err != nil {
		log.Warn("the NATS server of this node did not stop properly", "error", err)
	}
}

// ready returns nil, or why this node should not be the only one that a client can reach.
func (n *clusterNode) ready() error {
	if n == nil || n.inside == nil {
		return nil
	}
	if s := n.inside.Status(); !s.Ready {
		return fmt.Errorf("%w: %s", engine.ErrUnavailable, s.Reason)
	}
	return nil
}

// openStore opens the store of tokens, keys and revocations that all nodes share.
func (n *clusterNode) openStore(ctx context.Context, cfg config.Config, log *slog.Logger) (auth.Store, error) {
	return clusterstore.Open(ctx, clusterstore.Options{Servers: n.servers, Replicas: cfg.NATSReplicas, Logger: log})
}

// node returns the name of this node, or "" if it is the only one.
func (s *Server) node() string {
	if s.cluster == nil {
		return ""
	}
	return s.cluster.servers.Node
}

// engineTimeout returns the hub's limit for calls of the engine. The engine of several nodes has a
// limit of its own, which must come first: it repeats messages while a leader is elected.
func (s *Server) engineTimeout() time.Duration {
	if s.cluster == nil {
		return 0
	}
	return cluster.PublishTimeout + time.Second
}

// openEngine opens the engine of this node.
func (n *clusterNode) openEngine(ctx context.Context, cfg config.Config, log *slog.Logger, rules *liveRules) (engine.Engine, error) {
	return newClusterEngine(ctx, cfg, log, rules, n.servers, n.isolated.Store)
}

// newClusterEngine opens an engine that several nodes share.
func newClusterEngine(ctx context.Context, cfg config.Config, log *slog.Logger, rules *liveRules, servers natsconn.Options, isolated func(bool)) (engine.Engine, error) {
	o := clusterOptions(cfg, rules)
	o.Servers, o.Logger, o.Isolated = servers, log, isolated
	e, err := cluster.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// isolationPeriod is how often a node that is cut off sends its sessions away, also those that have
// come meanwhile.
const isolationPeriod = time.Second

// sendAway ends the sessions while this node is cut off from the others: they would receive nothing
// here.
func (s *Server) sendAway(ctx context.Context) {
	tick := time.NewTicker(isolationPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !s.cluster.isolated.Load() {
			continue
		}
		if n := s.hub.Sessions(); n > 0 {
			s.log.Warn("ending the sessions, because this node is cut off from the others", "sessions", n)
			s.hub.EndSessions(ctx, boreas.ErrNodeIsolated, s.cfg.DrainTime) //nolint:errcheck // the server shuts down
		}
	}
}
